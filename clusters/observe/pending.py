"""What the writer knows of one cluster, and what it has not written yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from aidashboard.kit.events import Topic
from clusters.kube.kinds import (
    CLUSTER_QUEUE,
    COHORT,
    JOB,
    LOCAL_QUEUE,
    NAMESPACE,
    NODE,
    POD,
    RESOURCE_FLAVOR,
    WORKLOAD,
    Kind,
)
from clusters.kube.parsing.fields import Amounts
from clusters.kube.parsing.nodes import Node
from clusters.kube.parsing.pods import Job, Pod
from clusters.kube.parsing.queues import Queue
from clusters.kube.parsing.workloads import Workload
from clusters.models import (
    ObservedJob,
    ObservedNamespace,
    ObservedNode,
    ObservedPod,
    ObservedQueue,
    ObservedWorkload,
)
from clusters.models.inventory import Observed
from clusters.observe.capacity import CapacityBook
from clusters.observe.changes import Change, Facts, Pulse, Relisted, Seen, Vanished

Values = dict[str, Any]  # Any: the columns of a row

MODELS: Final[dict[Kind, type[Observed]]] = {
    NODE: ObservedNode,
    NAMESPACE: ObservedNamespace,
    POD: ObservedPod,
    JOB: ObservedJob,
    WORKLOAD: ObservedWorkload,
    CLUSTER_QUEUE: ObservedQueue,
    COHORT: ObservedQueue,
    LOCAL_QUEUE: ObservedQueue,
    RESOURCE_FLAVOR: ObservedQueue,
}
TOPICS: Final[dict[Kind, Topic]] = {
    NODE: Topic.NODES,
    NAMESPACE: Topic.QUOTAS,
    POD: Topic.PODS,
    JOB: Topic.WORKLOADS,
    WORKLOAD: Topic.WORKLOADS,
    CLUSTER_QUEUE: Topic.QUOTAS,
    COHORT: Topic.QUOTAS,
    LOCAL_QUEUE: Topic.QUOTAS,
    RESOURCE_FLAVOR: Topic.QUOTAS,
}


@dataclass(slots=True)
class PendingCluster:
    """One cluster's unwritten changes. The last word on an object wins; `known` holds `{uid: content hash}` of the rows.

    Two columns of a Workload come from other objects: who submitted it from its Job, the ClusterQueue it waits for from its
    LocalQueue (by namespace and name, its place). `moved_places` are those that point elsewhere than before.
    """

    cluster_id: int
    known: dict[Kind, dict[str, str]] = field(default_factory=dict)
    upserts: dict[Kind, dict[str, Facts]] = field(default_factory=dict)
    deletes: dict[Kind, set[str]] = field(default_factory=dict)
    pulse: Pulse | None = None
    capacity: CapacityBook = field(default_factory=CapacityBook)
    users_by_job: dict[str, str] = field(default_factory=dict)
    queues_by_place: dict[tuple[str, str], str] = field(default_factory=dict)
    moved_places: set[tuple[str, str]] = field(default_factory=set)
    written_capacity: tuple[Amounts, Amounts] = ({}, {})
    written_connection: str = ""

    @property
    def has_changes(self) -> bool:
        return self.pulse is not None or any(self.upserts.values()) or any(self.deletes.values())

    def note(self, change: Change) -> None:
        match change:
            case Seen(kind=kind, facts=facts):
                for one in facts:
                    self._note_seen(kind, one)
            case Vanished(kind=kind, uids=uids):
                for uid in uids:
                    self._note_vanished(kind, uid)
            case Relisted(kind=kind, uids=kept):
                gone = (self.known.get(kind, {}).keys() | self.upserts.get(kind, {}).keys()) - kept
                for uid in gone:
                    self._note_vanished(kind, uid)
                self._end_list(kind)
            case Pulse():
                self.pulse = change

    def build_values(self, facts: Facts) -> Values:
        """The columns of an object's row, with what has to be looked up in other objects."""
        values = {name: getattr(facts, name) for name in facts.__slots__}
        if isinstance(facts, Workload):
            values["submitted_by"] = self.users_by_job.get(facts.owner_uid, "")
            values["cluster_queue"] = facts.cluster_queue or self.queues_by_place.get(
                (facts.namespace, facts.queue_name), ""
            )
        values["content_hash"] = _hash_values(values)
        return values

    def list_changed(self, kind: Kind) -> Iterator[Values]:
        """The rows to write: unwritten objects whose content is not what the row holds."""
        known = self.known.setdefault(kind, {})
        for facts in self.upserts.get(kind, {}).values():
            values = self.build_values(facts)
            if known.get(facts.uid) != values["content_hash"]:
                yield values

    def _note_seen(self, kind: Kind, facts: Facts) -> None:
        self.upserts.setdefault(kind, {})[facts.uid] = facts
        self.deletes.get(kind, set()).discard(facts.uid)
        match facts:
            case Node():
                self.capacity.note_node(facts)
            case Pod():
                self.capacity.note_pod(facts)
            case Job() if facts.submitted_by:
                self.users_by_job[facts.uid] = facts.submitted_by
            case Queue() if kind is LOCAL_QUEUE:
                place = (facts.namespace, facts.name)
                if self.queues_by_place.get(place) != facts.parent:
                    self.queues_by_place[place] = facts.parent
                    self.moved_places.add(place)

    def _note_vanished(self, kind: Kind, uid: str) -> None:
        self.upserts.get(kind, {}).pop(uid, None)
        if uid in self.known.get(kind, {}):
            self.deletes.setdefault(kind, set()).add(uid)
        if kind is NODE or kind is POD:
            self.capacity.forget(uid)
        elif kind is JOB:
            self.users_by_job.pop(uid, None)

    def _end_list(self, kind: Kind) -> None:
        if kind is NODE:
            self.capacity.end_nodes()
        elif kind is POD:
            self.capacity.end_pods()

    def clear(self, written: dict[Kind, list[Values]]) -> None:
        """Everything unwritten is in the database now, and committed; `written` are the rows that had to be."""
        for kind, rows in written.items():
            self.known.setdefault(kind, {}).update((row["uid"], row["content_hash"]) for row in rows)
        for kind, uids in self.deletes.items():
            for uid in uids:
                self.known.get(kind, {}).pop(uid, None)
        self.written_capacity = self.capacity.find_capacity() or self.written_capacity
        if self.pulse is not None:
            self.written_connection = self.pulse.connection
        self.upserts, self.deletes, self.moved_places, self.pulse = {}, {}, set(), None


def _hash_values(values: Values) -> str:
    content = {name: value for name, value in values.items() if name != "resource_version"}
    encoded = orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
