"""Classifies a failed attempt before anything is done about it: whose fault it was, and what is kept of it."""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trainwright.api.contract import EXIT_BAD_CONFIGURATION, EXIT_DONE, EXIT_STOPPED, Fault
from trainwright.api.status import FailureRecord
from trainwright.planning.observation import ChildJob, WorkerOutcome

_LOST = "ContainerStatusUnknown"
"""The kubelet's word for a container that it no longer found when its node came back; the exit code is made up."""

_NO_RULE = "BackoffLimitExceeded"
"""The Job's reason when a pod failed in a way that no rule of its podFailurePolicy names."""

_LAST_WORDS = 500
"""Characters that are kept of the last line of a program that left no result."""


@dataclass(frozen=True)
class Failure:
    """One failed attempt, classified.

    Attributes:
        record: what the status keeps of it.
        permanent: another attempt would give the same: it is the user's mistake.
    """

    record: FailureRecord
    permanent: bool = False


def classify(child: ChildJob, outcomes: Sequence[WorkerOutcome], now: datetime) -> Failure:
    """Finds the worker at fault, and whether the fault is the user's, the program's or comes from outside."""
    culprit = _culprit(outcomes)
    exit_code = culprit.exit_code if culprit else _exit_code_told(child)
    permanent = exit_code == EXIT_BAD_CONFIGURATION
    outside = not permanent and _came_from_outside(child, outcomes, culprit, exit_code)
    training_steps = [item.result.training_step or 0 for item in outcomes if item.result]
    record = FailureRecord(
        attempt=child.attempt,
        time=now,
        cause="Disruption" if outside else "Error",
        message=_outside_words(child, outcomes) if outside else _error_words(child, outcomes, culprit, exit_code),
        reason=_reason(outcomes, culprit, exit_code, outside),
        training_step=max(training_steps, default=None),
    )
    return Failure(record, permanent)


def _reason(
    outcomes: Sequence[WorkerOutcome], culprit: WorkerOutcome | None, exit_code: int | None, outside: bool
) -> str:
    """The failure in one word."""
    if outside:
        words = (item.reason for item in outcomes if item.disrupted or item.reason == _LOST or _never_ran(item))
        return next(filter(None, words), "Stopped" if any(map(_was_stopped, outcomes)) else "Disruption")
    if culprit is not None and culprit.reason not in ("", "Error"):
        return culprit.reason
    if culprit is not None and (fault := _fault(culprit)) is not None:
        return fault.kind
    return _signal_name(exit_code) or ("ExitCode" if exit_code else "Unknown")


def _signal_name(exit_code: int | None) -> str:
    """The signal that the exit code tells of, as a shell has it; empty when it is none."""
    try:
        return signal.Signals((exit_code or 0) - 128).name
    except ValueError:
        return ""


def _culprit(outcomes: Sequence[WorkerOutcome]) -> WorkerOutcome | None:
    """The first worker, in time, that failed and whose error doesn't merely follow from another's."""
    failed = [item for item in outcomes if item.exit_code not in (EXIT_DONE, EXIT_STOPPED, None)]
    return min(failed, key=_blame, default=None)


def _blame(outcome: WorkerOutcome) -> tuple[bool, bool, float, int]:
    """Smallest for the worker at fault."""
    fault = _fault(outcome)
    moment = fault.time.timestamp() if fault and fault.time else float("inf")
    return _follows(outcome), outcome.exit_code != EXIT_BAD_CONFIGURATION, moment, outcome.index


def _fault(outcome: WorkerOutcome) -> Fault | None:
    return outcome.result.fault if outcome.result else None


def _follows(outcome: WorkerOutcome) -> bool:
    """Whether the worker's error only follows from another worker's end."""
    fault = _fault(outcome)
    return fault is not None and fault.secondary


