"""Following one cluster: a thread per kind that watches, and one that feels the pulse. Writes nothing; tells the sink."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog
from django.utils import timezone

from clusters.domain.access import ClusterAccess
from clusters.kube.client import KubeClient, Timing
from clusters.kube.errors import ClusterUnauthorizedError, KubeError, ObjectMissingError
from clusters.kube.kinds import (
    CLUSTER_QUEUE,
    COHORT,
    JOB,
    KUEUE_GROUP,
    LOCAL_QUEUE,
    NAMESPACE,
    NODE,
    POD,
    RESOURCE_FLAVOR,
    WORKLOAD,
    Kind,
)
from clusters.kube.parsing.fields import JsonObject
from clusters.kube.parsing.nodes import parse_namespace, parse_node
from clusters.kube.parsing.pods import parse_job, parse_pod
from clusters.kube.parsing.queues import parse_queue
from clusters.kube.parsing.workloads import parse_workload
from clusters.kube.watching import Changed, Listed, Troubled, Watch
from clusters.models import Connection
from clusters.observe.changes import Change, Facts, Pulse, Relisted, Seen, Vanished

PULSE_SECONDS: Final = 4.0
PULSE_SECONDS_WHILE_DOWN: Final = 1.5
_PULSE_TIMING: Final = Timing(connect_seconds=2, read_seconds=3, attempts=2, budget_seconds=4)
_KUEUE_EVERY_PULSES: Final = 8

KINDS: Final[Mapping[Kind, Callable[[JsonObject], Facts]]] = {
    NODE: parse_node,
    NAMESPACE: parse_namespace,
    POD: parse_pod,
    JOB: parse_job,
    WORKLOAD: parse_workload,
    CLUSTER_QUEUE: lambda item: parse_queue(item, CLUSTER_QUEUE),
    COHORT: lambda item: parse_queue(item, COHORT),
    LOCAL_QUEUE: lambda item: parse_queue(item, LOCAL_QUEUE),
    RESOURCE_FLAVOR: lambda item: parse_queue(item, RESOURCE_FLAVOR),
}

log = structlog.get_logger(__name__)


class ClusterFollower:
    """Everything that follows one cluster, with one credential. Start once, stop once."""

    def __init__(self, *, cluster_id: int, name: str, access: ClusterAccess, sink: Callable[[Change], None]) -> None:
        """Raises: ClusterUnreachableError when a certificate can't be read."""
        self.cluster_id = cluster_id
        self._name = name
        self._sink = sink
        self._client = KubeClient(access)
        self._pulse_client = KubeClient(access, timing=_PULSE_TIMING)
        self._watches = {kind: Watch(self._client, kind) for kind in KINDS}
        self._troubles: dict[Kind, str] = {}
        self._is_stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for kind in KINDS:
            self._start_thread(f"{self._name}-{kind.plural}", partial(self._follow, kind))
        self._start_thread(f"{self._name}-pulse", self._feel_pulse)
        log.info("cluster_followed", cluster=self._name)

    def stop(self) -> None:
        """End all threads; waits briefly, since a thread may be inside a call with a deadline."""
        self._is_stopped.set()
        for watch in self._watches.values():
            watch.close()
        for thread in self._threads:
            thread.join(timeout=1)
        self._client.close()
        self._pulse_client.close()
        log.info("cluster_left", cluster=self._name)

    def _start_thread(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    # --- one kind ---------------------------------------------------------------------------------------------------------

    def _follow(self, kind: Kind) -> None:
        listed: set[str] = set()
        for change in self._watches[kind]:
            if self._is_stopped.is_set():
                return
            match change:
                case Listed():
                    listed = set() if change.is_first else listed
                    listed |= self._tell(kind, change.objects)
                    if change.is_last:
                        self._troubles.pop(kind, None)
                        self._sink(Relisted(cluster_id=self.cluster_id, kind=kind, uids=frozenset(listed)))
                        listed = set()
                case Changed(is_deleted=True):
                    uid = str(change.item["metadata"]["uid"])
                    self._sink(Vanished(cluster_id=self.cluster_id, kind=kind, uids=(uid,)))
                case Changed():
                    self._tell(kind, [change.item])
                case Troubled():
                    self._note_trouble(kind, change)

    def _tell(self, kind: Kind, objects: list[dict[str, object]]) -> set[str]:
        """Parse and pass on; gives the uids of the objects that are kept."""
        seen: list[Facts] = []
        irrelevant: list[str] = []
        for item in objects:
            facts = self._parse(kind, item)
            if facts is None:
                continue
            if kind is POD and not getattr(facts, "is_relevant", True):
                irrelevant.append(facts.uid)
            else:
                seen.append(facts)
        if seen:
            self._sink(Seen(cluster_id=self.cluster_id, kind=kind, facts=tuple(seen)))
        if irrelevant:
            self._sink(Vanished(cluster_id=self.cluster_id, kind=kind, uids=tuple(irrelevant)))
        return {facts.uid for facts in seen}

    def _parse(self, kind: Kind, item: dict[str, object]) -> Facts | None:
        try:
            return KINDS[kind](item)
        except (KeyError, TypeError, ValueError):
            # One object that is not as the API promises must not hide all the others.
            log.exception("object_not_understood", cluster=self._name, kind=kind.name)
            return None

    def _note_trouble(self, kind: Kind, trouble: Troubled) -> None:
        error = trouble.error
        if isinstance(error, ObjectMissingError):
            # The cluster does not have the kind (any more): Kueue is not installed.
            self._sink(Relisted(cluster_id=self.cluster_id, kind=kind, uids=frozenset()))
            return
        if not error.is_retryable and kind not in self._troubles:
            log.warning("kind_not_followed", cluster=self._name, kind=kind.name, error=error.message)
        if not error.is_retryable:
            self._troubles[kind] = error.message

    # --- the pulse --------------------------------------------------------------------------------------------------------

    def _feel_pulse(self) -> None:
        was_up = True
        count = 0
        kueue_version = ""
        while not self._is_stopped.is_set():
            try:
                answer = self._pulse_client.call("GET", "/version")
                if count % _KUEUE_EVERY_PULSES == 0:
                    kueue_version = self._find_kueue_version()
            except KubeError as error:
                was_up = False
                self._sink(self._describe_fault(error))
            else:
                if not was_up:
                    self._wake_watches()
                was_up = True
                count += 1
                self._sink(
                    Pulse(
                        cluster_id=self.cluster_id,
                        at=timezone.now(),
                        connection=Connection.REACHABLE,
                        message=" ".join(dict.fromkeys(self._troubles.values())),
                        kubernetes_version=str(answer.get("gitVersion", ""))[:60],
                        kueue_version=kueue_version,
                    )
                )
            self._is_stopped.wait(PULSE_SECONDS if was_up else PULSE_SECONDS_WHILE_DOWN)

    def _describe_fault(self, error: KubeError) -> Pulse:
        is_refused = isinstance(error, ClusterUnauthorizedError)
        return Pulse(
            cluster_id=self.cluster_id,
            at=timezone.now(),
            connection=Connection.UNAUTHORIZED if is_refused else Connection.UNREACHABLE,
            message=error.message,
        )

    def _find_kueue_version(self) -> str:
        try:
            group = self._pulse_client.call("GET", f"/apis/{KUEUE_GROUP}")
        except ObjectMissingError:
            return ""
        preferred = group.get("preferredVersion")
        return str(preferred.get("version", "")) if isinstance(preferred, dict) else ""

    def _wake_watches(self) -> None:
        """The cluster is back: streams that hang on a dead connection, and pauses, end now."""
        for watch in self._watches.values():
            watch.wake()
