"""How long a job was in each phase, and what its trainers lost, outlives everything but the status."""

import pytest

from tests.planning.build import NOW, change, child, done, look, make_job, running, then
from trainwright.api.contract import LostTime, StepResult
from trainwright.api.job import TrainingJob
from trainwright.api.status import PhaseSeconds, Progress
from trainwright.planning.observation import WorkerOutcome

LOST = LostTime(start=3.0, replay=2.0)


def test_time_is_counted_when_the_phase_changes() -> None:
    job = make_job()
    job = then(job, look(job, after=5))
    assert (job.status.phase, job.status.phase_since) == ("Pending", NOW.replace(second=5))
    assert job.status.phase_seconds == PhaseSeconds()
    job = then(job, look(job, child(job, active=2), after=9))
    assert job.status.phase_seconds == PhaseSeconds(), "a pass in the same phase counts nothing"
    job = then(job, look(job, running(job), after=15))
    assert job.status.phase_seconds == PhaseSeconds(pending=10)
    failed = child(job, failed=True, reason="BackoffLimitExceeded")
    job = then(job, look(job, failed, outcomes={"digits-train": [WorkerOutcome(0, 137)]}, after=45))
    assert job.status.phase == "Restarting"
    assert job.status.phase_seconds == PhaseSeconds(pending=10, running=30)
    job = then(job, look(job, running(job, attempt=2), after=52))
    assert job.status.phase_seconds == PhaseSeconds(pending=10, running=30, restarting=7)
    job = change(job, runPolicy={"suspend": True})
    job = then(job, look(job, running(job, attempt=2), after=53))
    job = then(job, look(job, after=58))
    job = change(job, runPolicy={"suspend": False})
    job = then(job, look(job, after=150))
    assert job.status.phase_seconds == PhaseSeconds(pending=10, running=31, restarting=7, suspended=97)


def test_a_job_waits_from_its_creation_on() -> None:
    job = make_job()
    metadata = job.metadata.model_copy(update={"creation_timestamp": NOW})
    job = job.model_copy(update={"metadata": metadata})
    assert look(job, after=20).status.phase_since == NOW
    assert look(job, running(job), after=20).status.phase_seconds == PhaseSeconds(pending=20)


def test_lost_time_outlives_the_progress_that_told_of_it() -> None:
    job = trained_a_while()
    failed = child(job, failed=True, reason="BackoffLimitExceeded")
    job = then(job, look(job, failed, outcomes={"digits-train": [WorkerOutcome(0, 137)]}))
    assert job.status.progress is None
    assert job.status.steps[0].lost == LOST


@pytest.mark.parametrize(("told", "kept"), [(LostTime(start=4.0), LostTime(start=4.0)), (None, LOST)])
def test_a_steps_own_result_has_the_last_word_on_its_lost_time(told: LostTime | None, kept: LostTime) -> None:
    job = trained_a_while()
    (outcome,) = done("train")
    assert isinstance(outcome.result, StepResult)
    outcome = WorkerOutcome(0, 0, "Completed", outcome.result.model_copy(update={"lost": told}))
    decided = look(job, child(job, succeeded=True), outcomes={"digits-train": [outcome]})
    assert decided.status.steps[0].lost == kept


def trained_a_while() -> TrainingJob:
    job = make_job()
    job = then(job, look(job, running(job)))
    job = then(job, look(job, running(job), progress=Progress(percent=10, lost=LOST)))
    assert job.status.progress == Progress(percent=10, lost=LOST)
    return job