def _exit_code_told(child: ChildJob) -> int | None:
    """The exit code in the Job's own words, which outlive the pod; none where they name none."""
    found = re.search(r"failed with exit code (\d+)", child.message)
    return int(found.group(1)) if found else None


def _came_from_outside(
    child: ChildJob, outcomes: Sequence[WorkerOutcome], culprit: WorkerOutcome | None, exit_code: int | None
) -> bool:
    """Whether there is evidence that the group was ended from outside: without any, it is the program's fault."""
    if "DisruptionTarget" in child.message or any(item.disrupted or item.reason == _LOST for item in outcomes):
        return True
    if culprit is None:
        return exit_code == EXIT_STOPPED or (
            exit_code is None
            and (_only_stopped(child, outcomes) or any(_was_stopped(item) or _never_ran(item) for item in outcomes))
        )
    # All who are there lost somebody who is not: that worker's pod went with its node.
    return _follows(culprit) and sum(item.exit_code is not None for item in outcomes) < child.size


def _was_stopped(outcome: WorkerOutcome) -> bool:
    return outcome.exit_code == EXIT_STOPPED


def _only_stopped(child: ChildJob, outcomes: Sequence[WorkerOutcome]) -> bool:
    """Whether the pod that failed is gone, and no rule of an elastic group's Job named its exit code: but for the code
    of those that were asked to stop, all are named."""
    none_failed = all(item.exit_code == EXIT_DONE for item in outcomes)
    return child.bounds is not None and child.reason == _NO_RULE and none_failed


def _never_ran(outcome: WorkerOutcome) -> bool:
    """Whether the kubelet refused or evicted the pod before its container ended."""
    return outcome.exit_code is None and bool(outcome.reason)


def _outside_words(child: ChildJob, outcomes: Sequence[WorkerOutcome]) -> str:
    """Which worker was ended from outside, and how."""
    for outcome in outcomes:
        if outcome.disrupted or outcome.reason == _LOST:
            why = outcome.reason or child.message
            return f"worker {outcome.index} was ended from outside" + (f": {why}" if why else "")
    if "DisruptionTarget" in child.message:
        return f"a worker was ended from outside: {child.message}"
    for outcome in outcomes:
        if _never_ran(outcome):
            return f"worker {outcome.index} never ran to its end: {outcome.reason}"
        if _was_stopped(outcome):
            saved = " and saved a checkpoint" if outcome.result and outcome.result.outcome == "Stopped" else ""
            return f"worker {outcome.index} was asked to stop from outside{saved}"
    if _exit_code_told(child) == EXIT_STOPPED or _only_stopped(child, outcomes):
        return "a worker was asked to stop from outside"
    return "a worker's pod is gone, and the others lost their connection to it"


def _error_words(
    child: ChildJob, outcomes: Sequence[WorkerOutcome], culprit: WorkerOutcome | None, exit_code: int | None
) -> str:
    """Which worker failed, and its last words."""
    if culprit is None:
        if outcomes and all(item.exit_code == EXIT_DONE for item in outcomes):
            return f"every trainer ended well, but another container did not: {child.message}"
        if exit_code is not None:
            return f"a worker failed with exit code {exit_code}; its pod is gone, and its last words with it"
        return f"the workers' pods are gone, and why is not known: {child.message}"
    who = f"worker {culprit.index}"
    if culprit.reason == "OOMKilled":
        return f"{who} was killed: it used more memory than its container's limit (exit code {exit_code})"
    return f"{who} failed with exit code {exit_code}{_why(culprit)}"


def _why(culprit: WorkerOutcome) -> str:
    fault = _fault(culprit)
    if fault is not None:
        rank = f" in rank {fault.rank}" if fault.rank is not None else ""
        return f"{rank}: {fault.kind}: {fault.message}"
    lines = [line for line in culprit.last_words.splitlines() if line.strip()]
    if lines:
        return f": {lines[-1].strip()[:_LAST_WORDS]}"
    return f" ({culprit.reason})" if culprit.reason else ""
