"""Asks the cluster again and again, and shows what it says."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.live import Live

from trainwright.controller.client import Client
from trainwright.controller.lookup import UNREACHABLE, look_up_all
from trainwright.top.jobs import Row, read_row
from trainwright.top.table import coloured, plain

PAUSE_PER_SECOND = 10
"""The pause is at least so many times as long as the answer took: many jobs must not become a load."""


async def follow(console: Console, namespaces: Sequence[str], seconds: float, *, once: bool, finished: bool) -> None:
    """Shows the jobs until it is cancelled; once, when asked to.

    Args:
        console: where to; what is no terminal gets plain text.
        namespaces: which; the whole cluster when there are none given.
        seconds: between two looks, unless the cluster takes long to answer.
        once: whether to end after the first look.
        finished: whether jobs that are over are shown, too.

    Raises:
        ApiError, ConfigException, aiohttp.ClientError, TimeoutError, OSError: the first look failed. Later ones are
            only said.
    """
    async with Client() as client:
        rows, took = await _look(client, namespaces, finished)
        if once or not console.is_terminal:
            typer.echo(plain(rows))
            while not once:
                await asyncio.sleep(max(seconds, PAUSE_PER_SECOND * took))
                rows, took = await _look(client, namespaces, finished)
                typer.echo(f"\n{plain(rows)}")
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            note = ""
            while True:
                live.update(coloured(rows, console.height, note), refresh=True)
                await asyncio.sleep(max(seconds, PAUSE_PER_SECOND * took))
                try:
                    (rows, took), note = await _look(client, namespaces, finished), ""
                except UNREACHABLE as error:
                    note = f"no answer, what is shown may be old: {error}"


async def _look(client: Client, namespaces: Sequence[str], finished: bool) -> tuple[list[Row], float]:
    """The jobs, and how many seconds it took to get them."""
    start = time.monotonic()
    bodies = await look_up_all(client, namespaces)
    took = time.monotonic() - start
    now = datetime.now(UTC)
    rows = [row for row in (read_row(body, now) for body in bodies) if finished or not row.finished]
    return sorted(rows, key=lambda row: (row.namespace, row.name)), took
