"""Suspension, deadlines, what stays of a job that is over, and objects that can't run."""

from datetime import timedelta
from typing import Any

import pytest

from tests.planning.build import (
    NOW,
    TRAIN,
    applied_jobs,
    change,
    child,
    condition,
    done,
    look,
    make_job,
    reasons,
    running,
    then,
)
from trainwright.api.job import TrainingJob
from trainwright.api.problems import Problem
from trainwright.planning.observation import WorkerOutcome
from trainwright.planning.rejection import reject

CRASH = WorkerOutcome(0, 1, "Error", None, "boom")


def began(**policy: Any) -> TrainingJob:
    job = make_job(TRAIN, runPolicy=policy)
    return then(job, look(job))


def suspended(job: TrainingJob, suspend: bool = True) -> TrainingJob:
    return change(job, runPolicy=job.spec.run_policy.to_dict() | {"suspend": suspend})


# Suspension.


def test_a_job_that_is_made_suspended_makes_nothing() -> None:
    decided = look(make_job(runPolicy={"suspend": True}))
    assert not decided.apply
    assert decided.status.phase == "Suspended"
    assert decided.status.start_time is None
    assert reasons(decided) == ["Suspended"]


def test_suspending_stops_the_workers_and_is_done_when_their_pods_are_gone() -> None:
    job = suspended(began())
    decided = look(job, running(job))
    assert [item.name for item in decided.delete] == ["digits-train"]
    assert decided.status.phase == "Suspending"
    assert decided.status.replicas == 2
    job = then(job, decided)
    waits = look(job, running(job, terminating=True))
    assert waits.status.phase == "Suspending"
    assert not waits.delete
    rests = look(then(job, waits), after=9)
    assert (rests.status.phase, rests.status.replicas) == ("Suspended", 0)
    assert reasons(rests) == ["Suspended"]
    assert not look(then(job, rests), after=99).events


def test_resuming_goes_on_with_the_same_attempt() -> None:
    job = suspended(began())
    job = suspended(then(job, look(job)), False)
    decided = look(job, after=100)
    assert reasons(decided) == ["Resumed", "StepResumed"]
    assert decided.apply[-1]["metadata"]["labels"]["trainwright.dev/attempt"] == "1"
    assert (decided.status.restarts, decided.status.start_time) == (0, NOW + timedelta(seconds=100))
    told = condition(decided, "Suspended")
    assert told is not None
    assert (told.status, told.reason) == ("False", "Resumed")


def test_a_step_that_ends_well_while_it_is_suspended_is_done() -> None:
    job = suspended(began())
    decided = look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")})
    assert decided.status.phase == "Complete"


def test_a_failure_while_suspended_is_recorded_and_restarts_only_when_resumed() -> None:
    job = suspended(began())
    decided = look(job, child(job, failed=True), outcomes={"digits-train": [CRASH]})
    assert decided.status.phase == "Suspended"
    assert decided.status.steps[0].failed_attempts == 1
    job = suspended(then(job, decided), False)
    decided = look(job, child(job, failed=True), after=10)
    assert [item.name for item in decided.delete] == ["digits-train"]
    assert applied_jobs(look(then(job, decided), after=11)) == ["digits-train"]


def test_a_failed_group_that_is_being_deleted_may_still_have_pods() -> None:
    job = began()
    job = then(job, look(job, child(job, failed=True), outcomes={"digits-train": [CRASH]}))
    decided = look(suspended(job), child(job, failed=True, terminating=True))
    assert decided.status.phase == "Suspending"


def test_suspending_while_a_step_waits_to_restart() -> None:
    job = began()
    job = then(job, look(job, child(job, failed=True), outcomes={"digits-train": [CRASH]}))
    decided = look(suspended(job))
    assert decided.status.phase == "Suspended"
    told = condition(decided, "Restarting")
    assert told is not None
    assert told.status == "False"


# The deadline.


def test_the_deadline_ends_the_job_and_stops_its_workers() -> None:
    job = began(activeDeadlineSeconds=60)
    decided = look(job, running(job), after=60)
    assert decided.status.phase == "Failed"
    assert [item.name for item in decided.delete] == ["digits-train"]
    assert reasons(decided) == ["DeadlineExceeded"]
    assert decided.status.steps[0].state == "Failed"


def test_a_job_is_looked_at_when_its_deadline_comes() -> None:
    job = began(activeDeadlineSeconds=60)
    assert look(job, running(job), after=59.9).look_again == NOW + timedelta(seconds=60)


