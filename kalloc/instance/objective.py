"""What is decided, in which order: the tiers and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from kalloc.instance.rows import Name

TierName = Literal[
    "merit", "ranked", "fairness", "served", "utilisation", "guarantees", "balance", "fragmentation", "reserve"
]
TIERS: tuple[str, ...] = get_args(TierName)

SENSES: Mapping[str, Literal["max", "min"]] = {
    name: "min" if name in ("guarantees", "balance", "fragmentation") else "max" for name in TIERS
}
"""Whether more of a tier's value is better, or less; `ranked` has no plan above the one that it decides on."""

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "fairness": {"rule": "maxmin", "by": "project", "of": "asked"},
    "utilisation": {"unit": "gpus"},
    "reserve": {"level": None, "count": None},
}
"""The settings that a tier takes, with their defaults; None must be given."""


MOST_DOMAINS = 10**6


class Tier(BaseModel):
    """One thing to be decided: its name alone, or a table of the name and its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: TierName = Field(description="Which of the tiers.")
    rule: Literal["maxmin", "proportional"] | None = Field(
        None, description="`fairness`: raise the smallest share, then the next, or the sum of logarithms."
    )
    by: Literal["project", "pool"] | None = Field(None, description="`fairness`: whose share.")
    of: Literal["asked", "quota"] | None = Field(
        None, description="`fairness`: share of what was asked, or of the pool's quota."
    )
    unit: Literal["gpus", "performance"] | None = Field(
        None, description="`utilisation`: count GPUs, or GPUs times the performance of their kind."
    )
    level: Name | None = Field(None, description="`reserve`: the level of the domains to keep free.")
    count: Annotated[int, Field(ge=1, le=MOST_DOMAINS)] | None = Field(
        None, description="`reserve`: domains, beyond which more are of no use."
    )

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        """Take a bare name for a table, and put the defaults where nothing is given."""
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, dict):
            return given
        name = given.get("name")
        return {**SETTINGS.get(name, {}), **given} if isinstance(name, str) else given

    @model_serializer
    def _short(self) -> str | dict[str, Any]:
        settings = {name: getattr(self, name) for name in SETTINGS.get(self.name, {})}
        return {"name": self.name, **settings} if settings else self.name

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of both forms: the table with its settings, and the bare name."""
        schema = {
            "type": "object",
            "properties": {name: _property(field) for name, field in cls.model_fields.items()},
            "required": ["name"],
            "additionalProperties": False,
        }
        plain = [name for name in TIERS if None not in SETTINGS.get(name, {}).values()]
        return {"anyOf": [{"type": "string", "enum": plain}, schema], "description": (cls.__doc__ or "").strip()}


def _property(field: FieldInfo) -> dict[str, Any]:
    """Return the schema of a setting, or of the name."""
    words = [word for part in (field.annotation, *get_args(field.annotation)) for word in get_args(part)]
    choices = [word for word in words if isinstance(word, str)]
    kind: dict[str, Any] = {"type": "string", "enum": choices} if choices else {"type": "string"}
    if int in words:
        kind = {"type": "integer", "minimum": 1, "maximum": MOST_DOMAINS}
    return {**kind, "description": field.description}


class Objective(BaseModel):
    """What is decided, in which order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tiers: tuple[Tier, ...] = Field(
        (Tier(name="merit"), Tier(name="fragmentation")),
        description="Decided in this order; a later tier never costs an earlier one. Each is a name, or a table.",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tiers, in order."""
        return tuple(tier.name for tier in self.tiers)
