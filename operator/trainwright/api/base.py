"""The base of every model: camelCase names, unknown fields refused, and rules in CEL beside the fields they bind."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Rule:
    """A constraint between fields, in CEL (https://kubernetes.io/docs/reference/using-api/cel/).

    The API server evaluates it at `kubectl apply`, `trainwright validate` evaluates the same text, so the two agree.

    Attributes:
        expression: true when the object (`self`) is right; with `oldSelf`, when the change from it is allowed.
        message: what was found and what would be right; each `%s` stands for one of the values.
        field: the field at fault, relative to the model that holds the rule, such as `.maxReplicas`.
        values: CEL expressions. They are formatted, not joined with `+`, because the API server's estimate of the cost
            knows no bound for the length of `string(x)`, and refuses the whole CRD.
    """

    expression: str
    message: str
    field: str = ""
    values: tuple[str, ...] = ()

    def as_kubernetes(self) -> dict[str, str]:
        """The rule as an item of `x-kubernetes-validations`."""
        message = {"message": self.message}
        if self.values:
            message = {"messageExpression": f"'{self.message}'.format([{', '.join(self.values)}])"}
        return {"rule": self.expression} | message | ({"fieldPath": self.field} if self.field else {})


class Model(BaseModel):
    """A part of the object. Frozen, since every pass computes from what it read; a new state is a new value."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        if cls.rules:
            target = handler.resolve_ref_schema(schema)
            target["x-kubernetes-validations"] = [rule.as_kubernetes() for rule in cls.rules]
        return schema

    def to_dict(self) -> dict[str, Any]:
        """The plain JSON form: camelCase, without fields that are not set."""
        return self.model_dump(mode="json", exclude_none=True)


def _parse_time(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC, to the second, as Kubernetes writes its times."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_parse_time, json_schema_input_type=datetime),
    PlainSerializer(format_time, return_type=str, when_used="json"),
]
"""A moment, with its time zone; RFC 3339 in the object."""

_QUANTITY = r"^([1-9][0-9]*(\.[0-9]+)?|0\.[0-9]*[1-9][0-9]*)(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
_DNS_LABEL = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
_DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_IMAGE = r"^\S+$"
_CALLABLE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
NCCL_NAME = r"^NCCL_[A-Z0-9_]+$"
"""Names of NCCL's variables."""

PATTERNS = {
    _QUANTITY: "a positive number and, with no space between, one of k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei",
    _DNS_LABEL: "lower-case letters, digits and -, beginning with a letter and ending with a letter or digit",
    _DNS_NAME: "lower-case letters, digits, - and ., beginning and ending with a letter or digit",
    _IMAGE: "without spaces",
    _CALLABLE: "a module's dotted name, a colon, and the name of a callable in it",
    NCCL_NAME: "NCCL_ and capital letters, digits and _",
}
"""What each pattern says, in words."""

Quantity = Annotated[str, Field(pattern=_QUANTITY, max_length=32, json_schema_extra={"example": "20Gi"})]
"""An amount of bytes in Kubernetes' notation, such as `20Gi`."""

DnsLabel = Annotated[str, Field(pattern=_DNS_LABEL, json_schema_extra={"example": "resnet-2"})]
"""A lower-case name that may stand in a host name (RFC 1035 label)."""

DnsName = Annotated[str, Field(pattern=_DNS_NAME, json_schema_extra={"example": "fast-disks"})]
"""Name of another object of the cluster (RFC 1123 subdomain)."""

Image = Annotated[
    str, Field(pattern=_IMAGE, max_length=500, json_schema_extra={"example": "registry.example/team/trainer:1.2"})
]
"""Reference of a container image."""

CallableName = Annotated[
    str, Field(pattern=_CALLABLE, max_length=300, json_schema_extra={"example": "package.module:callable"})
]
"""A Python callable, importable in the trainer's image."""

JsonObject = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
"""Any JSON object; its inside is checked by whoever it is for."""
