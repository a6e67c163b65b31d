"""One job on an idle cluster: how long from its create until its pods exist, and what the operator asks for it."""

import asyncio
import statistics
import time
from datetime import UTC, datetime

from benchmarks.load.calls import describe, is_event, operator_calls
from benchmarks.load.client import Client
from benchmarks.load.contenders import FLOOR, OPERATOR, Contender, is_complete
from benchmarks.load.namespaces import fresh_namespace
from benchmarks.load.report import Row, milliseconds, show
from benchmarks.load.stage import Stage

LONGEST_SECONDS = 60.0
PAUSE_SECONDS = 1.0
"""After a job, in which the cluster comes to rest."""


async def compare_singles(stage: Stage, client: Client, count: int, workers: int) -> None:
    """Runs so many jobs one after the other, in turn with as many of the floor's, and prints the medians."""
    namespaces = {item: fresh_namespace(stage.plane.client) for item in (FLOOR, OPERATOR)}
    seconds: dict[Contender, list[float]] = {FLOOR: [], OPERATOR: []}
    for number in range(count):
        for contender, namespace in namespaces.items():
            seconds[contender].append(await _run(client, contender, namespace, f"one-{number}", workers))
            await asyncio.sleep(PAUSE_SECONDS)
    floor, ours = seconds[FLOOR], seconds[OPERATOR]
    show(
        f"one job of {workers} workers on an idle cluster, {count} times",
        [
            Row(
                f"until its pods exist (floor {milliseconds(statistics.median(floor))})",
                milliseconds(statistics.median(ours)),
                "at most 100 ms",
            ),
            Row(f"the quickest (floor {milliseconds(min(floor))})", milliseconds(min(ours))),
            Row(f"the slowest (floor {milliseconds(max(floor))})", milliseconds(max(ours))),
        ],
    )


async def list_calls(stage: Stage, client: Client) -> None:
    """Runs a job of one worker and prints what the operator asked of the API server for it."""
    namespace = fresh_namespace(stage.plane.client)
    await _run(client, OPERATOR, namespace, "first", 1)  # a new leader looks around before it does anything
    await asyncio.sleep(PAUSE_SECONDS)
    since = datetime.now(UTC)
    await _run(client, OPERATOR, namespace, "counted", 1)
    await asyncio.sleep(PAUSE_SECONDS)
    calls = operator_calls(stage.plane, since, datetime.now(UTC))
    counted = sum(not is_event(call) for call in calls)
    show(
        "the operator's calls for one job of one worker, from its create until it is complete",
        [
            *(Row(f"{(call.received - since).total_seconds():5.2f} s  {describe(call)}", "") for call in calls),
            Row("calls besides events", str(counted), "at most 4"),
        ],
    )


async def _run(client: Client, contender: Contender, namespace: str, name: str, workers: int) -> float:
    """Seconds until all pods of one job existed; returns when the job is complete."""
    pods, jobs = f"/api/v1/namespaces/{namespace}/pods", contender.collection.format(namespace=namespace)
    async with asyncio.timeout(LONGEST_SECONDS):
        pods_before, jobs_before = await client.version(pods), await client.version(jobs)
        async with client.watch(pods, pods_before, metadata_only=True) as events:
            start = time.monotonic()
            await contender.create(client, name, namespace, workers)
            born: set[str] = set()
            while len(born) < workers:
                born.add((await anext(events))["metadata"]["uid"])
            seconds = time.monotonic() - start
        async with client.watch(jobs, jobs_before) as events:
            await anext(body async for body in events if is_complete(body))
    return seconds