def test_the_first_pass_already_knows_the_deadline() -> None:
    assert look(make_job(runPolicy={"activeDeadlineSeconds": 3})).look_again == NOW + timedelta(seconds=3)


def test_time_in_suspension_does_not_count() -> None:
    job = suspended(began(activeDeadlineSeconds=60))
    job = then(job, look(job, after=50))
    assert look(job, after=9000).status.phase == "Suspended"
    job = suspended(job, False)
    resumed = look(job, after=9000)
    assert resumed.status.phase == "Pending"
    job = then(job, resumed)
    assert look(job, running(job), after=9059).status.phase == "Running"
    assert look(job, running(job), after=9060).status.phase == "Failed"


def test_what_is_done_when_the_deadline_comes_is_done() -> None:
    job = began(activeDeadlineSeconds=60)
    decided = look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")}, after=61)
    assert decided.status.phase == "Complete"


# The end.


def ended(**policy: Any) -> TrainingJob:
    job = began(**policy)
    return then(job, look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")}))


@pytest.mark.parametrize(
    ("policy", "deleted"),
    [("Running", ["digits-live"]), ("All", ["digits-done", "digits-live"]), ("None", [])],
)
def test_what_stays_of_a_finished_job(policy: str, deleted: list[str]) -> None:
    job = ended(cleanPodPolicy=policy)
    decided = look(
        job,
        child(job, name="digits-done", succeeded=True),
        child(job, name="digits-live", uid="live", active=2),
        child(job, name="digits-going", uid="going", terminating=True),
    )
    assert [item.name for item in decided.delete] == deleted


def test_a_finished_job_stays_as_it_is() -> None:
    job = ended()
    for changed in (job, suspended(job), change(job, workers={"replicas": 5})):
        decided = look(changed, child(changed, failed=True), outcomes={"digits-train": [CRASH]}, after=99)
        assert decided.status.conditions == job.status.conditions
        assert decided.status.steps == job.status.steps
        assert decided.status.completion_time == job.status.completion_time
        assert not (decided.apply or decided.events)


def test_a_job_goes_when_its_time_to_live_is_over() -> None:
    job = ended(ttlSecondsAfterFinished=100)
    early = look(job, after=99.9)
    assert (early.delete_job, early.look_again) == (False, NOW + timedelta(seconds=100))
    assert look(job, after=100).delete_job


def test_a_job_without_a_time_to_live_stays() -> None:
    decided = look(ended(), after=10**9)
    assert (decided.delete_job, decided.look_again) == (False, None)


# Objects that can't run.

PROBLEMS = [Problem("spec.framework", "got torch"), Problem("spec.steps", "is missing")]


def test_an_object_that_can_not_run_fails_with_all_that_is_wrong() -> None:
    decided = reject(make_job().status, 3, PROBLEMS, NOW)
    told = condition(decided, "Failed")
    assert told is not None
    assert (decided.status.phase, told.reason, told.observed_generation) == ("Failed", "InvalidSpec", 3)
    assert told.message == "spec.framework: got torch\nspec.steps: is missing"
    assert decided.status.completion_time == NOW
    assert reasons(decided) == ["InvalidSpec"]


def test_it_is_said_once() -> None:
    job = then(make_job(), reject(make_job().status, 1, PROBLEMS, NOW))
    again = reject(job.status, 1, PROBLEMS, NOW + timedelta(seconds=9))
    assert again.status == job.status
    assert not again.events


def test_an_object_that_becomes_invalid_has_its_workers_stopped() -> None:
    job = began()
    job = then(job, look(job, running(job)))
    live, gone = running(job), child(job, name="digits-old", terminating=True)
    decided = reject(job.status, 2, PROBLEMS, NOW, [live, gone, child(job, succeeded=True)])
    assert decided.delete == (live,)
    running_condition = condition(decided, "Running")
    assert running_condition is not None
    assert running_condition.status == "False"


def test_a_rejected_object_that_is_mended_stays_failed() -> None:
    job = then(make_job(), reject(make_job().status, 1, PROBLEMS, NOW))
    decided = look(job)
    assert decided.status.phase == "Failed"
    assert not decided.apply


def test_a_complete_job_that_becomes_invalid_stays_complete() -> None:
    job = ended()
    assert reject(job.status, 2, PROBLEMS, NOW).status == job.status


def test_thousands_of_problems_fit_into_a_message() -> None:
    decided = reject(make_job().status, 1, PROBLEMS * 10_000, NOW)
    told = condition(decided, "Failed")
    assert told is not None
    assert len(told.message) == 4000
