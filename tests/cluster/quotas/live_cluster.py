"""A running Kueue as the engine's test sees it: objects as they are, events sent one by one, and whether a tree is at rest."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from quotas.backends.kueue_state import QueueNames, read_forest, read_queue_names, read_works
from quotas.domain.engine import ForestSpec, WorkState
from sandbox.api import KubeApi, Listing, follow
from tests.cluster.quotas.live_trees import TREE_LABEL, Job, Json, LiveTree, build_job, build_spec

KUEUE = "/apis/kueue.x-k8s.io/v1beta2"
# Kueue lets go what it set aside one second after a change, in batches, and the status of a ClusterQueue counts as one.
QUIET_SECONDS = 1.6
SURE_SECONDS = 6.0
PATIENT_SECONDS = 20.0  # before a difference counts: a busy Kueue was seen to try a workload 15 s after it came
MOST_SECONDS = 60.0
MOST_EVICTIONS = 4


class RestlessError(Exception):
    """The same work is evicted again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """What the cluster said of one tree at one moment."""

    forest: ForestSpec
    works: tuple[WorkState, ...]

    @property
    def holders(self) -> frozenset[str]:
        return frozenset(state.work.name for state in self.works if state.reservation is not None)

    @property
    def waiting(self) -> frozenset[str]:
        return frozenset(state.work.name for state in self.works if state.reservation is None)


