"""The outcome of an attempt, written back to the intent row: generation, condition, and when to try again."""

from __future__ import annotations

from datetime import datetime

from clusters.domain.conditions import SYNCED, Condition, Status, merge_condition, next_attempt_at
from clusters.models import Intent
from clusters.reconcile.matching import MatchResult


def record_result(row: Intent, *, generation: int, result: MatchResult, now: datetime) -> None:
    """Write the outcome for the generation that was matched; the row may have moved on meanwhile, and is then still behind."""
    condition = Condition(
        type=SYNCED,
        status=Status.TRUE if result.is_synced else Status.FALSE,
        reason=result.reason,
        message=result.message,
    )
    if result.is_synced:
        row.observed_generation = max(row.observed_generation, generation)
        row.synced_at, row.attempts, row.next_attempt_at = now, 0, None
    _write(row, condition, now=now, is_done=result.is_synced, retry_after_seconds=result.retry_after_seconds)


def record_failure(row: Intent, *, reason: str, message: str, now: datetime, retry_after_seconds: float = 0) -> None:
    """Write that nothing could be tried: the manifests can't be built or the credential can't be read, for instance."""
    condition = Condition(type=SYNCED, status=Status.FALSE, reason=reason, message=message)
    _write(row, condition, now=now, is_done=False, retry_after_seconds=retry_after_seconds)


def _write(row: Intent, condition: Condition, *, now: datetime, is_done: bool, retry_after_seconds: float) -> None:
    row.conditions = merge_condition(row.conditions, condition, now=now)
    if not is_done:
        row.attempts += 1
        row.next_attempt_at = next_attempt_at(attempts=row.attempts, now=now, at_least_seconds=retry_after_seconds)
    row.save(update_fields=["observed_generation", "synced_at", "attempts", "next_attempt_at", "conditions"])
