"""The operator as a process: options and logs."""

import asyncio
import gc
import os
import socket
from pathlib import Path

from trainwright.controller.logs import log_as_json
from trainwright.controller.operator import Operator
from trainwright.controller.options import OperatorConfig, OperatorOptions, read_config

GARBAGE_THRESHOLDS = (20_000, 50, 100)
"""New objects until the collector looks at them, and how often until at the older ones.

Source: https://docs.python.org/3/library/gc.html#gc.set_threshold
"""


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
    # Ten thousand jobs are a million small objects in which there is no garbage; while they are read in, a fifth of the
    # time would go into looking through them.
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    log_as_json(log_level)  # not before: a mistake in the options is told to a person
    asyncio.run(_run(options))


async def _run(options: OperatorOptions) -> None:
    await Operator(options).run(asyncio.Event())
