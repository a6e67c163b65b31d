"""How long a job was in each of its phases: counted when the phase changes, so that it costs no write of its own."""

from datetime import datetime

from trainwright.api.job import TrainingJob
from trainwright.api.status import Phase, PhaseSeconds

COUNTED_AS: dict[Phase, str] = {
    "Pending": "pending",
    "Running": "running",
    "Restarting": "restarting",
    "Suspending": "suspended",
    "Suspended": "suspended",
}
"""Field of `PhaseSeconds` by phase; a finished job's time is nobody's."""


def phase_times(job: TrainingJob, phase: Phase, now: datetime) -> tuple[datetime, PhaseSeconds]:
    """Since when the job is in a phase, and how long it was in each before.

    Args:
        job: the job with its last status.
        phase: the one that it is in now.
        now: the time.
    """
    before = job.status
    since = before.phase_since or job.metadata.creation_timestamp or now
    if phase == (before.phase or "Pending"):
        return since, before.phase_seconds
    counted = COUNTED_AS.get(before.phase or "Pending")
    if counted is None:
        return now, before.phase_seconds
    seconds = getattr(before.phase_seconds, counted) + max(int((now - since).total_seconds()), 0)
    spent = before.phase_seconds.model_copy(update={counted: seconds})
    return now, spent
