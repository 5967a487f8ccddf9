"""Is a run's output good enough to be published, or is it held for a person to look at?"""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.entities.schema import Schema
from shared.entities.values import NUMBERS, EdmType


class Quality(BaseModel):
    """What a workflow asks of its output. null lifts a rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, strict=True)

    min_rows: int | None = Field(1, ge=0)
    max_rejected_ratio: float | None = Field(0.01, ge=0, le=1)
    """Of all rows of the output."""
    max_row_count_change_ratio: float | None = Field(0.5, ge=0)
    """Against the published snapshot: 0.5 holds fewer than half and more than one and a half times its rows."""
    schema_change: Literal["none", "additive", "any"] = "additive"
    """`none`: the same columns; `additive`: also new columns and wider numbers; `any`: whatever the files have."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is compared of a snapshot."""

    rows: int
    rejected: int
    schema: Schema


def reasons_to_hold(quality: Quality, imported: Contents, published: Contents | None, *, is_pinned: bool) -> list[str]:
    """Empty: publish. Each reason says what was found, and what was asked."""
    reasons = [*_count_reasons(quality, imported)]
    if published is not None:
        reasons += _change_reasons(quality, imported.rows, published.rows)
        reasons += _schema_reasons(quality, imported.schema, published.schema)
    if is_pinned:
        reasons.append("the entity is pinned since a rollback: unpin it, or publish this run by hand")
    return reasons


def _count_reasons(quality: Quality, imported: Contents) -> list[str]:
    reasons = []
    if quality.min_rows is not None and imported.rows < quality.min_rows:
        reasons.append(f"{imported.rows} rows were imported, fewer than minRows ({quality.min_rows})")
    total = imported.rows + imported.rejected
    if quality.max_rejected_ratio is not None and imported.rejected > quality.max_rejected_ratio * total:
        reasons.append(
            f"{imported.rejected} of {total} rows were rejected, more than maxRejectedRatio ({quality.max_rejected_ratio})"
        )
    return reasons


def _change_reasons(quality: Quality, rows: int, before: int) -> list[str]:
    most = quality.max_row_count_change_ratio
    if most is None or not before or abs(rows - before) <= most * before:
        return []
    return [f"{rows} rows after {before} change their number by more than maxRowCountChangeRatio ({most})"]


def _schema_reasons(quality: Quality, schema: Schema, before: Schema) -> list[str]:
    if quality.schema_change == "any":
        return []
    reasons = [_lost(name, before.properties[name], schema.properties.get(name)) for name in before.properties]
    if quality.schema_change == "none":
        changed = [name for name in before.properties if schema.properties.get(name) != before.properties[name]]
        new = [name for name in schema.properties if name not in before.properties]
        reasons = [f"the column {name} is new or changed, and schemaChange is none" for name in [*changed, *new]]
    if (schema.primary_key, schema.customer_id) != (before.primary_key, before.customer_id):
        reasons.append("primary key or customer id is another column than in the published snapshot")
    return [reason for reason in reasons if reason]


def _lost(name: str, before: EdmType, now: EdmType | None) -> str:
    """Why readers of the published snapshot cannot go on; empty if they can."""
    if now is None:
        return f"the column {name} is gone, and schemaChange is additive"
    is_wider = before in NUMBERS and now in NUMBERS and NUMBERS.index(now) >= NUMBERS.index(before)
    return (
        ""
        if now is before or is_wider
        else f"the column {name} was {before} and is {now}, and schemaChange is additive"
    )
