"""What followers tell the writer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from clusters.kube.kinds import Kind
from clusters.kube.parsing.nodes import Namespace, Node
from clusters.kube.parsing.pods import Job, Pod
from clusters.kube.parsing.queues import Queue
from clusters.kube.parsing.workloads import Workload
from clusters.models import Connection

Facts = Node | Namespace | Pod | Job | Workload | Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """These objects are like this now."""

    cluster_id: int
    kind: Kind
    facts: tuple[Facts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """These objects are gone, or not of interest any more."""

    cluster_id: int
    kind: Kind
    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relisted:
    """A whole list has been seen: objects of the kind that are not among `uids` are gone."""

    cluster_id: int
    kind: Kind
    uids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How the last attempt to talk to the API server ended. Empty versions mean "not known", not "none"."""

    cluster_id: int
    at: datetime
    connection: Connection
    message: str = ""
    kubernetes_version: str = ""
    kueue_version: str = ""


Change = Seen | Vanished | Relisted | Pulse
