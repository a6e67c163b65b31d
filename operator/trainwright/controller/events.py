"""Kubernetes events: what happened to a job and why, for people who follow it.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import hashlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from trainwright.api import API_VERSION, KIND
from trainwright.controller.client import MANAGER, ApiError, Client
from trainwright.planning.actions import Event

LONGEST_NOTE = 1024
"""Bytes that the API server takes."""

log = logging.getLogger(__name__)


async def send_events(client: Client, job: dict[str, Any], events: Sequence[Event], instance: str) -> None:
    """Sends events about a TrainingJob. One that was sent already is not sent again; one that is refused is logged."""
    for event in events:
        try:
            await client.create(_event(job["metadata"], event, instance))
        except (ApiError, OSError, TimeoutError) as error:
            if not (isinstance(error, ApiError) and error.status == 409):
                log.warning("event %s was not sent: %s", event.reason, error or type(error).__name__)


def _event(metadata: dict[str, Any], event: Event, instance: str) -> dict[str, Any]:
    # A pass that is repeated tells the same again: the name makes it the same event. What a change of the object leads
    # to, such as being suspended once more, is told anew.
    words = f"{metadata['uid']} {metadata['generation']} {event.reason} {event.message}"
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{digest}", "namespace": metadata["namespace"]},
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.kind,
        "reason": event.reason,
        "action": event.reason,
        "note": event.message.encode()[:LONGEST_NOTE].decode(errors="ignore"),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "reportingController": f"{MANAGER}.dev/operator",
        "reportingInstance": instance,
    }
