"""The `restricted` Pod Security Standard, as defaults that the user's own words win over, field by field.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from typing import Any

Object = dict[str, Any]

_USER = 65532
"""An id that no other program on a node is likely to have; the one of distroless images."""


def restricted_pod(context: Object | None) -> Object:
    """A pod's securityContext; its files belong to the group that it runs as."""
    return {
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "fsGroup": _USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
        **(context or {}),
    }


def restricted_container(container: Object) -> Object:
    """The container with a securityContext that the standard asks of each."""
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        **(container.get("securityContext") or {}),
    }
    return {**container, "securityContext": context}
