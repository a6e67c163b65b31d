"""What the operator asked of the API server, by the server's own audit log."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from testbed import ControlPlane
from testbed.audit import AuditEvent
from testbed.operator import USER

HOUSEKEEPING = {"leases", "customresourcedefinitions", "namespaces", ""}
"""Resources that are asked for whether there are jobs or not; what has no resource is discovery."""


def operator_calls(plane: ControlPlane, since: datetime, until: datetime) -> list[AuditEvent]:
    """The requests about jobs in that time, in order: no watches, lease renewals, discovery."""
    return [
        event
        for event in plane.audit_events(USER)
        if since <= event.received <= until and event.verb != "watch" and event.resource not in HOUSEKEEPING
    ]


def by_kind(events: Iterable[AuditEvent]) -> Counter[str]:
    """How many there were of each verb and resource; refused ones are told apart."""
    return Counter(map(describe, events))


def describe(event: AuditEvent) -> str:
    """The verb and the resource, such as `patch trainingjobs/status`, and the code of a refusal."""
    resource = f"{event.resource}/{event.subresource}" if event.subresource else event.resource
    return f"{event.verb} {resource}" + (f" ({event.code})" if event.code >= 400 else "")


def is_event(call: AuditEvent) -> bool:
    """Whether it tells people something, which is not counted among what a job costs."""
    return call.resource == "events"
