"""A failed attempt is classified by evidence, and the worker at fault is named with its last words."""

from datetime import timedelta

import pytest

from tests.planning.build import NOW, child, make_job
from trainwright.api.contract import Fault, StepResult
from trainwright.planning.failures import Failure, classify
from trainwright.planning.observation import WorkerOutcome

EXIT_MESSAGE = "Container trainer for pod ns/digits-train-0 failed with exit code {} matching FailJob rule at index 1"
DISRUPTION_MESSAGE = "Pod ns/digits-train-1 has condition DisruptionTarget matching FailJob rule at index 0"
BACKOFF_MESSAGE = "Job has reached the specified backoff limit"


def left(
    kind: str = "ValueError", message: str = "no", *, secondary: bool = False, after: float = 0, step: int | None = None
) -> StepResult:
    fault = Fault(kind=kind, message=message, rank=0, secondary=secondary, time=NOW + timedelta(seconds=after))
    return StepResult(outcome="Failed", fault=fault, training_step=step)


def judge(*outcomes: WorkerOutcome, message: str = BACKOFF_MESSAGE, reason: str = "PodFailurePolicy") -> Failure:
    failed = child(make_job(), failed=True, reason=reason, message=message)
    return classify(failed, outcomes, NOW)


STOPPED = WorkerOutcome(0, 143, "Error", StepResult(outcome="Stopped", training_step=40))
LOST_PEER = left("ConnectionError", "reset by peer", secondary=True)


@pytest.mark.parametrize(
    ("outcomes", "message", "cause", "permanent", "words"),
    [
        pytest.param(
            [WorkerOutcome(0, 1, "Error", left())],
            EXIT_MESSAGE.format(1),
            "Error",
            False,
            "worker 0 failed with exit code 1 in rank 0: ValueError: no",
            id="an exception counts",
        ),
        pytest.param(
            [WorkerOutcome(0, 2, "Error", left("ConfigurationError", "bad"))],
            EXIT_MESSAGE.format(2),
            "Error",
            True,
            "worker 0 failed with exit code 2 in rank 0: ConfigurationError: bad",
            id="exit code 2 is permanent",
        ),
        pytest.param(
            [],
            EXIT_MESSAGE.format(2),
            "Error",
            True,
            "a worker failed with exit code 2; its pod is gone, and its last words with it",
            id="exit code 2 is permanent also when the pod is gone",
        ),
        pytest.param(
            [STOPPED],
            EXIT_MESSAGE.format(2),
            "Error",
            True,
            "a worker failed with exit code 2; its pod is gone, and its last words with it",
            id="the Job's own words win over a peer that was stopped",
        ),
        pytest.param(
            [WorkerOutcome(0, 2, "Error", left()), WorkerOutcome(1, 143, disrupted=True)],
            DISRUPTION_MESSAGE,
            "Error",
            True,
            "worker 0 failed with exit code 2 in rank 0: ValueError: no",
            id="a mistake of the user's stays one when a pod is drained as well",
        ),
        pytest.param(
            [STOPPED],
            EXIT_MESSAGE.format(143),
            "Disruption",
            False,
            "worker 0 was asked to stop from outside and saved a checkpoint",
            id="a stop that we have not asked for comes from outside",
        ),
        pytest.param(
            [STOPPED],
            BACKOFF_MESSAGE,
            "Disruption",
            False,
            "worker 0 was asked to stop from outside and saved a checkpoint",
            id="a stop is one whatever the Job says",
        ),
        pytest.param(
            [WorkerOutcome(1, 143, "Error")],
            EXIT_MESSAGE.format(143),
            "Disruption",
            False,
            "worker 1 was asked to stop from outside",
            id="a user's script that was stopped has maybe saved nothing",
        ),
        pytest.param(
            [],
            EXIT_MESSAGE.format(143),
            "Disruption",
            False,
            "a worker was asked to stop from outside",
            id="a stop is known also when the pod is gone",
        ),
        pytest.param(
            [WorkerOutcome(1, 137, "Evicted", disrupted=True), WorkerOutcome(0, 1, "Error", LOST_PEER)],
            DISRUPTION_MESSAGE,
            "Disruption",
            False,
            "worker 1 was ended from outside: Evicted",
            id="an eviction is told of the worker it hit, not of the peer that lost it",
        ),
        pytest.param(
            [],
            DISRUPTION_MESSAGE,
            "Disruption",
            False,
            f"a worker was ended from outside: {DISRUPTION_MESSAGE}",
            id="a disruption is known also when the pod is gone",
        ),
        pytest.param(
            [WorkerOutcome(0, None, "UnexpectedAdmissionError")],
            BACKOFF_MESSAGE,
            "Disruption",
            False,
            "worker 0 never ran to its end: UnexpectedAdmissionError",
            id="a pod that the kubelet refuses is no fault of the program's",
        ),
        pytest.param(
            [WorkerOutcome(0, 137, "ContainerStatusUnknown")],
            EXIT_MESSAGE.format(137),
            "Disruption",
            False,
            "worker 0 was ended from outside: ContainerStatusUnknown",
            id="a node that came back without the container is a lost node",
        ),
        pytest.param(
            [WorkerOutcome(0, 1, "Error", LOST_PEER)],
            EXIT_MESSAGE.format(1),
            "Disruption",
            False,
            "a worker's pod is gone, and the others lost their connection to it",
            id="a pod that went with its node is known by the peers that it left",
        ),
        pytest.param(
            [WorkerOutcome(0, 1, "Error", LOST_PEER), WorkerOutcome(1, 1, "Error", LOST_PEER)],
            EXIT_MESSAGE.format(1),
            "Error",
            False,
            "worker 0 failed with exit code 1 in rank 0: ConnectionError: reset by peer",
            id="peers that only lost each other have an error of their own",
        ),
        pytest.param(
            [WorkerOutcome(0, 137, "OOMKilled"), WorkerOutcome(1, 1, "Error", LOST_PEER)],
            EXIT_MESSAGE.format(137),
            "Error",
            False,
            "worker 0 was killed: it used more memory than its container's limit (exit code 137)",
            id="out of memory is said in words",
        ),
        pytest.param(
            [WorkerOutcome(0, 1, "Error", None, "Traceback\n  File\nKeyError: 'x'\n\n")],
            EXIT_MESSAGE.format(1),
            "Error",
            False,
            "worker 0 failed with exit code 1: KeyError: 'x'",
            id="a user's script is quoted by its last line",
        ),
        pytest.param(
            [WorkerOutcome(0, 3, "Error", None, " \n \n")],
            EXIT_MESSAGE.format(3),
            "Error",
            False,
            "worker 0 failed with exit code 3 (Error)",
            id="a script that says nothing is told by Kubernetes' word",
        ),
        pytest.param(
            [],
            BACKOFF_MESSAGE,
            "Error",
            False,
            f"the workers' pods are gone, and why is not known: {BACKOFF_MESSAGE}",
            id="without evidence from outside it counts",
        ),
        pytest.param(
            [WorkerOutcome(0, 0, "Completed"), WorkerOutcome(1, 0, "Completed")],
            BACKOFF_MESSAGE,
            "Error",
            False,
            f"every trainer ended well, but another container did not: {BACKOFF_MESSAGE}",
            id="a sidecar's failure is not laid on the trainer",
        ),
    ],
)
def test_classification(outcomes: list[WorkerOutcome], message: str, cause: str, permanent: bool, words: str) -> None:
    failure = judge(*outcomes, message=message)
    assert (failure.record.cause, failure.permanent, failure.record.message) == (cause, permanent, words)


