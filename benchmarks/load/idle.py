"""Thousands of finished jobs that lie there: what they cost an operator that has nothing to do."""

import asyncio
import copy
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.load.calls import by_kind, operator_calls
from benchmarks.load.client import CONNECTIONS, Client
from benchmarks.load.contenders import FLOOR, OPERATOR, is_complete, training_job
from benchmarks.load.namespaces import fresh_namespace
from benchmarks.load.report import Row, mebibytes, show
from benchmarks.load.stage import Stage
from trainwright.manifests.names import JOB_LABEL

Object = dict[str, Any]

SETTLE_SECONDS = 15.0
"""Time after the start in which a leader looks at everything once."""

REST_SECONDS = 30.0


async def measure_idle(stage: Stage, client: Client, count: int) -> None:
    """Lays the jobs down while there is no operator, starts one, and prints what it uses while nothing happens."""
    namespace = fresh_namespace(stage.plane.client)
    job, child = await _finished(client, namespace)
    operator = stage.operator
    operator.stop()
    start = time.monotonic()
    await _lay_down(client, namespace, count, job, child)
    laid = time.monotonic() - start
    start = time.monotonic()
    await asyncio.to_thread(operator.start_ready)
    ready, used = time.monotonic() - start, operator.usage().cpu_seconds
    await asyncio.sleep(SETTLE_SECONDS)
    before, since = operator.usage(), datetime.now(UTC)
    await asyncio.sleep(REST_SECONDS)
    after, until = operator.usage(), datetime.now(UTC)
    calls = by_kind(operator_calls(stage.plane, since, until))
    show(
        f"{count} finished jobs, laid down in {laid:.0f} s",
        [
            Row("operator from start to ready", f"{ready:.1f} s", "at most 15 s"),
            Row("CPU time that took", f"{used:.1f} s"),
            Row("memory at rest", mebibytes(after.memory_bytes), "less than 300 MB"),
            Row("share of one core at rest", f"{(after.cpu_seconds - before.cpu_seconds) / REST_SECONDS:.2%}"),
            Row(f"calls about jobs in {REST_SECONDS:.0f} s of rest", str(calls.total()), "0"),
            *(Row(f"  {kind}", str(number)) for kind, number in sorted(calls.items())),
        ],
    )


async def _finished(client: Client, namespace: str) -> tuple[Object, Object]:
    """A TrainingJob and its child Job that have run: what the others are made like."""
    jobs, children = (item.collection.format(namespace=namespace) for item in (OPERATOR, FLOOR))
    await OPERATOR.create(client, "pattern", namespace, 1)
    async with client.watch(jobs) as bodies:
        job = await anext(body async for body in bodies if is_complete(body))
    async with client.watch(children) as bodies:
        return job, await anext(bodies)


async def _lay_down(client: Client, namespace: str, count: int, job: Object, child: Object) -> None:
    """Makes so many finished TrainingJobs with their finished Jobs, like the two that are given."""
    slots = asyncio.Semaphore(CONNECTIONS)
    jobs, children = (item.collection.format(namespace=namespace) for item in (OPERATOR, FLOOR))

    async def one(name: str) -> None:
        async with slots:
            owner = await client.create(jobs, training_job(name, namespace, 1))
            await client.write_status(f"{jobs}/{name}", job["status"])
            made = await client.create(children, _child_of(owner, child))
            await client.write_status(f"{children}/{made['metadata']['name']}", child["status"])

    await asyncio.gather(*(one(f"old-{number}") for number in range(count)))


def _child_of(job: Object, like: Object) -> Object:
    """A Job as the operator makes it for the TrainingJob.

    Another controller is named as its manager, else Kubernetes' own would make pods for it.
    """
    name, uid, metadata = job["metadata"]["name"], job["metadata"]["uid"], like["metadata"]
    spec = copy.deepcopy(like["spec"]) | {"managedBy": "trainwright.dev/benchmark"}
    del spec["selector"]
    labels = spec["template"]["metadata"]["labels"]  # Kubernetes adds the Job's own
    spec["template"]["metadata"]["labels"] = {key: labels[key] for key in labels if key.startswith("trainwright.dev/")}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": metadata["name"].replace(metadata["labels"][JOB_LABEL], name),
            "labels": metadata["labels"] | {JOB_LABEL: name},
            "ownerReferences": [metadata["ownerReferences"][0] | {"name": name, "uid": uid}],
        },
        "spec": spec,
    }
