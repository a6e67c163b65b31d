"""Arbitrary histories of a cluster are thrown at the planner, and what must hold in all of them is held."""

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.planning.backend import BackEnd
from tests.planning.build import ONNX, PRUNE, TRAIN, change, make_job, result
from tests.planning.world import Job, Pod, World
from trainwright.api.contract import EXIT_BAD_CONFIGURATION, EXIT_STOPPED, Fault, StepResult
from trainwright.api.status import FINISHED_STATES, StepStatus, TrainingJobStatus
from trainwright.api.validation import find_problems
from trainwright.planning.actions import Plan, Resize
from trainwright.planning.conditions import is_finished, is_true
from trainwright.planning.observation import ChildJob
from trainwright.planning.restarts import KEPT_RECORDS

T = TypeVar("T")

ENOUGH_PASSES = 60
"""Passes within which any job is over once nothing goes wrong any more: a handful for each of three steps."""

STEPS = ["train", "prune", "onnx"]
ACCURACIES = st.sampled_from([0.2, 0.9, 0.95])
EXIT_CODES = st.sampled_from([1, 1, 3, EXIT_BAD_CONFIGURATION, 137, EXIT_STOPPED])
TRAINING_STEPS = st.sampled_from([None, 0, 100, 200])


def _pick(data: st.DataObject, items: Sequence[T]) -> T:
    """One of the items; a falsifying history then shows its number and not all of it."""
    return items[data.draw(st.integers(0, len(items) - 1))]


def _fail(pod: Pod, code: int, training_step: int | None) -> None:
    left = None
    if training_step is not None and code != EXIT_STOPPED:
        left = StepResult(outcome="Failed", fault=Fault(kind="ValueError", message="no"), training_step=training_step)
    pod.end(code, result=left, reason="OOMKilled" if code == 137 else "Error")


class WatchedBackEnd(BackEnd):
    """Holds what binds each single effect, at the moment that it happens."""

    def check_creation(self, body: dict[str, Any]) -> None:
        super().check_creation(body)
        assert not self.world.live_groups, "two live groups"
        step = body["metadata"]["labels"]["trainwright.dev/step"]
        complete = {job.step for job in self.world.history if job.complete}
        needed = STEPS[: STEPS.index(step)]
        assert complete.issuperset(needed), f"step {step} begins before {set(needed) - complete} is done"

    def check_status(self, decided: Plan) -> None:
        before, after = self.world.job.status, decided.status
        assert TrainingJobStatus.model_validate(json.loads(json.dumps(after.to_dict()))) == after
        if is_finished(before.conditions):
            assert after.conditions == before.conditions, "a finished job's end is told anew"
            assert after.completion_time == before.completion_time
            assert after.steps == before.steps
        if is_true(after.conditions, "Suspended"):
            assert not self.world.live_groups, "suspended, but there are pods"
        if is_true(after.conditions, "Running"):
            groups = [child for child in self.known.values() if child.step == after.current_step]
            assert not all(child.terminating for child in groups), "what ends is said to run"
        if is_true(after.conditions, "Complete"):
            assert all(step.state in FINISHED_STATES for step in after.steps)
        known = {step.name: step for step in before.steps}
        for step in after.steps:
            self._check_step(known.get(step.name), step)

    def _check_step(self, before: StepStatus | None, after: StepStatus) -> None:
        """What is recorded anew is what has really happened."""
        recorded = len(before.failures) if before else 0
        for failure in after.failures[recorded:]:
            job = self._ended_job(after.name, failure.attempt)
            if job.complete:
                continue  # its result was lost
            codes = {pod.exit_code for pod in job.pods if pod.failed and pod.listed}
            disrupted = "DisruptionTarget" in str(job.target) or any(pod.disrupted and pod.listed for pod in job.pods)
            if EXIT_BAD_CONFIGURATION in codes:
                assert after.state == "Failed", "the user's mistake is tried again"
            elif disrupted:
                assert failure.cause == "Disruption", "a disruption is counted"
            elif codes - {EXIT_STOPPED, None}:
                assert failure.cause == "Error", "an error is not counted"
        newly_done = after.state in FINISHED_STATES and (before is None or before.state not in FINISHED_STATES)
        if newly_done:
            assert any(job.complete for job in self.world.history if job.step == after.name)

    def _ended_job(self, step: str, attempt: int) -> Job:
        ended = [job for job in self.world.history if (job.step, job.attempt) == (step, attempt) and job.finished]
        assert ended, f"attempt {attempt} of step {step} is said to have ended, and has not"
        return ended[-1]

    def check_resize(self, job: Job, change: Resize) -> None:
        assert not is_finished(self.world.job.status.conditions), "a finished job's group is resized"
        assert change.child.bounds is not None, "a group is resized in place that doesn't form itself anew"
        assert change.size in change.child.bounds

    def check_deletion(self, job: Job, seen: ChildJob) -> None:
        status = self.world.job.status
        if not seen.finished or is_finished(status.conditions):
            return
        step = next(step for step in status.steps if step.name == job.step)
        told = step.completion_time is not None or any(item.attempt >= job.attempt for item in step.failures)
        assert told or status.current_step != job.step, "an outcome is thrown away unread"


