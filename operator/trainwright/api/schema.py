"""The models as a structural schema, the dialect of OpenAPI v3 that a CRD is written in.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from functools import cache
from typing import Any

from trainwright.api.base import Model
from trainwright.api.job import TrainingJobSpec
from trainwright.api.status import TrainingJobStatus

Schema = dict[str, Any]

_COPIED = (
    "example",
    "type",
    "format",
    "pattern",
    "enum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
)


def structural_schema(model: type[Model]) -> Schema:
    """The model's structural schema: no references, no `null` types, bounds and rules as the API server reads them."""
    source = model.model_json_schema(mode="validation")
    return _convert(source, source.get("$defs", {}))


@cache
def spec_schema() -> Schema:
    """The schema of `.spec`."""
    return structural_schema(TrainingJobSpec)


@cache
def status_schema() -> Schema:
    """The schema of `.status`."""
    return structural_schema(TrainingJobStatus)


def _convert(source: Schema, definitions: dict[str, Schema]) -> Schema:
    source = _resolve(source, definitions)
    target: Schema = {key: source[key] for key in ("description", *_COPIED) if key in source}
    if "x-kubernetes-int-or-string" in source:
        target.pop("type", None)
    if "const" in source:
        target["enum"] = [source["const"]]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in source:
            target |= {bound.lower(): source[f"exclusive{bound}"], f"exclusive{bound}": True}
    if "items" in source:
        target["items"] = _convert(source["items"], definitions)
    if "properties" in source:
        target["properties"] = {name: _convert(field, definitions) for name, field in source["properties"].items()}
        if required := source.get("required"):
            target["required"] = required
    if source.get("default") is not None:
        # An object's fields have their own defaults; a default that repeated them would hold nulls too.
        target["default"] = {} if "properties" in source else source["default"]
    return target | {key: value for key, value in source.items() if key.startswith("x-kubernetes-")}


def _resolve(source: Schema, definitions: dict[str, Schema]) -> Schema:
    """Follows a reference, and takes the one alternative of `X | None`; what stands beside them wins."""
    beside = {key: value for key, value in source.items() if key not in ("$ref", "anyOf")}
    if "$ref" in source:
        name = source["$ref"].rpartition("/")[2]
        return _resolve(definitions[name], definitions) | beside
    if "anyOf" in source:
        alternatives = [item for item in source["anyOf"] if item.get("type") != "null"]
        if len(alternatives) == 1:
            return _resolve(alternatives[0], definitions) | beside
    return source


def without_nulls(value: Any, schema: Schema) -> Any:
    """The value without the fields that are null: the API server takes such a field as not set."""
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        return {
            name: without_nulls(item, fields.get(name, {}))
            for name, item in value.items()
            if item is not None or name not in fields
        }
    if isinstance(value, list) and "items" in schema:
        return [without_nulls(item, schema["items"]) for item in value]
    return value


def with_defaults(value: Any, schema: Schema) -> Any:
    """The value with the schema's defaults filled in, as the API server does before it evaluates rules.

    Values of the wrong type are left as they are: it is for validation to name them.
    """
    if isinstance(value, dict) and "properties" in schema:
        filled = dict(value)
        for name, field in schema["properties"].items():
            if name in filled:
                filled[name] = with_defaults(filled[name], field)
            elif "default" in field:
                filled[name] = with_defaults(field["default"], field)
        return filled
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(item, schema["items"]) for item in value]
    return value
