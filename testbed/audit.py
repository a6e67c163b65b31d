"""The API server's audit log: who asked for what."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # A watch is logged when it starts, everything else when it is done.
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class AuditEvent:
    """One request to the API server. Fields that a request doesn't have, such as a list's `name`, are empty."""

    user: str
    verb: str
    """get, list, watch, create, update, patch, delete or deletecollection."""
    api_group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    """HTTP status of the answer."""
    forbidden: bool
    """Whether RBAC refused it; admission plug-ins answer with 403, too."""
    user_agent: str
    uri: str
    received: datetime


def read_audit_log(path: Path) -> Iterator[AuditEvent]:
    """Every request once, in the order in which the server logged them, less a line that is still being written."""
    seen = set()
    with path.open() as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            record = json.loads(line)
            if record["auditID"] not in seen:
                seen.add(record["auditID"])
                yield _event(record)


def _event(record: dict[str, Any]) -> AuditEvent:
    target = record.get("objectRef", {})
    return AuditEvent(
        user=record["user"].get("username", ""),
        verb=record["verb"],
        api_group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=record.get("responseStatus", {}).get("code", 0),
        forbidden=record.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid",
        user_agent=record.get("userAgent", ""),
        uri=record["requestURI"],
        received=datetime.fromisoformat(record["requestReceivedTimestamp"]),
    )