def test_the_worker_at_fault_is_the_first_whose_error_does_not_follow_from_anothers() -> None:
    failure = judge(
        WorkerOutcome(0, 1, "Error", left("ConnectionError", "reset", secondary=True, after=0)),
        WorkerOutcome(1, 1, "Error", left("ValueError", "later", after=9)),
        WorkerOutcome(2, 1, "Error", left("ValueError", "first", after=5)),
        WorkerOutcome(3, 0, "Completed"),
    )
    assert failure.record.message == "worker 2 failed with exit code 1 in rank 0: ValueError: first"


def test_a_bad_configuration_is_found_among_other_failures() -> None:
    failure = judge(
        WorkerOutcome(0, 1, "Error", left(after=0)),
        WorkerOutcome(1, 2, "Error", left("ConfigurationError", "spec.data.factory: no", after=1)),
    )
    assert failure.permanent
    assert "spec.data.factory" in failure.record.message


def test_the_training_step_is_the_farthest_that_any_worker_came() -> None:
    failure = judge(WorkerOutcome(0, 1, "Error", left(step=40)), WorkerOutcome(1, 1, "Error", left(step=41)))
    assert failure.record.training_step == 41


def test_a_trainer_that_failed_before_its_first_step_came_to_step_0() -> None:
    assert judge(WorkerOutcome(0, 1, "Error", left())).record.training_step == 0


def test_how_far_a_program_came_that_left_no_result_is_not_known() -> None:
    assert judge(WorkerOutcome(0, 1, "Error", None, "oh")).record.training_step is None


def test_last_words_without_end_are_cut() -> None:
    assert len(judge(WorkerOutcome(0, 1, "Error", None, "x" * 100_000)).record.message) < 1000


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([WorkerOutcome(0, 1, "Error", left("NonFiniteLossError"))], "NonFiniteLossError"),
        ([WorkerOutcome(0, 137, "Error", left("SIGKILL"))], "SIGKILL"),
        ([WorkerOutcome(0, 137, "OOMKilled")], "OOMKilled"),
        ([WorkerOutcome(0, 139)], "SIGSEGV"),
        ([WorkerOutcome(0, 3, "Error")], "ExitCode"),
        ([WorkerOutcome(0, None, "Evicted", disrupted=True)], "Evicted"),
        ([WorkerOutcome(0, 143, disrupted=True)], "Stopped"),
        ([STOPPED], "Stopped"),
        ([], "Unknown"),
    ],
)
def test_a_failure_has_a_reason_in_one_word(outcomes: list[WorkerOutcome], reason: str) -> None:
    assert judge(*outcomes).record.reason == reason


def judge_elastic(*outcomes: WorkerOutcome, message: str = BACKOFF_MESSAGE, reason: str) -> Failure:
    job = make_job(workers={"replicas": 2, "minReplicas": 1, "maxReplicas": 4})
    return classify(child(job, failed=True, reason=reason, message=message), outcomes, NOW)


@pytest.mark.parametrize("outcomes", [[], [WorkerOutcome(0, 143, "Error")]], ids=["all pods are gone", "one is left"])
def test_a_worker_of_an_elastic_group_that_was_stopped_is_no_error_though_no_rule_names_its_code(
    outcomes: list[WorkerOutcome],
) -> None:
    found = judge_elastic(*outcomes, reason="BackoffLimitExceeded")
    assert found.record.cause == "Disruption"
    assert "was asked to stop from outside" in found.record.message


def test_an_error_of_an_elastic_group_is_one_also_when_its_pod_is_gone() -> None:
    found = judge_elastic(message=EXIT_MESSAGE.format(3), reason="PodFailurePolicy")
    assert found.record.cause == "Error"


def test_a_failed_sidecar_of_an_elastic_group_is_an_error() -> None:
    found = judge_elastic(WorkerOutcome(0, 1, "Error"), reason="BackoffLimitExceeded")
    assert found.record.cause == "Error"
