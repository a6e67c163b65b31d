"""The operator as a process: options and logs."""

import asyncio
import os
import socket
from pathlib import Path

from trainwright.controller.logs import log_as_json
from trainwright.controller.operator import Operator
from trainwright.controller.options import OperatorConfig, OperatorOptions, read_config


def run_operator(
    *,
    namespaces: tuple[str, ...],
    lease_namespace: str,
    lease_name: str,
    identity: str | None,
    config: Path | None,
    health_port: int,
    metrics_port: int,
    metrics_jobs: int,
    workers: int,
    log_level: str,
) -> None:
    """Runs one replica until SIGTERM or SIGINT. See `OperatorOptions` for the arguments."""
    options = OperatorOptions(
        namespaces=namespaces,
        lease_namespace=lease_namespace,
        lease_name=lease_name,
        identity=identity or f"{socket.gethostname()}-{os.getpid()}",
        config=read_config(config) if config else OperatorConfig(),
        health_port=health_port,
        metrics_port=metrics_port,
        metrics_jobs=metrics_jobs,
        workers=workers,
    )
    log_as_json(log_level)  # not before: a mistake in the options is told to a person
    asyncio.run(_run(options))


async def _run(options: OperatorOptions) -> None:
    await Operator(options).run(asyncio.Event())
