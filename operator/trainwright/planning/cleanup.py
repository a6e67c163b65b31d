"""What stays of a job that has come to its end, and for how long."""

from collections.abc import Sequence
from datetime import timedelta

from trainwright.planning.draft import Draft
from trainwright.planning.observation import ChildJob


def clean_up(draft: Draft, children: Sequence[ChildJob]) -> None:
    """Deletes what cleanPodPolicy doesn't keep, and the job itself when its time to live is over."""
    policy = draft.job.spec.run_policy
    doomed = {"Running": [child for child in children if child.live], "All": list(children), "None": []}
    draft.delete = [child for child in doomed[policy.clean_pod_policy] if not child.terminating]
    draft.replicas = sum(child.active for child in children if child.live)
    if policy.ttl_seconds_after_finished is None or draft.completion_time is None:
        return
    end = draft.completion_time + timedelta(seconds=policy.ttl_seconds_after_finished)
    if draft.now >= end:
        draft.delete_job = True
    else:
        draft.look_again_at(end)
