"""One group of workers at the current step: made, waited for, put back, resized, restarted."""

from datetime import timedelta
from typing import Any

import pytest

from tests.planning.build import (
    INT8,
    NOW,
    ONNX,
    PRUNE,
    SCRIPT,
    SITE,
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
from trainwright.api.base import format_time
from trainwright.api.status import Progress
from trainwright.planning.observation import Observation, WorkerOutcome, read_child
from trainwright.planning.plan import plan

CRASH = WorkerOutcome(0, 1, "Error", None, "boom")


def began(*steps: dict[str, Any], **spec: Any) -> Any:
    """A job whose first step has been begun."""
    job = make_job(*steps, **spec)
    return then(job, look(job))


def test_the_first_pass_makes_the_objects_of_the_first_step_only() -> None:
    decided = look(make_job())
    assert [(body["kind"], body["metadata"]["name"]) for body in decided.apply] == [
        ("PersistentVolumeClaim", "digits"),
        ("Service", "digits"),
        ("NetworkPolicy", "digits"),
        ("Job", "digits-train"),
    ]
    assert reasons(decided) == ["StepStarted"]
    assert decided.status.phase == "Pending"
    assert decided.status.current_step == "train"
    assert decided.status.start_time == NOW
    assert decided.status.steps[0].attempts == 1
    assert decided.status.selector == "trainwright.dev/job-name=digits,trainwright.dev/step=train"


def test_a_pass_that_was_cut_short_after_it_made_the_job_is_made_good() -> None:
    job = make_job()
    decided = look(job, running(job))
    assert not decided.apply
    assert decided.status.steps[0].attempts == 1
    assert decided.status.phase == "Running"


def test_a_group_that_starts_is_looked_at_ever_more_seldom() -> None:
    job = began()
    waits = [
        look(job, child(job, created=NOW, active=2, ready=1), after=seconds).look_again for seconds in (0, 2, 60, 3600)
    ]
    assert [wait and wait - NOW for wait in waits] == [timedelta(seconds=end) for end in (5, 7, 120, 3900)]


def test_it_is_said_what_workers_wait_for() -> None:
    job = began()
    decided = look(job, child(job, active=2, ready=1), waiting="0/4 nodes have a free GPU")
    told = condition(decided, "Running")
    assert told is not None
    assert (told.status, told.reason) == ("False", "WaitingForWorkers")
    assert told.message == "1 of 2 workers of step train are ready: 0/4 nodes have a free GPU"


def test_a_job_that_waits_in_a_queue_says_which() -> None:
    job = began(scheduling={"queueName": "team-a"})
    told = condition(look(job, child(job)), "Running")
    assert told is not None
    assert (told.reason, told.message) == (
        "Queued",
        "the Job digits-train is suspended: queue team-a has not admitted it yet",
    )


def test_a_worker_that_is_done_does_not_look_like_one_that_is_missing() -> None:
    job = began()
    job = then(job, look(job, running(job)))
    decided = look(job, running(job, active=1, ready=1, done=1))
    assert decided.status.phase == "Running"
    assert decided.status == job.status.model_copy(update={"replicas": 1})


def ending(job: Any, after: float) -> Any:
    """A pass over a group that has lost a worker, while its last pod is still ending."""
    group = child(job)
    target = {"type": "FailureTarget", "status": "True", "lastTransitionTime": format_time(NOW)}
    return look(
        job, read_child(group.body | {"status": {"active": 1, "ready": 0, "conditions": [target]}}), after=after
    )


def test_a_group_whose_outcome_is_decided_stays_what_it_was_for_the_moment_that_its_pods_take_to_end() -> None:
    job = began()
    job = then(job, look(job, running(job), progress=Progress(percent=40)))
    assert ending(job, 4).status == job.status
    assert ending(job, 4).look_again == NOW + timedelta(seconds=5)


def test_a_group_whose_last_pods_do_not_end_says_so() -> None:
    job = began()
    job = then(job, look(job, running(job)))
    told = condition(ending(job, 5), "Running")
    assert told is not None
    assert (told.status, told.reason) == ("False", "WorkersEnding")


def test_progress_is_shown_while_a_step_runs_and_survives_a_look_that_missed_it() -> None:
    job = began()
    seen = look(job, running(job), progress=Progress(percent=40))
    assert seen.status.progress == Progress(percent=40)
    job = then(job, seen)
    assert look(job, running(job)).status.progress == Progress(percent=40)
    assert look(job, child(job, active=2)).status.progress is None


def test_the_progress_of_the_step_before_is_not_the_next_ones() -> None:
    job = began()
    ended = child(job, succeeded=True)
    job = then(job, look(job, running(job), progress=Progress(percent=100)))
    assert look(job, ended, running(job, 1), outcomes={"digits-train": done("train")}).status.progress is None


def test_the_next_step_begins_in_the_pass_that_takes_in_the_one_before() -> None:
    job = began()
    decided = look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")})
    assert applied_jobs(decided) == ["digits-prune"]
    assert reasons(decided) == ["StepSucceeded", "StepStarted"]
    assert decided.status.current_step == "prune"


def test_an_export_that_can_not_start_from_the_quantized_model_says_where_it_starts_from() -> None:
    program = {"name": "program", "export": {"format": "pt2"}}
    job = began(TRAIN, INT8, program)
    job = then(job, look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")}))
    decided = look(job, child(job, 1, succeeded=True), outcomes={"digits-int8": done("int8")})
    assert decided.events[-1].message == ("step program begins from train: int8 is onnx, which becomes no other format")
    environment = {item["name"]: item.get("value") for item in _trainer(decided)["env"]}
    assert environment["TRAINWRIGHT_INPUT"] == "/workspace/steps/train/artifact"


def test_a_step_is_told_where_the_accepted_artifact_is() -> None:
    job = began()
    decided = look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")})
    environment = {item["name"]: item.get("value") for item in _trainer(decided)["env"]}
    assert environment["TRAINWRIGHT_INPUT"] == "/workspace/steps/train/artifact"


def _trainer(decided: Any) -> Any:
    return decided.apply[-1]["spec"]["template"]["spec"]["containers"][0]


def test_the_last_step_ends_the_job() -> None:
    job = began(TRAIN)
    decided = look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")}, after=60)
    assert decided.status.phase == "Complete"
    assert decided.status.completion_time == NOW + timedelta(seconds=60)
    assert decided.status.current_step is None
    assert reasons(decided) == ["StepSucceeded", "StepsDone"]
    assert [item.name for item in decided.status.artifacts] == ["train"]


def test_a_plan_asks_for_outcomes_before_it_decides_anything() -> None:
    job = began()
    failed = child(job, failed=True)
    decided = plan(Observation(job, (failed,)), NOW, SITE)
    assert decided.ask == (failed,)
    assert decided.status == job.status
    assert not (decided.apply or decided.delete or decided.events)


def test_a_finished_job_that_is_being_deleted_is_not_asked_how_it_ended() -> None:
    """Its pods go first: what is left of them could tell anything."""
    job = began()
    going = child(job, succeeded=True, terminating=True)
    decided = plan(Observation(job, (going,)), NOW, SITE)
    assert not decided.ask
    assert decided.status.current_step == "train"


# A failed attempt.


def failed_once() -> Any:
    job = began()
    return job, look(job, child(job, failed=True, message="x"), outcomes={"digits-train": [CRASH]}, after=10)


def test_a_failed_group_is_deleted_before_another_begins() -> None:
    _, decided = failed_once()
    assert [item.name for item in decided.delete] == ["digits-train"]
    assert not decided.apply
    assert decided.status.phase == "Restarting"
    assert decided.status.steps[0].state == "Pending"
    assert decided.status.steps[0].failed_attempts == 1
    assert reasons(decided) == ["WorkerFailed"]


def test_restart_waits_until_old_pods_are_gone() -> None:
    job, decided = failed_once()
    job = then(job, decided)
    again = look(job, child(job, failed=True, terminating=True), after=11)
    assert not (again.apply or again.delete or again.events)
    told = condition(again, "Running")
    assert told is not None
    assert told.reason == "WaitingForOldWorkers"


def test_a_failure_is_recorded_once_however_often_it_is_seen() -> None:
    job, decided = failed_once()
    job = then(job, decided)
    again = look(job, child(job, failed=True, message="x"), outcomes={"digits-train": [CRASH]}, after=11)
    assert again.status.steps == job.status.steps
    assert [item.name for item in again.delete] == ["digits-train"]
    assert not again.events


def test_the_next_attempt_has_the_next_number() -> None:
    job, decided = failed_once()
    decided = look(then(job, decided), after=12)
    assert applied_jobs(decided) == ["digits-train"]
    assert decided.apply[-1]["metadata"]["labels"]["trainwright.dev/attempt"] == "2"
    assert decided.status.restarts == 1
    assert [event.message for event in decided.events] == ["step train begins, attempt 2"]


def test_the_number_of_an_attempt_goes_on_when_old_records_are_dropped() -> None:
    job = began(runPolicy={"backoffLimit": 99})
    for attempt in range(1, 13):
        words = WorkerOutcome(0, 1, "Error", None, f"boom {attempt}")
        decided = look(job, child(job, 0, attempt, failed=True), outcomes={"digits-train": [words]})
        job = then(job, decided)
    begun = look(job, after=999)
    assert begun.apply[-1]["metadata"]["labels"]["trainwright.dev/attempt"] == "13"


def test_a_second_failure_at_the_same_place_delays_the_restart() -> None:
    job, decided = failed_once()
    job = then(job, decided)
    decided = look(job, child(job, 0, 2, failed=True), outcomes={"digits-train": [CRASH]}, after=20)
    job = then(job, decided)
    early = look(job, after=20)
    assert not early.apply
    assert early.look_again == NOW + timedelta(seconds=21)
    assert applied_jobs(look(job, after=21)) == ["digits-train"]


def test_an_attempt_that_failed_before_it_was_ever_seen_running_counts_as_one() -> None:
    job = make_job()
    decided = look(job, child(job, failed=True), outcomes={"digits-train": [CRASH]})
    assert decided.status.steps[0].attempts == 1
    assert decided.status.steps[0].start_time == NOW


def test_restarting_is_over_when_the_group_runs_again_or_is_done() -> None:
    job, decided = failed_once()
    job = then(job, decided)
    for again in (
        look(job, running(job, 0, 2)),
        look(job, child(job, 0, 2, succeeded=True), outcomes={"digits-train": done("train")}),
    ):
        told = condition(again, "Restarting")
        assert told is not None
        assert told.status == "False"


def test_the_last_allowed_failure_ends_the_job() -> None:
    job = began(runPolicy={"backoffLimit": 0})
    decided = look(job, child(job, failed=True), outcomes={"digits-train": [CRASH]}, after=10)
    assert decided.status.phase == "Failed"
    assert decided.status.steps[0].state == "Failed"
    assert decided.status.steps[0].completion_time == NOW + timedelta(seconds=10)
    assert reasons(decided) == ["BackoffLimitExceeded"]


# What others do.


def test_a_child_that_was_deleted_by_hand_is_made_again_under_its_number_and_counts_as_nothing() -> None:
    job = began()
    job = then(job, look(job, running(job)))
    waits = look(job, running(job, terminating=True))
    assert not (waits.apply or waits.delete)
    assert waits.status.phase == "Pending"
    decided = look(then(job, waits))
    assert applied_jobs(decided) == ["digits-train"]
    assert decided.apply[-1]["metadata"]["labels"]["trainwright.dev/attempt"] == "1"
    assert decided.status.restarts == 0
    assert reasons(decided) == ["StepResumed"]


def test_a_child_that_was_edited_by_hand_is_put_back() -> None:
    job = began()
    edited = running(job)
    edited = running(job, body=edited.body | {"spec": edited.body["spec"] | {"parallelism": 5}})
    decided = look(job, edited)
    assert [item.name for item in decided.delete] == ["digits-train"]
    assert applied_jobs(look(then(job, decided))) == ["digits-train"]


def test_a_resize_restarts_the_group_with_its_new_size_and_is_no_failure() -> None:
    job = began()
    job = then(job, look(job, running(job)))
    old, job = running(job), change(job, workers={"replicas": 3})
    decided = look(job, old)
    assert [item.name for item in decided.delete] == ["digits-train"]
    assert reasons(decided) == ["Resizing"]
    assert decided.status.phase == "Restarting"
    job = then(job, decided)
    begun = look(job)
    assert begun.apply[-1]["spec"]["parallelism"] == begun.apply[-1]["spec"]["completions"] == 3
    assert (begun.status.restarts, begun.status.steps[0].failed_attempts) == (0, 0)


ELASTIC = {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}


def resized(wanted: int, job: Any = None, **facts: Any) -> Any:
    """A pass over an elastic group of two once `wanted` are wanted."""
    job = job or began(workers=ELASTIC)
    group = running(job, **facts)
    return look(change(then(job, look(job, running(job))), workers=ELASTIC | {"replicas": wanted}), group)


@pytest.mark.parametrize("wanted", [1, 3, 4])
def test_an_elastic_group_is_resized_in_place(wanted: int) -> None:
    decided = resized(wanted)
    assert [(item.child.name, item.size) for item in decided.resize] == [("digits-train", wanted)]
    assert not (decided.delete or decided.apply)
    assert reasons(decided) == ["Resizing"]
    told = condition(decided, "Running")
    assert told is not None
    assert (told.status, told.reason, told.message) == (
        "True",
        "Resizing",
        f"the group goes from 2 to {wanted} workers",
    )
    assert (decided.status.phase, decided.status.restarts) == ("Running", 0)
    assert decided.status.steps[0].failures == []


def test_a_group_beyond_the_bounds_that_its_pods_were_told_is_made_anew() -> None:
    job = began(workers=ELASTIC)
    decided = look(change(job, workers={"replicas": 6, "minReplicas": 1, "maxReplicas": 8}), running(job))
    assert not decided.resize
    assert [item.name for item in decided.delete] == ["digits-train"]


@pytest.mark.parametrize(
    "facts",
    [{"active": 3, "ready": 3}, {"leaving": 1}],
    ids=["the Job controller has not seen it yet", "a worker is still ending"],
)
def test_an_elastic_group_grows_only_once_it_has_shrunk(facts: dict[str, int]) -> None:
    assert not resized(3, **facts).resize
    assert [item.size for item in resized(1, **facts).resize] == [1]


def test_a_group_whose_outcome_is_decided_is_not_resized() -> None:
    assert not resized(3, ending_since=NOW).resize
    assert not resized(3, ending_since=NOW).delete


def test_an_elastic_group_runs_with_fewer_workers_than_wanted_and_says_what_is_missing() -> None:
    job = began(workers=ELASTIC | {"replicas": 3})
    decided = look(job, child(job, active=3, ready=2), waiting="0/4 nodes have a free GPU")
    told = condition(decided, "Running")
    assert told is not None
    assert (told.status, told.reason) == ("True", "WorkersMissing")
    assert told.message == "step train runs on 2 of 3 workers: 0/4 nodes have a free GPU"
    assert decided.look_again is not None


def test_an_elastic_group_without_its_fewest_workers_waits() -> None:
    job = began(workers=ELASTIC | {"minReplicas": 2})
    told = condition(look(job, child(job, active=2, ready=1)), "Running")
    assert told is not None
    assert (told.status, told.reason) == ("False", "WaitingForWorkers")


def test_an_elastic_child_that_was_edited_by_hand_is_put_back_in_place() -> None:
    job = began(workers=ELASTIC)
    edited = running(job)
    edited = child(job, body=edited.body | {"spec": edited.body["spec"] | {"parallelism": 1}}, active=1, ready=1)
    decided = look(job, edited)
    assert [item.size for item in decided.resize] == [2]
    assert not decided.delete


def test_a_resize_leaves_a_step_on_one_pod_alone() -> None:
    job = began()
    job = then(job, look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")}))
    group, job = running(job, 1), change(job, workers={"replicas": 4})
    decided = look(job, child(job, succeeded=True), group)
    assert not (decided.delete or decided.apply)


def test_a_finished_step_is_not_done_again_for_a_resize() -> None:
    job = began()
    ended = child(job, succeeded=True)
    job = then(job, look(job, ended, outcomes={"digits-train": done("train")}))
    decided = look(change(job, workers={"replicas": 4}), ended)
    assert applied_jobs(decided) == ["digits-prune"]


def test_a_job_of_others_with_the_name_of_a_child_is_waited_for_and_left_alone() -> None:
    job = make_job()
    foreign = child(job, owner="somebody", active=1)
    decided = look(job, foreign)
    assert not (decided.apply or decided.delete)
    assert reasons(decided) == ["NameTaken"]
    assert decided.look_again == NOW + timedelta(seconds=30)
    assert not look(then(job, decided), foreign, after=30).events
    assert applied_jobs(look(then(job, decided), after=60)) == ["digits-train"]


def test_the_result_of_an_earlier_object_of_the_same_name_is_not_taken_for_ours() -> None:
    job = make_job()
    ended = child(job, owner="earlier uid", succeeded=True)
    decided = look(job, ended, outcomes={"digits-train": done("train")})
    assert decided.status.current_step == "train"
    assert not decided.status.artifacts


def test_objects_that_could_not_be_put_in_place_are_told_and_tried_again() -> None:
    job = make_job()
    decided = look(job, refused="exceeded quota: gpus")
    assert not decided.apply
    assert reasons(decided) == ["ChildRefused"]
    assert decided.look_again == NOW + timedelta(seconds=30)
    told = condition(decided, "Running")
    assert told is not None
    assert told.message == "exceeded quota: gpus"
    assert decided.status.steps[0].attempts == 0
    again = look(then(job, decided), after=30)
    assert applied_jobs(again) == ["digits-train"]
    assert not look(then(job, decided), refused="exceeded quota: gpus", after=30).events


def test_children_of_later_steps_are_relics_and_go() -> None:
    """They are there when the status was lost: what they have made came from another artifact."""
    job = make_job()
    relic = child(job, 1, succeeded=True)
    decided = look(job, relic, outcomes={"digits-prune": done("prune")})
    assert decided.delete == (relic,)
    assert decided.status.current_step == "train"


def test_a_group_of_a_step_that_is_done_must_be_gone_before_the_next_step_begins() -> None:
    job = began()
    job = then(job, look(job, child(job, succeeded=True), outcomes={"digits-train": done("train")}))
    again = running(job, uid="made by hand")
    decided = look(job, again)
    assert decided.delete == (again,)
    assert not decided.apply


def test_a_lost_status_is_found_again_from_the_children() -> None:
    job = make_job()
    decided = look(
        job,
        child(job, 0, 2, succeeded=True),
        child(job, 1, succeeded=True),
        running(job, 2, 3),
        outcomes={"digits-train": done("train"), "digits-prune": done("prune")},
    )
    assert decided.status.phase == "Running"
    assert decided.status.current_step == "onnx"
    assert [step.attempts for step in decided.status.steps] == [2, 1, 3]
    assert not (decided.apply or decided.delete)


# When there is nothing to do.


@pytest.mark.parametrize("manager", [None, "trainwright.dev/operator"])
def test_a_job_is_ours_unless_it_names_another_manager(manager: str | None) -> None:
    job = make_job(**({"managedBy": manager} if manager else {}))
    assert applied_jobs(look(job)) == ["digits-train"]


def test_a_job_of_another_manager_is_left_alone() -> None:
    job = make_job(managedBy="kueue.x-k8s.io/multikueue", runPolicy={"suspend": True})
    decided = look(job, running(job))
    assert decided.status == job.status
    assert not (decided.apply or decided.delete or decided.events or decided.look_again)


def test_a_job_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    job = began()
    decided = look(job, running(job), deleting=True)
    assert decided.status == job.status
    assert not (decided.apply or decided.delete or decided.events)


def test_time_alone_changes_nothing_while_a_group_runs() -> None:
    job = began()
    first = look(job, running(job), after=1)
    second = look(then(job, first), running(job), after=5000.7)
    assert second.status == first.status
    assert not second.events


def test_the_status_has_whole_seconds_as_kubernetes_writes_them() -> None:
    job = make_job()
    decided = look(job, after=0.7)
    assert then(job, decided).status == decided.status


def test_a_whole_chain_runs_to_its_end() -> None:
    steps = [TRAIN, PRUNE, INT8, ONNX, SCRIPT]
    job = make_job(*steps)
    children: list[Any] = []
    for index, step in enumerate(steps):
        decided = look(job, *children, outcomes={f"digits-{item['name']}": done(item["name"]) for item in steps})
        assert applied_jobs(decided) == [f"digits-{step['name']}"]
        job = then(job, decided)
        children.append(child(job, index, succeeded=True))
    decided = look(job, *children, outcomes={"digits-script": ()})
    assert decided.status.phase == "Complete"
    assert [item.name for item in decided.status.artifacts] == ["train", "prune", "int8", "onnx"]
