"""Many jobs at once: how long until all their pods exist, and until all is done."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.load.calls import by_kind, operator_calls
from benchmarks.load.client import CONNECTIONS, Client
from benchmarks.load.contenders import FLOOR, OPERATOR, Contender, has_failed, is_complete
from benchmarks.load.namespaces import fresh_namespace
from benchmarks.load.report import Row, mebibytes, milliseconds, show
from benchmarks.load.stage import Stage
from testbed import ControlPlane

POLL_SECONDS = 0.1
LONGEST_SECONDS = 500.0
QUIET_SECONDS = 3.0
"""A turn is over when the operator has asked for nothing for so long: its events come last, and must not burden the
next turn."""


@dataclass(frozen=True)
class Turn:
    """One contender's turn with all its jobs. Times are in seconds since the first create.

    Attributes:
        pods: until all pods existed.
        complete: until every job said that it was complete.
        operator_cpu: CPU time of the operator, until it has nothing left to do.
        plane_cpu: of all programs of the control plane.
        requests: that the API server answered, by its own count.
        calls: of the operator about jobs, by verb and resource.
    """

    pods: float
    complete: float
    operator_cpu: float
    plane_cpu: float
    requests: int
    calls: Counter[str]


async def compare_crowds(stage: Stage, client: Client, jobs: int, workers: int, rounds: int) -> None:
    """Runs the turns and prints what came of them.

    Raises TimeoutError where jobs take too long, RuntimeError where one fails.
    """
    pairs = [
        (await _turn(stage, client, FLOOR, jobs, workers), await _turn(stage, client, OPERATOR, jobs, workers))
        for _ in range(rounds)
    ]

    def median(of: Callable[[Turn], float]) -> tuple[float, float]:
        return statistics.median(of(floor) for floor, _ in pairs), statistics.median(of(ours) for _, ours in pairs)

    def times(name: str, of: Callable[[Turn], float]) -> Row:
        ratios = [of(ours) / of(floor) for floor, ours in pairs]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        floor, ours = median(of)
        measured = f"{statistics.median(ratios):.2f}"
        return Row(f"{name}: {ours:.1f} s, floor {floor:.1f} s, ratio (each {each})", measured, "at most 1.25")

    plane_cpu, requests = median(lambda turn: turn.plane_cpu / jobs), median(lambda turn: turn.requests / jobs)
    ours = pairs[-1][1]
    show(
        f"{jobs} jobs of {workers} workers at once, {rounds} rounds",
        [
            times("all pods exist", lambda turn: turn.pods),
            times("all complete", lambda turn: turn.complete),
            Row("operator CPU a job", milliseconds(median(lambda turn: turn.operator_cpu / jobs)[1])),
            Row(f"control plane CPU a job (floor {milliseconds(plane_cpu[0])})", milliseconds(plane_cpu[1])),
            Row(f"requests of everybody a job (floor {requests[0]:.1f})", f"{requests[1]:.1f}"),
            Row("operator memory", mebibytes(stage.operator.usage().memory_bytes)),
            *(Row(f"calls a job: {kind}", f"{count / jobs:.2f}") for kind, count in sorted(ours.calls.items())),
        ],
    )


async def _turn(stage: Stage, client: Client, contender: Contender, jobs: int, workers: int) -> Turn:
    plane, operator, namespace = stage.plane, stage.operator, fresh_namespace(stage.plane.client)
    since = datetime.now(UTC)
    operator_before, plane_before, requests_before = operator.usage(), _plane_cpu(stage), plane.request_counts().total()
    pods, complete = await _run(client, contender, namespace, jobs, workers)
    await _quiet(plane)
    return Turn(
        pods,
        complete,
        operator.usage().cpu_seconds - operator_before.cpu_seconds,
        _plane_cpu(stage) - plane_before,
        plane.request_counts().total() - requests_before,
        by_kind(operator_calls(plane, since, datetime.now(UTC))),
    )


async def _quiet(plane: ControlPlane) -> None:
    while True:
        now = datetime.now(UTC)
        await asyncio.sleep(QUIET_SECONDS)
        if not await asyncio.to_thread(operator_calls, plane, now, datetime.now(UTC)):
            return


def _plane_cpu(stage: Stage) -> float:
    return sum(usage.cpu_seconds for usage in stage.plane.usage().values())


async def _run(client: Client, contender: Contender, namespace: str, jobs: int, workers: int) -> tuple[float, float]:
    """Seconds until all pods existed, and until all jobs were complete."""
    slots = asyncio.Semaphore(CONNECTIONS)

    async def create(number: int) -> None:
        async with slots:
            await contender.create(client, f"job-{number}", namespace, workers)

    start = time.monotonic()
    async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as tasks:
        pods = tasks.create_task(_all_pods_exist(client, namespace, jobs * workers))
        complete = tasks.create_task(_all_complete(client, contender, namespace, jobs))
        for number in range(jobs):
            tasks.create_task(create(number))
    return pods.result() - start, complete.result() - start


async def _all_pods_exist(client: Client, namespace: str, wanted: int) -> float:
    while await client.count(f"/api/v1/namespaces/{namespace}/pods") < wanted:
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic()


async def _all_complete(client: Client, contender: Contender, namespace: str, wanted: int) -> float:
    done: set[str] = set()
    async with client.watch(contender.collection.format(namespace=namespace)) as bodies:
        async for body in bodies:
            if has_failed(body):
                raise RuntimeError(f"{body['metadata']['name']} has failed: {body['status']}")
            if is_complete(body):
                done.add(body["metadata"]["uid"])
            if len(done) == wanted:
                break
    return time.monotonic()
