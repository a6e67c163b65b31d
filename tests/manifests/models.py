"""Holds plain objects against the models of Kubernetes' own client, which know every field and its type."""

from typing import Any

from kubernetes.client import models
from pydantic import ValidationError


def mistakes(value: Any, kind: str) -> list[str]:
    """Paths of unknown and missing fields and of wrong types in a value that should be of a kind, such as `V1Job`."""
    try:
        getattr(models, kind).model_validate(value)
    except ValidationError as error:
        return [".".join(map(str, details["loc"])) for details in error.errors()]
    return []
