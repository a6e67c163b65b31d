"""Live figures of every job, computed from what is known at the moment of a scrape.

Nothing is kept from one scrape to the next, so a job that is gone has no series any more. Jobs that are not finished,
and those that finished a moment ago, have series of their own, up to a number; all are in the sums.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trainwright.manifests.names import STEP_LABEL
from trainwright.metrics.goodput import goodput, phase_seconds, timestamp

Object = Mapping[str, Any]
Job = tuple[Object, Sequence[Object]]
"""A TrainingJob and its child Jobs."""

LINGER_SECONDS = 600.0
"""How long a finished job keeps its series, so that its last figures are scraped."""

PHASES = ("Pending", "Running", "Restarting", "Suspending", "Suspended", "Complete", "Failed")

JOB = ("namespace", "job_name")
ARTIFACT = (*JOB, "step", "format")

FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "trainwright_jobs": ("TrainingJobs there are, by phase", ("namespace", "framework", "phase")),
    "trainwright_jobs_without_series": ("TrainingJobs that have no series of their own, since there are too many", ()),
    "trainwright_job_info": (
        "Always 1; what the job is and where it stands: reason says why it is in its phase",
        (*JOB, "framework", "phase", "step", "reason"),
    ),
    "trainwright_job_workers_wanted": ("Workers that the current step runs on", JOB),
    "trainwright_job_workers_ready": ("Workers of the current step that are ready", JOB),
    "trainwright_job_restarts": ("Attempts after the first one, of all steps together", JOB),
    "trainwright_job_progress_ratio": ("Share of the current step that is done, from 0 to 1", JOB),
    "trainwright_job_training_step": ("Optimizer steps done in the current step", JOB),
    "trainwright_job_loss": ("Training loss of the current step", JOB),
    "trainwright_job_accuracy": ("The newest accuracy that was measured", JOB),
    "trainwright_job_samples_per_second": ("Samples trained on a second, by all workers together", JOB),
    "trainwright_job_eta_seconds": ("Estimated time to the end of the current step", JOB),
    "trainwright_job_phase_seconds": ("Time that the job has spent in each phase so far", (*JOB, "phase")),
    "trainwright_job_lost_seconds": ("Time that brought the job nothing, by what it was lost to", (*JOB, "cause")),
    "trainwright_job_goodput_ratio": (
        "Productive time over elapsed time, without the time in which the job was suspended",
        JOB,
    ),
    "trainwright_job_last_failure_info": (
        "Always 1; cause of the last failed attempt, Error or Disruption, and the failure in a word",
        (*JOB, "step", "cause", "reason"),
    ),
    "trainwright_step_gate_passed": ("Whether the step met its gate", (*JOB, "step")),
    "trainwright_artifact_accuracy": ("Accuracy of the step's artifact, from 0 to 1", ARTIFACT),
    "trainwright_artifact_latency_seconds": ("Median time of one inference at batch size 1", ARTIFACT),
    "trainwright_artifact_size_bytes": ("Bytes of the artifact's files", ARTIFACT),
    "trainwright_artifact_parameters": ("Stored weights of the artifact that are not exactly zero", ARTIFACT),
}
"""Every metric with what it means and its labels."""

_PROGRESS = {
    "trainwright_job_progress_ratio": ("percent", 0.01),
    "trainwright_job_training_step": ("trainingStep", 1.0),
    "trainwright_job_loss": ("loss", 1.0),
    "trainwright_job_samples_per_second": ("samplesPerSecond", 1.0),
    "trainwright_job_eta_seconds": ("remainingSeconds", 1.0),
}
"""Metric -> field of `status.progress`, and its unit."""

_MEASURED = {
    "trainwright_artifact_accuracy": ("accuracy", 1.0),
    "trainwright_artifact_latency_seconds": ("latencyMs", 0.001),
    "trainwright_artifact_size_bytes": ("sizeBytes", 1.0),
    "trainwright_artifact_parameters": ("parameters", 1.0),
}
"""Metric -> field of an artifact's metrics, and its unit."""

Families = dict[str, GaugeMetricFamily]


