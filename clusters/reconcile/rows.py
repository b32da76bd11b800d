"""The ManagedObject rows of one owner: read once, written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Protocol

from clusters.domain.differences import Difference
from clusters.domain.matching import ObjectKey
from clusters.models import Cluster, ManagedObject, SyncState


class Outcome(Protocol):
    """What is written of an object."""

    @property
    def subject(self) -> str: ...
    @property
    def state(self) -> SyncState: ...
    @property
    def message(self) -> str: ...
    @property
    def differences(self) -> tuple[Difference, ...]: ...
    @property
    def applied_hash(self) -> str: ...


class ManagedRows:
    """What we knew of an owner's objects before this run."""

    def __init__(self, *, cluster: Cluster, owner: str, now: datetime) -> None:
        self._cluster = cluster
        self._owner = owner
        self._now = now
        self._rows: dict[ObjectKey, ManagedObject] = {}
        self._strangers: dict[ObjectKey, str] = {}

    def expect(self, wanted: Sequence[tuple[ObjectKey, str]]) -> None:
        """Make a row for every wanted object that has none, so that it shows as syncing at once."""
        self._read(wanted)
        missing = [
            ManagedObject(
                cluster=self._cluster,
                owner=self._owner,
                subject=subject,
                api_version=key.api_version,
                kind=key.kind,
                namespace=key.namespace,
                name=key.name,
                since=self._now,
            )
            for key, subject in wanted
            if key not in self._rows and key not in self._strangers
        ]
        if missing:
            # Another worker may be making the same rows.
            ManagedObject.objects.bulk_create(missing, ignore_conflicts=True)
            self._read(wanted)

    def find_applied_hash(self, key: ObjectKey) -> str:
        return self._rows[key].applied_hash if key in self._rows else ""

    def find_healing_message(self, key: ObjectKey) -> str:
        """What a healed object says until it is changed: the last drift stays visible."""
        row = self._rows.get(key)
        return row.message if row is not None and row.state == SyncState.SYNCED else ""

    def find_differences(self, key: ObjectKey) -> tuple[Difference, ...]:
        row = self._rows.get(key)
        kept = row.differences if row is not None and row.state == SyncState.SYNCED else []
        return tuple(Difference(**difference) for difference in kept)

    def find_other_owner(self, key: ObjectKey) -> str:
        """The owner for whom we keep an object of this name already; empty when there is none."""
        return self._strangers.get(key, "")

    def write(self, outcomes: Sequence[tuple[ObjectKey, Outcome]], *, is_complete: bool) -> bool:
        """Write what came out and, when every object was looked at, drop the rows of those that are gone.

        Gives whether anything but `checked_at` changed.
        """
        seen: set[ObjectKey] = set()
        changed: list[ManagedObject] = []
        for key, outcome in outcomes:
            seen.add(key)
            row = self._rows.get(key)
            if row is not None and self._take_over(row, outcome):
                changed.append(row)
        if changed:
            fields = ["subject", "state", "message", "differences", "applied_hash", "attempts", "since"]
            ManagedObject.objects.bulk_update(changed, fields, batch_size=200)
        gone = [row.pk for key, row in self._rows.items() if is_complete and key not in seen]
        deleted, _ = ManagedObject.objects.filter(pk__in=gone).delete() if gone else (0, {})
        ManagedObject.objects.filter(cluster=self._cluster, owner=self._owner).update(checked_at=self._now)
        return bool(changed or deleted)

    def _take_over(self, row: ManagedObject, outcome: Outcome) -> bool:
        before = (row.subject, row.state, row.message, row.differences, row.applied_hash, row.attempts)
        if row.state != outcome.state:
            row.since = self._now
        row.state = outcome.state
        row.subject = outcome.subject or row.subject
        row.message = outcome.message
        row.differences = [asdict(difference) for difference in outcome.differences]
        if outcome.applied_hash:
            row.applied_hash = outcome.applied_hash
        row.attempts = 0 if outcome.state == SyncState.SYNCED else row.attempts + 1
        return before != (row.subject, row.state, row.message, row.differences, row.applied_hash, row.attempts)

    def _read(self, wanted: Sequence[tuple[ObjectKey, str]]) -> None:
        self._rows = {_key(row): row for row in ManagedObject.objects.filter(cluster=self._cluster, owner=self._owner)}
        keys = {key for key, _ in wanted}
        others = ManagedObject.objects.filter(cluster=self._cluster, name__in={key.name for key in keys}).exclude(
            owner=self._owner
        )
        self._strangers = {_key(row): row.owner for row in others if _key(row) in keys}


def _key(row: ManagedObject) -> ObjectKey:
    return ObjectKey(api_version=row.api_version, kind=row.kind, namespace=row.namespace, name=row.name)