class History(RuleBasedStateMachine):
    """What users, nodes, the Job controller and the operator may do, in any order."""

    @initialize(
        backoff=st.integers(0, 3),
        deadline=st.sampled_from([None, None, 500]),
        policy=st.sampled_from(["Running", "All"]),
        ttl=st.sampled_from([None, 60]),
        replicas=st.integers(1, 3),
        on_miss=st.sampled_from(["Fail", "Warn"]),
        suspend=st.sampled_from([False, False, False, True]),
        steps_done=st.integers(0, 2),
        elastic=st.booleans(),
    )
    def begin(
        self,
        backoff: int,
        deadline: int | None,
        policy: str,
        ttl: int | None,
        replicas: int,
        on_miss: str,
        suspend: bool,
        steps_done: int,
        elastic: bool,
    ) -> None:
        run_policy = {"backoffLimit": backoff, "cleanPodPolicy": policy, "suspend": suspend}
        run_policy |= {"activeDeadlineSeconds": deadline} if deadline else {}
        run_policy |= {"ttlSecondsAfterFinished": ttl} if ttl else {}
        job = make_job(
            TRAIN | {"gate": {"accuracy": {"threshold": 0.5}, "onMiss": on_miss}},
            PRUNE | {"gate": {"accuracy": {"maxDegradation": 0.01}, "onMiss": "Rollback"}},
            ONNX,
            runPolicy=run_policy,
            workers={"replicas": replicas} | ({"minReplicas": 1, "maxReplicas": 3} if elastic else {}),
        )
        self.world = World(job)
        self.operator = WatchedBackEnd(self.world)
        for _ in range(steps_done):
            self.group_runs_and_ends_well(0.95, unseen=False)

    # The operator.

    @rule(hears=st.sampled_from([True, True, False]), effects=st.sampled_from([None, None, 0, 1, 2]))
    def operator_passes(self, hears: bool, effects: int | None) -> None:
        if hears:
            self.operator.hear()
        self.operator.reconcile(effects)

    @rule()
    def operator_passes_twice(self) -> None:
        """On what the first pass has done, the second one does nothing that was not due anew."""
        self.operator.hear()
        decided = self.operator.reconcile()
        if decided is not None and not (decided.apply or decided.resize or decided.delete or decided.delete_job):
            self.operator.hear()
            again = self.operator.reconcile()
            assert again is not None
            assert again.status == decided.status
            assert not again.events

    @rule(rounds=st.integers(1, 4))
    def all_goes_well_for_a_while(self, rounds: int) -> None:
        self.strangers_go()
        for _ in range(rounds):
            self.operator.hear()
            decided = self.operator.reconcile()
            if decided and decided.look_again:
                self.world.now += min(max(decided.look_again - self.world.now, timedelta(0)), timedelta(minutes=1))
            self.stopping_pods_go()
            self.job_controller_syncs()
            self.pods_start()

    @rule(accuracy=ACCURACIES, unseen=st.booleans())
    def group_runs_and_ends_well(self, accuracy: float, unseen: bool) -> None:
        self._group_runs(unseen)
        for job, pod in self._running():
            pod.end(0, result=result(job.step, accuracy=accuracy))
        self.job_controller_syncs()

    @rule(code=EXIT_CODES, training_step=TRAINING_STEPS, unseen=st.booleans())
    def group_runs_and_fails(self, code: int, training_step: int | None, unseen: bool) -> None:
        self._group_runs(unseen)
        for _, pod in self._running():
            _fail(pod, code, training_step)
        self.job_controller_syncs()

    def _group_runs(self, unseen: bool) -> None:
        """Brings a group to run; `unseen`, by an operator that dies as soon as it has made the Job."""
        if not unseen:
            self.all_goes_well_for_a_while(2)
            return
        self.operator.hear()
        self.operator.reconcile(effects=1)
        self.job_controller_syncs()
        self.pods_start()

    # Time, the scheduler, the kubelets and the Job controller.

    @rule(seconds=st.sampled_from([0.4, 1, 7, 60, 300]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(data=st.data())
    def cluster_does_something(self, data: st.DataObject) -> None:
        _pick(data, [self.job_controller_syncs, self.pods_start, self.stopping_pods_go])()

    def job_controller_syncs(self) -> None:
        for name in list(self.world.jobs):
            self.world.sync(name)

    def pods_start(self) -> None:
        for pod in self._pods():
            if pod.state == "pending" and not pod.stopping:
                pod.state = "running"

    def stopping_pods_go(self) -> None:
        for pod in self._pods():
            if pod.stopping and pod.active:
                pod.end(EXIT_STOPPED, listed=False)

    def _pods(self) -> list[Pod]:
        return [pod for job in (*self.world.own, *self.world.leftovers) for pod in job.pods]

    def _running(self) -> list[tuple[Job, Pod]]:
        return [(job, pod) for job in self.world.own for pod in job.pods if pod.state == "running"]

    @precondition(lambda self: self._running())
    @rule(data=st.data(), code=EXIT_CODES | st.just(0), training_step=TRAINING_STEPS, accuracy=ACCURACIES)
    def pod_ends(self, data: st.DataObject, code: int, training_step: int | None, accuracy: float) -> None:
        job, pod = _pick(data, self._running())
        if code == 0:
            pod.end(0, result=result(job.step, accuracy=accuracy))
        else:
            _fail(pod, code, training_step)

    @precondition(lambda self: any(pod.active for pod in self._pods()))
    @rule(data=st.data(), what=st.sampled_from(["disrupted", "disrupted and gone", "refused", "deleted", "stopped"]))
    def pod_meets_with(self, data: st.DataObject, what: str) -> None:
        pod = _pick(data, [pod for pod in self._pods() if pod.active])
        if what.startswith("disrupted"):
            code = EXIT_STOPPED if pod.state == "running" else None
            pod.end(code, disrupted=True, listed=what == "disrupted")
        elif what == "refused":
            pod.end(None, reason="UnexpectedAdmissionError")
        elif what == "deleted":
            pod.end(None, listed=False)
        elif pod.stopping:
            pod.end(EXIT_STOPPED, listed=False)

    @precondition(lambda self: any(not pod.active for pod in self._pods()))
    @rule(data=st.data())
    def ended_pod_is_collected(self, data: st.DataObject) -> None:
        _pick(data, [pod for pod in self._pods() if not pod.active]).listed = False

    # People.

    @rule()
    def user_suspends_or_resumes(self) -> None:
        policy = self.world.job.spec.run_policy
        self._user_changes(runPolicy=policy.to_dict() | {"suspend": not policy.suspend})

    @rule(replicas=st.integers(1, 3))
    def user_resizes(self, replicas: int) -> None:
        self._user_changes(workers=self.world.job.spec.workers.to_dict() | {"replicas": replicas})

    @rule(most=st.sampled_from([None, 3, 4]))
    def user_changes_the_bounds(self, most: int | None) -> None:
        bounds = {"minReplicas": 1, "maxReplicas": most} if most else {}
        self._user_changes(workers={"replicas": self.world.job.spec.workers.replicas} | bounds)

    def _user_changes(self, **spec: Any) -> None:
        job = self.world.job
        changed = change(job, **spec)
        if changed.spec != job.spec:
            self.world.change_job(spec=changed.spec)

    @precondition(lambda self: self.world.own)
    @rule(data=st.data(), what=st.sampled_from(["delete", "delete in background", "edit", "resize"]))
    def user_lays_hands_on_a_child(self, data: st.DataObject, what: str) -> None:
        job = _pick(data, self.world.own)
        if what == "delete":
            job.terminating = True
        elif what == "edit":
            job.body["spec"]["parallelism"] += 1
        elif what == "resize":
            if "successPolicy" in job.body["spec"]:  # Kubernetes lets nobody change the completions of the others
                job.body["spec"] |= dict.fromkeys(("completions", "parallelism"), job.size % 3 + 1)
        else:
            self.world.delete_in_background(job)

    @rule(step=st.sampled_from(STEPS))
    def stranger_takes_a_name(self, step: str) -> None:
        name = f"{self.world.job.metadata.name}-{step}"
        if name not in self.world.jobs:
            body = {"metadata": {"name": name}, "spec": {"parallelism": 1, "completions": 1, "template": {}}}
            self.world.create(body)

    def strangers_go(self) -> None:
        own = {job.name for job in self.world.own}
        self.world.jobs = {name: job for name, job in self.world.jobs.items() if name in own}

    # What holds at all times.

    @invariant()
    def there_is_one_live_group(self) -> None:
        assert len(self.world.live_groups) <= 1
        for job in self.world.live_groups:
            ranks = [pod.index for pod in job.active_pods]
            assert len(ranks) == len(set(ranks)), "two live pods for one rank"

    @invariant()
    def the_same_observation_gives_the_same_plan(self) -> None:
        seen, decided = self.operator.decide(self.operator.observe())
        assert self.operator.decide(seen) == (seen, decided)

    @invariant()
    def a_plan_carried_out_twice_does_what_it_does_once(self) -> None:
        """Creating and deleting again changes nothing; a second write of the status is refused."""
        _, decided = self.operator.decide(self.operator.observe())
        for body in decided.apply:
            there = self.world.jobs.get(body["metadata"]["name"])
            if body["kind"] == "Job" and there is not None and there in self.world.own and not there.terminating:
                assert there.attempt >= int(body["metadata"]["labels"]["trainwright.dev/attempt"]) or there.finished
        doomed = [child.uid for child in decided.delete]
        assert len(doomed) == len(set(doomed))

    @invariant()
    def artifacts_have_passed_their_gates(self) -> None:
        status = self.world.job.status
        steps = {step.name: step for step in status.steps}
        for artifact in status.artifacts:
            step = steps[artifact.name]
            assert step.state == "Succeeded"
            assert step.artifact == artifact
        accuracy = {artifact.name: artifact.metrics.accuracy or 0 for artifact in status.artifacts}
        on_miss = self.world.job.spec.steps[0].gate
        assert on_miss is not None
        if "train" in accuracy and on_miss.on_miss == "Fail":
            assert accuracy["train"] >= 0.5
        if "prune" in accuracy:
            assert accuracy["prune"] >= accuracy["train"] - 0.0101

    @invariant()
    def failures_and_restarts_add_up(self) -> None:
        status, limit = self.world.job.status, self.world.job.spec.run_policy.backoff_limit
        assert status.restarts == sum(max(step.attempts - 1, 0) for step in status.steps)
        for step in status.steps:
            numbers = [failure.attempt for failure in step.failures]
            assert numbers == sorted(set(numbers))
            assert max(numbers, default=0) <= step.attempts
            ended = {job.uid for job in self.world.history if job.step == step.name and job.finished}
            assert step.failed_attempts <= len(ended), "one failed Job is counted twice"
            errors = sum(failure.cause == "Error" for failure in step.failures)
            assert errors == step.failed_attempts or len(step.failures) == KEPT_RECORDS
            assert step.failed_attempts <= limit + (step.state == "Failed"), "tried again beyond backoffLimit"

    @invariant()
    def times_are_in_order(self) -> None:
        status, now = self.world.job.status, self.world.now
        assert (status.completion_time is not None) == is_finished(status.conditions)
        for span in (status, *status.steps):
            start, end = span.start_time, span.completion_time
            assert start is None or start <= now
            assert end is None or end <= now
            assert not (start and end) or start <= end
        for step in status.steps:
            assert (step.completion_time is not None) == (step.state in (*FINISHED_STATES, "Failed"))
            assert step.state not in FINISHED_STATES or step.start_time is not None

    @invariant()
    def steps_are_done_in_order(self) -> None:
        states = [step.state for step in self.world.job.status.steps]
        first_open = next((index for index, state in enumerate(states) if state not in FINISHED_STATES), len(states))
        assert all(state == "Pending" for state in states[first_open + 1 :])

    # And when it is over, the job ends.

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.strangers_go()
        self._user_changes(runPolicy=self.world.job.spec.run_policy.to_dict() | {"suspend": False})
        self._run_until_finished()
        self._run_until_at_rest()
        assert find_problems(json.loads(json.dumps(self.world.job.to_dict()))) == []

    def _run_until_finished(self) -> None:
        for _ in range(ENOUGH_PASSES):
            self.operator.hear()
            decided = self.operator.reconcile()
            if self.world.gone or is_finished(self.world.job.status.conditions):
                return
            moved = self._cluster_moves()
            assert moved or (decided and decided.look_again), "nobody would ever look at the job again"
            if decided and decided.look_again and decided.look_again > self.world.now:
                self.world.now = decided.look_again if not moved else self.world.now
        raise AssertionError(f"not finished after {ENOUGH_PASSES} calm passes: {self.world.job.status}")

    def _cluster_moves(self) -> bool:
        """All that a calm cluster does by itself; whether that was anything that the back end looks at again for."""
        before = repr((self.world.jobs, self.world.leftovers))
        self.pods_start()
        self.stopping_pods_go()
        self.job_controller_syncs()
        for job, pod in self._running():
            if not pod.stopping:
                pod.end(0, result=result(job.step, accuracy=0.99))
        self.job_controller_syncs()
        return repr((self.world.jobs, self.world.leftovers)) != before

    def _run_until_at_rest(self) -> None:
        """A finished job holds no pods, and goes when its time is over."""
        policy = self.world.job.spec.run_policy
        for _ in range(5):
            self.operator.hear()
            decided = self.operator.reconcile()
            self.stopping_pods_go()
            self.job_controller_syncs()
            if decided and decided.look_again:
                self.world.now = max(self.world.now, decided.look_again)
        assert not self.world.live_groups
        assert self.world.gone == (policy.ttl_seconds_after_finished is not None)
        if policy.clean_pod_policy == "All" and not self.world.gone:
            assert not self.world.own


HISTORIES = int(os.environ.get("TRAINWRIGHT_HISTORIES") or (400 if os.environ.get("CI") == "true" else 40))
"""How many histories are made up; more than 40 are longer, too. In CI they are the same in every run."""
DEEP = HISTORIES > 40

TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=60 if DEEP else 40,
    derandomize=os.environ.get("CI") == "true",
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