class JobCollector(Collector):
    """Serves the figures of all jobs while this replica leads; the others would only say the same once more.

    Args:
        jobs: every job that is known.
        leading: whether this replica leads.
        most: jobs that have series of their own: first those whose workers run, then the newest.
    """

    def __init__(self, jobs: Callable[[], Iterable[Job]], leading: Callable[[], bool], most: int) -> None:
        self._jobs, self._leading, self._most = jobs, leading, most

    def describe(self) -> Iterator[Metric]:
        """The metrics without values; the registry asks so that no name is taken twice."""
        yield from _families().values()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        if not self._leading():
            return
        families, now = _families(), time.time()
        jobs = list(self._jobs())
        counts = Counter(
            (body["metadata"]["namespace"], body["spec"].get("framework", ""), _phase(body)) for body, _ in jobs
        )
        for labels, count in counts.items():
            families["trainwright_jobs"].add_metric(labels, count)
        current = [job for job in jobs if _is_current(job[0], now)]
        if len(current) > self._most:
            current.sort(key=_importance, reverse=True)
        families["trainwright_jobs_without_series"].add_metric((), len(current[self._most :]))
        for body, children in current[: self._most]:
            _add_job(families, body, children, now)
        yield from families.values()


def _families() -> Families:
    return {name: GaugeMetricFamily(name, words, labels=labels) for name, (words, labels) in FAMILIES.items()}


def _phase(body: Object) -> str:
    return body.get("status", {}).get("phase") or "Pending"


def _is_current(body: Object, now: float) -> bool:
    """Whether the job is not finished, or was a moment ago."""
    ended = body.get("status", {}).get("completionTime")
    return not ended or now - timestamp(ended) < LINGER_SECONDS


def _importance(job: Job) -> tuple[bool, bool, str]:
    phase = _phase(job[0])
    running = phase in ("Running", "Restarting")
    return running, phase not in ("Complete", "Failed"), job[0]["metadata"].get("creationTimestamp", "")


def _add_job(families: Families, body: Object, children: Sequence[Object], now: float) -> None:
    """Adds the series of one job."""
    status = body.get("status", {})
    labels = (body["metadata"]["namespace"], body["metadata"]["name"])
    step, phase = status.get("currentStep", ""), _phase(body)
    about = (*labels, body["spec"].get("framework", ""), phase, step, _reason(status, phase))
    families["trainwright_job_info"].add_metric(about, 1)
    families["trainwright_job_restarts"].add_metric(labels, status.get("restarts", 0))
    if step:
        _add_workers(families, labels, step, children, phase)
        _add_values(families, _PROGRESS, labels, status.get("progress") or {})
    if "accuracy" in status:
        families["trainwright_job_accuracy"].add_metric(labels, status["accuracy"])
    _add_times(families, labels, status, now)
    _add_last_failure(families, labels, status)
    for done in status.get("steps", ()):
        _add_step(families, labels, done)


def _reason(status: Object, phase: str) -> str:
    """Why the job is in its phase, in one word."""
    conditions = {item["type"]: item["reason"] for item in status.get("conditions", ())}
    return str(conditions.get("Running" if phase in ("Pending", "Suspending") else phase, ""))


def _add_workers(families: Families, labels: Sequence[str], step: str, children: Sequence[Object], phase: str) -> None:
    group = next((child for child in children if child["metadata"]["labels"].get(STEP_LABEL) == step), None)
    if group is None or phase == "Suspended":
        return
    families["trainwright_job_workers_wanted"].add_metric(labels, group["spec"].get("parallelism", 1))
    families["trainwright_job_workers_ready"].add_metric(labels, group.get("status", {}).get("ready") or 0)


def _add_times(families: Families, labels: Sequence[str], status: Object, now: float) -> None:
    for phase, seconds in phase_seconds(status, now).items():
        families["trainwright_job_phase_seconds"].add_metric((*labels, phase), seconds)
    good = goodput(status, now)
    for cause, seconds in good.lost.items():
        families["trainwright_job_lost_seconds"].add_metric((*labels, cause), seconds)
    if good.ratio is not None:
        families["trainwright_job_goodput_ratio"].add_metric(labels, good.ratio)


def _add_last_failure(families: Families, labels: Sequence[str], status: Object) -> None:
    failures = [(failure, step["name"]) for step in status.get("steps", ()) for failure in step.get("failures", ())]
    if failures:
        last, step = max(failures, key=lambda item: item[0]["time"])
        about = (*labels, step, last["cause"], last.get("reason", ""))
        families["trainwright_job_last_failure_info"].add_metric(about, 1)


def _add_step(families: Families, labels: Sequence[str], step: Object) -> None:
    if "gate" in step:
        families["trainwright_step_gate_passed"].add_metric((*labels, step["name"]), float(step["gate"]["passed"]))
    if "artifact" in step:
        of_artifact = (*labels, step["name"], step["artifact"]["format"])
        _add_values(families, _MEASURED, of_artifact, step.get("metrics") or step["artifact"].get("metrics") or {})


def _add_values(
    families: Families, wanted: Mapping[str, tuple[str, float]], labels: Sequence[str], found: Object
) -> None:
    for name, (field, unit) in wanted.items():
        if field in found:
            families[name].add_metric(labels, found[field] * unit)
