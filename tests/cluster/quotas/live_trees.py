"""Random quota trees, work for them and what happens to them, as plain values: nothing here talks to a cluster.

A tree is kept in the form of the recorded scenarios (`quotas.domain.vectors`), so that what is found can be written down and replayed.
Limits are small whole numbers: collisions are what is looked for.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]  # Any: JSON of scenarios and of Kubernetes objects

TREE_LABEL = "engine.aidashboard.io/tree"
PRIORITIES = (0, 5, 10)
_RESOURCES = {"one": ("cpu",), "flavors": ("cpu",), "resources": ("cpu", "memory")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One pod that asks for `requests`: whole cores, plain units of everything else."""

    name: str
    queue: str
    requests: dict[str, int]
    priority: int


@dataclass(slots=True)
class LiveTree:
    """One root and everything below it. `scenario` follows the changes."""

    name: str
    random: random.Random
    is_fair: bool
    scenario: Json
    flavors: tuple[str, ...]
    resources: tuple[str, ...]
    has_lowered: bool = False
    jobs: dict[str, Job] = field(default_factory=dict)

    @property
    def queue_names(self) -> list[str]:
        return [queue["name"] for queue in self.scenario["cqs"]]

    def make_job(self, *, is_early: bool = False) -> Job:
        """Early work ranks low and crowds into half of the queues, so that later work finds somebody to evict."""
        pick, names = self.random, self.queue_names
        half = names[: (len(names) + 1) // 2] if is_early else names[len(names) // 2 :]
        requests = {"cpu": pick.choice((1, 2, 2, 3, 3, 4, 5))}
        if "memory" in self.resources:
            requests["memory"] = pick.randint(1, 4)
        job = Job(
            name=f"{self.name}-j{len(self.jobs)}",
            queue=pick.choice(half if pick.random() < 0.7 else names),
            requests=requests,
            priority=pick.choice((0, 0, 0, 5) if is_early else (0, 0, 5, 10)),
        )
        self.jobs[job.name] = job
        return job

    def change(self, *, may_lower: bool = True) -> Json:
        """Another Min or Max of some node, or less (sometimes more) in the root pool; returns the node as it is now."""
        pick = self.random
        cohorts, queues = self.scenario["cohorts"], self.scenario["cqs"]
        node: Json = pick.choice([cohorts[0], pick.choice(cohorts), pick.choice(queues), pick.choice(queues)])
        is_queue = node in queues
        limits = pick.choice(
            [limits for group in node["groups"] for one in group["flavors"] for limits in one["res"].values()]
        )
        place = pick.choice((0, 0, 1)) if len(limits) > 1 and limits[1] else 0
        before = int(limits[place])
        floor = int(limits[2]) if place == 0 and is_queue and len(limits) > 2 else 0
        steps = [step for step in ((-3, -2, -1, 1, 2, 4) if may_lower else (1, 2, 4)) if before + step >= floor]
        after = before + pick.choice(steps)
        limits[place] = str(after)
        self.has_lowered |= after < before
        return node


def make_tree(name: str, *, seed: str, is_fair: bool, namespace: str) -> LiveTree:
    pick = random.Random(seed)
    shape = pick.choice(("one", "one", "flavors", "resources", "resources"))
    tree = LiveTree(
        name=name,
        random=pick,
        is_fair=is_fair,
        scenario={"name": name, "fairSharing": is_fair, "steps": []},
        flavors=name_flavors(namespace)[: 2 if shape == "flavors" else 1],
        resources=_RESOURCES[shape],
    )
    is_plain = pick.random() < 0.3
    tree.scenario["cohorts"] = list(_make_cohorts(tree, is_plain=is_plain))
    tree.scenario["cqs"] = list(_make_queues(tree, is_plain=is_plain))
    return tree


def _make_cohorts(tree: LiveTree, *, is_plain: bool) -> Iterator[Json]:
    pick = tree.random
    yield {"name": f"{tree.name}-root", "groups": _make_groups(tree, lambda: [str(pick.choice((0, 2, 3, 5)))])}
    for number in range(pick.choice((0, 1, 1, 2, 2, 3))):
        parent = f"{tree.name}-{pick.choice(['root', *(f'c{other}' for other in range(number))])}"
        cohort: Json = {"name": f"{tree.name}-c{number}", "parent": parent}
        cohort["groups"] = _make_groups(tree, lambda: _make_cohort_limits(pick, is_plain=is_plain))
        yield _weigh(tree, cohort)


def _make_cohort_limits(pick: random.Random, *, is_plain: bool) -> list[str]:
    nominal, borrowing = pick.choice((0, 0, 2, 4)), pick.choice(("", "", "0", "2", "5", "10"))
    if is_plain or pick.random() < 0.6:
        return [str(nominal), borrowing] if borrowing else [str(nominal)]
    return [str(nominal), borrowing, pick.choice(("0", "1", "2", "5"))]


def _make_queues(tree: LiveTree, *, is_plain: bool) -> Iterator[Json]:
    pick = tree.random
    parents = [cohort["name"] for cohort in tree.scenario["cohorts"]]
    for number in range(pick.choice((2, 3, 3, 4))):
        queue: Json = {"name": f"{tree.name}-q{number}", "parent": pick.choice(parents[1:] or parents)}
        if pick.random() < 0.25:
            queue["parent"] = pick.choice(parents)
        queue["groups"] = _make_groups(tree, lambda: _make_queue_limits(pick, is_plain=is_plain))
        queue["reclaim"] = "Any" if is_plain else pick.choice(("Any", "Any", "Any", "Any", "LowerPriority", "Never"))
        queue["within"] = (
            "LowerPriority"
            if is_plain
            else pick.choice(("LowerPriority", "LowerPriority", "Never", "LowerOrNewerEqualPriority"))
        )
        may_borrow = not is_plain and not tree.is_fair and queue["reclaim"] != "Never"
        queue["borrow"] = pick.choice(("Never", "LowerPriority")) if may_borrow else "Never"
        if not is_plain:
            queue |= _make_habits(pick)
        yield _weigh(tree, queue)


def _make_habits(pick: random.Random) -> Json:
    """Whether the first in line blocks the others, and how far a scan of flavors goes."""
    habits: Json = {}
    if pick.random() < 0.2:
        habits["strategy"] = "StrictFIFO"
    if pick.random() < 0.4:
        habits["whenCanBorrow"] = pick.choice(("MayStopSearch", "TryNextFlavor"))
        habits["whenCanPreempt"] = pick.choice(("MayStopSearch", "TryNextFlavor"))
        if habits["whenCanBorrow"] == habits["whenCanPreempt"] == "TryNextFlavor":
            habits["preference"] = pick.choice(("BorrowingOverPreemption", "PreemptionOverBorrowing"))
    return habits


def _make_queue_limits(pick: random.Random, *, is_plain: bool) -> list[str]:
    nominal, borrowing = pick.choice((0, 2, 3, 4, 5, 6)), pick.choice(("", "", "", "", "0", "3", "6"))
    if is_plain or pick.random() < 0.75:
        return [str(nominal), borrowing] if borrowing else [str(nominal)]
    return [str(nominal), borrowing, str(pick.randint(0, min(nominal, 3)))]


def _make_groups(tree: LiveTree, make_limits: Any) -> list[Json]:  # Any: a function without arguments
    flavors = [{"name": flavor, "res": {name: make_limits() for name in tree.resources}} for flavor in tree.flavors]
    return [{"flavors": flavors}]


def _weigh(tree: LiveTree, node: Json) -> Json:
    if tree.is_fair and tree.random.random() < 0.3:
        node["weight"] = tree.random.choice(("2", "0.5", "3"))
    return node


# --- as Kubernetes objects


def name_flavors(namespace: str) -> tuple[str, ...]:
    return f"{namespace}-f1", f"{namespace}-f2"


def build_flavors(namespace: str) -> list[Json]:
    return [_object("ResourceFlavor", name, {}, {}) for name in name_flavors(namespace)]


def build_priorities(namespace: str) -> list[Json]:
    kind = "WorkloadPriorityClass"
    return [{**_object(kind, f"{namespace}-p{value}", None, {}), "value": value} for value in PRIORITIES]


def build_tree(tree: LiveTree, *, namespace: str) -> list[Json]:
    """Cohorts, ClusterQueues, and a LocalQueue of the same name for each of them."""
    own = {TREE_LABEL: tree.name}
    return [
        *(_object("Cohort", node["name"], build_spec(node), own) for node in tree.scenario["cohorts"]),
        *(_object("ClusterQueue", node["name"], build_spec(node), own) for node in tree.scenario["cqs"]),
        *(_object("LocalQueue", name, {"clusterQueue": name}, own, namespace=namespace) for name in tree.queue_names),
    ]


def build_spec(node: Json) -> Json:
    """Of a Cohort, or of a ClusterQueue: the node that has policies."""
    is_queue = "reclaim" in node
    spec: Json = {"resourceGroups": [_build_group(group) for group in node["groups"]]}
    if "parent" in node:
        spec["cohortName" if is_queue else "parentName"] = node["parent"]
    if "weight" in node:
        spec["fairSharing"] = {"weight": node["weight"]}
    if is_queue:
        spec["namespaceSelector"] = {}
        spec["preemption"] = {
            "reclaimWithinCohort": node["reclaim"],
            "withinClusterQueue": node["within"],
            "borrowWithinCohort": {"policy": node["borrow"]},
        }
        spec["queueingStrategy"] = node.get("strategy", "BestEffortFIFO")
        spec["flavorFungibility"] = {
            name: node[name] for name in ("whenCanBorrow", "whenCanPreempt", "preference") if name in node
        }
    return spec


def _build_group(group: Json) -> Json:
    names = ("nominalQuota", "borrowingLimit", "lendingLimit")
    return {
        "coveredResources": list(group["flavors"][0]["res"]),
        "flavors": [
            {
                "name": flavor["name"],
                "resources": [
                    {"name": resource} | {name: limit for name, limit in zip(names, limits, strict=False) if limit}
                    for resource, limits in flavor["res"].items()
                ],
            }
            for flavor in group["flavors"]
        ],
    }


def build_job(job: Job, *, namespace: str) -> Json:
    """A real Job. Its pod names a scheduler that nobody runs, so it waits for ever and goes at once when the Job is suspended."""
    requests = {resource: str(amount) for resource, amount in job.requests.items()}
    container = {"name": "main", "image": "busybox", "resources": {"requests": requests}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job.name,
            "namespace": namespace,
            "labels": {
                "kueue.x-k8s.io/queue-name": job.queue,
                "kueue.x-k8s.io/priority-class": f"{namespace}-p{job.priority}",
            },
        },
        "spec": {
            "suspend": True,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "schedulerName": "nobody",
                    "terminationGracePeriodSeconds": 0,
                    "containers": [container],
                }
            },
        },
    }


def _object(kind: str, name: str, spec: Json | None, labels: dict[str, str], *, namespace: str = "") -> Json:
    metadata: Json = {"name": name, "labels": labels}
    if namespace:
        metadata["namespace"] = namespace
    item: Json = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": metadata}
    return item if spec is None else item | {"spec": copy.deepcopy(spec)}
