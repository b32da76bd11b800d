"""Conditions of an intent, as Kubernetes has them: one per type, `since` moves only when the status does. And when to try again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypedDict

SYNCED: Final = "Synced"
FIRST_PAUSE_SECONDS: Final = 2
LONGEST_PAUSE_SECONDS: Final = 300


class Status(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionRecord(TypedDict):
    """A condition as it is stored."""

    type: str
    status: str
    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`reason` is one word for programs, `message` a sentence for people."""

    type: str
    status: Status
    reason: str
    message: str = ""


def merge_condition(
    records: Sequence[ConditionRecord], condition: Condition, *, now: datetime
) -> list[ConditionRecord]:
    """The records with `condition` in the place of the one of its type."""
    before = next((record for record in records if record["type"] == condition.type), None)
    since = before["since"] if before is not None and before["status"] == condition.status else now.isoformat()
    merged = ConditionRecord(
        type=condition.type,
        status=condition.status,
        reason=condition.reason,
        message=condition.message,
        since=since,
    )
    return [*(record for record in records if record["type"] != condition.type), merged]


def find_condition(records: Sequence[ConditionRecord], type_: str) -> ConditionRecord | None:
    return next((record for record in records if record["type"] == type_), None)


def next_attempt_at(*, attempts: int, now: datetime, at_least_seconds: float = 0) -> datetime:
    """When to try again after `attempts` failures in a row: 2, 4, 8 ... 300 seconds, or later when the cluster asked for it."""
    pause = (
        min(FIRST_PAUSE_SECONDS * 2 ** max(attempts - 1, 0), LONGEST_PAUSE_SECONDS)
        if attempts < 12
        else LONGEST_PAUSE_SECONDS
    )
    return now + timedelta(seconds=max(pause, at_least_seconds))
