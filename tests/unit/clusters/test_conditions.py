"""Conditions keep their time while their status stays; pauses grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clusters.domain.conditions import SYNCED, Condition, Status, find_condition, merge_condition, next_attempt_at

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def condition(status: Status, reason: str = "X", type_: str = SYNCED) -> Condition:
    return Condition(type=type_, status=status, reason=reason)


def test_since_moves_only_with_the_status():
    records = merge_condition([], condition(Status.FALSE), now=NOON)
    records = merge_condition(records, condition(Status.FALSE, "Other"), now=NOON + timedelta(hours=1))
    assert [(record["reason"], record["since"]) for record in records] == [("Other", NOON.isoformat())]
    records = merge_condition(records, condition(Status.TRUE), now=NOON + timedelta(hours=2))
    assert records[0]["since"] == (NOON + timedelta(hours=2)).isoformat()


def test_there_is_one_condition_of_a_type():
    records = merge_condition([], condition(Status.TRUE, type_="Ready"), now=NOON)
    for status in (Status.TRUE, Status.FALSE):
        records = merge_condition(records, condition(status), now=NOON)
    assert [record["type"] for record in records] == ["Ready", SYNCED]
    found = find_condition(records, SYNCED)
    assert found is not None
    assert found["status"] == "False"
    assert find_condition(records, "Other") is None


def test_pauses_double_up_to_five_minutes():
    pauses = [
        (next_attempt_at(attempts=attempts, now=NOON) - NOON).total_seconds() for attempts in (1, 2, 3, 8, 9, 1000)
    ]
    assert pauses == [2, 4, 8, 256, 300, 300]
    assert next_attempt_at(attempts=1, now=NOON, at_least_seconds=60) == NOON + timedelta(seconds=60)