class LiveCluster:
    """Follows the Workloads of one namespace, and the ClusterQueues. Everything may be called from any thread."""

    def __init__(self, api: KubeApi, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self._workloads: dict[str, Json] = {}
        self._changed_at: dict[str, float] = {}
        self._evicted: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._is_listed = threading.Event()
        self._queue_names: QueueNames = {}
        self._threads = [
            threading.Thread(target=self._follow_workloads, name="workloads", daemon=True),
            threading.Thread(target=self._follow_queues, name="queues", daemon=True),
        ]

    def __enter__(self) -> Self:
        path = f"{KUEUE}/namespaces/{self.namespace}/localqueues"
        self._queue_names = read_queue_names(self.api.list(path).items)
        for thread in self._threads:
            thread.start()
        assert self._is_listed.wait(30), "the list of Workloads does not come"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)

    # --- what there is

    def read(self, tree: LiveTree) -> LiveState:
        """The tree's objects and its work, all that waits as set aside."""
        selector = {"labelSelector": f"{TREE_LABEL}={tree.name}"}
        forest = read_forest(
            cluster_queues=self.api.list(f"{KUEUE}/clusterqueues", selector).items,
            cohorts=self.api.list(f"{KUEUE}/cohorts", selector).items,
            flavors=self.api.list(f"{KUEUE}/resourceflavors").items,
        )
        works = tuple(read_works(self._list(tree), self._queue_names, is_at_rest=True))
        return LiveState(forest=forest, works=works)

    def take_evicted(self, tree: LiveTree) -> frozenset[str]:
        """Who has lost its quota to others since the last call."""
        with self._lock:
            return frozenset(self._evicted.pop(tree.name, ()))

    def find(self, job: Job) -> str | None:
        """`namespace/name` of the job's Workload."""
        with self._lock:
            for name, item in self._workloads.items():
                owners = item["metadata"].get("ownerReferences") or ()
                if any(owner["name"] == job.name for owner in owners):
                    return f"{self.namespace}/{name}"
        return None

    def is_gone(self, work: str) -> bool:
        with self._lock:
            item = self._workloads.get(work.split("/")[1])
        return item is None or _is_true(item, "Finished")

    # --- what happens

    def submit(self, tree: LiveTree, job: Job) -> None:
        self._touch(tree)
        self.api.create(f"/apis/batch/v1/namespaces/{self.namespace}/jobs", build_job(job, namespace=self.namespace))

    def complete(self, tree: LiveTree, job: Job) -> None:
        """Its pod has done its work: the Job controller finishes the Job, Kueue the Workload. Raises: TimeoutError."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        deadline = time.monotonic() + MOST_SECONDS
        while not (pods := self.api.list(path, {"labelSelector": f"batch.kubernetes.io/job-name={job.name}"}).items):
            if time.monotonic() > deadline:  # a busy Job controller comes after Kueue
                raise TimeoutError(f"job {job.name} holds quota and gets no pod")
            time.sleep(0.1)
        self._touch(tree)
        self.api.patch(f"{path}/{pods[0]['metadata']['name']}/status", {"status": {"phase": "Succeeded"}})

    def delete(self, tree: LiveTree, job: Job) -> None:
        self._touch(tree)
        self.api.delete(f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{job.name}")

    def change(self, tree: LiveTree, node: Json) -> None:
        self._touch(tree)
        kind = "clusterqueues" if "reclaim" in node else "cohorts"
        groups = build_spec(node)["resourceGroups"]
        self.api.patch(f"{KUEUE}/{kind}/{node['name']}", {"spec": {"resourceGroups": groups}})
        self._touch(tree)

    # --- rest

    def quiet_seconds(self, tree: LiveTree) -> float:
        """How long nothing has changed in the tree."""
        return time.monotonic() - self._changed_at.get(tree.name, 0)

    def wait_for_rest(
        self, tree: LiveTree, *, is_seen: Callable[[], bool] = lambda: True, quiet_seconds: float = QUIET_SECONDS
    ) -> None:
        """Until the event has been seen, nothing is under way, and nothing has changed for a while.

        Raises: RestlessError, TimeoutError.
        """
        deadline = time.monotonic() + MOST_SECONDS
        while time.monotonic() < deadline:
            if (
                self.quiet_seconds(tree) >= quiet_seconds
                and is_seen()
                and not any(_is_moving(item) for item in self._list(tree))
            ):
                return
            with self._lock:
                most = Counter(self._evicted.get(tree.name, ())).most_common(1)
            if most and most[0][1] > MOST_EVICTIONS:
                raise RestlessError(f"{most[0][0]} was evicted {most[0][1]} times")
            time.sleep(0.1)
        raise TimeoutError(
            f"{tree.name} does not come to rest: {[item['metadata']['name'] for item in self._list(tree)]}"
        )

    # --- inside

    def _list(self, tree: LiveTree) -> list[Json]:
        with self._lock:
            return [item for item in self._workloads.values() if _tree_of(item) == tree.name]

    def _touch(self, tree: LiveTree) -> None:
        self._changed_at[tree.name] = time.monotonic()

    def _follow_queues(self) -> None:
        for news in follow(
            self.api, f"{KUEUE}/clusterqueues", stop=self._stop, parameters={"labelSelector": TREE_LABEL}
        ):
            if not isinstance(news, Listing):
                self._changed_at[news.item["metadata"]["labels"][TREE_LABEL]] = time.monotonic()

    def _follow_workloads(self) -> None:
        path = f"{KUEUE}/namespaces/{self.namespace}/workloads"
        for news in follow(self.api, path, stop=self._stop):
            with self._lock:
                if isinstance(news, Listing):
                    self._workloads = {item["metadata"]["name"]: item for item in news.items}
                    self._is_listed.set()
                    continue
                name = news.item["metadata"]["name"]
                before = self._workloads.pop(name, None)
                if news.kind != "DELETED":
                    self._workloads[name] = news.item
                self._note(name, before, news.item, is_deleted=news.kind == "DELETED")

    def _note(self, name: str, before: Json | None, item: Json, *, is_deleted: bool) -> None:
        tree = _tree_of(item)
        self._changed_at[tree] = time.monotonic()
        held = before is not None and _is_true(before, "QuotaReserved") and not _is_true(before, "Finished")
        if held and not is_deleted and not _is_true(item, "QuotaReserved") and not _is_true(item, "Finished"):
            self._evicted.setdefault(tree, []).append(f"{self.namespace}/{name}")


def _tree_of(item: Json) -> str:
    return str(item["spec"]["queueName"]).rsplit("-", 1)[0]


def _is_true(item: Json, type_: str) -> bool:
    conditions = item.get("status", {}).get("conditions") or ()
    return any(condition["type"] == type_ and condition["status"] == "True" for condition in conditions)


def _is_moving(item: Json) -> bool:
    """On its way out, or on its way away."""
    is_leaving = _is_true(item, "Evicted") and _is_true(item, "QuotaReserved") and not _is_true(item, "Finished")
    return is_leaving or ("deletionTimestamp" in item["metadata"] and not _is_true(item, "Finished"))
