"""When pods are asked why they don't start."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from tests.controller.conftest import Clock
from tests.planning.build import TRAIN, child, make_job
from trainwright.api.job import TrainingJob
from trainwright.controller.questions import FIRST_PAUSE, LONGEST_PAUSE, LOOKS_A_SECOND, Questions
from trainwright.planning.execution import EXPLAIN_AFTER

START_SECONDS = EXPLAIN_AFTER.total_seconds()


class Cluster:
    """Stands for the API server: every pod of every Job waits for the same, and each look is noted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.looks: list[float] = []

    async def read_all(self, kind: str, namespace: str, **query: str) -> list[dict[str, Any]]:
        self.looks.append(self._clock.now)
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU is free"}
        return [{"metadata": {}, "status": {"conditions": [condition]}}]


@pytest.fixture
def cluster(clock: Clock) -> Cluster:
    return Cluster(clock)


def job_named(name: str) -> TrainingJob:
    job = make_job(TRAIN)
    return job.model_copy(update={"metadata": job.metadata.model_copy(update={"name": name})})


def follow(clock: Clock, questions: Questions, jobs: Sequence[TrainingJob], seconds: float) -> dict[str, float]:
    """Passes over jobs that wait, each exactly when it asked to be looked at again; when each was first explained."""
    begin = clock.now
    due, explained = {job.metadata.name: clock.now for job in jobs}, {}
    while min(due.values()) < begin + seconds:
        clock.now = min(due.values())
        for job in jobs:
            name = job.metadata.name
            if due[name] <= clock.now:
                answer, again = asyncio.run(questions.why_waiting(job, (child(job),)))
                assert again is not None
                due[name] = clock.now + max(again, 0.001)
                if answer:
                    explained.setdefault(name, clock.now - begin)
    return explained


def test_what_a_job_waits_for_is_asked_when_it_had_its_time_and_then_less_and_less_often(
    clock: Clock, cluster: Cluster
) -> None:
    questions, begin = Questions(cluster), clock.now  # type: ignore[arg-type]
    follow(clock, questions, [make_job(TRAIN)], 300)
    times = [moment - begin for moment in cluster.looks]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times[0] == pytest.approx(START_SECONDS, abs=0.1)
    assert pauses[:4] == pytest.approx([FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE], abs=0.1)
    assert pauses[4:] == pytest.approx([LONGEST_PAUSE] * len(pauses[4:]), abs=0.1)


def test_of_many_jobs_that_wait_each_has_its_turn(clock: Clock, cluster: Cluster) -> None:
    jobs = [job_named(f"job-{number}") for number in range(20)]
    explained = follow(clock, Questions(cluster), jobs, 30)  # type: ignore[arg-type]
    last = START_SECONDS + len(jobs) / LOOKS_A_SECOND
    assert explained.keys() == {job.metadata.name for job in jobs}
    assert max(explained.values()) <= 2 * last, "nobody waits behind those who ask again and again"
    pauses = [later - earlier for earlier, later in zip(cluster.looks, cluster.looks[1:], strict=False)]
    assert min(pauses) == pytest.approx(1 / LOOKS_A_SECOND, abs=0.01)


def test_who_waits_for_nothing_is_not_asked(clock: Clock, cluster: Cluster) -> None:
    questions, job = Questions(cluster), make_job(TRAIN)  # type: ignore[arg-type]
    for children in ((), (child(job, ready=2),), (child(job, terminating=True),)):
        assert asyncio.run(questions.why_waiting(job, children)) == ("", None)
    assert cluster.looks == []
