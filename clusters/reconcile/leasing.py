"""A lease on an intent row: one reconciler at a time, without a transaction that stays open. It runs out by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from clusters.models import Intent


@contextmanager
def lease(row: Intent, *, holder: str, seconds: float) -> Iterator[bool]:
    """Whether `holder` has the row for itself inside the block. `holder` must differ for each attempt: a task id, for instance.

    The clock is the database's, so workers on machines whose clocks differ agree.
    """
    rows = type(row)._default_manager.filter(pk=row.pk)
    is_free = Q(lease_until=None) | Q(lease_until__lt=Now())
    has_lease = bool(rows.filter(is_free).update(lease_holder=holder, lease_until=Now() + timedelta(seconds=seconds)))
    try:
        yield has_lease
    finally:
        if has_lease:
            rows.filter(lease_holder=holder).update(lease_holder="", lease_until=None)
