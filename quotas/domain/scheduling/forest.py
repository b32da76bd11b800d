"""The nodes of all trees, made from a `ForestSpec` and remade in place when it changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quotas.domain.scheduling.frs import FlavorResources
from quotas.domain.scheduling.nodes import NO_LIMIT, Cohort, Queue, TreeRecord, saturate
from quotas.domain.scheduling.pending import PendingWork
from quotas.domain.scheduling.spec import CohortSpec, ForestSpec, QueueSpec, Quota, SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did away with, and the trees that are not what they were."""

    gone: list[Queue]
    changed: list[TreeRecord]


class Forest:
    """Nodes keep their identity through changes of the spec, so work and usage stay where they are."""

    __slots__ = ("_resources", "cohorts", "frs", "queues", "spec", "trees")

    def __init__(self, spec: ForestSpec) -> None:
        """Raises: SpecError."""
        self.frs = FlavorResources()
        self.queues: dict[str, Queue] = {}
        self.cohorts: dict[str, Cohort] = {}
        self.trees: list[TreeRecord] = []
        self._resources: dict[str, int] = {}
        self.spec = ForestSpec(queues=())
        self.rebuild(spec)

    def rebuild(self, spec: ForestSpec) -> Rebuilt:
        """Make the nodes match `spec`; a tree that stays as it was is not touched, and nothing at all is when that is not possible.

        Raises: SpecError.
        """
        check(spec)
        self.spec = spec
        names = {one.name for one in spec.queues}
        gone = [queue for name, queue in self.queues.items() if name not in names]
        self.queues = {one.name: self._take_queue(one) for one in spec.queues}
        parents = {one.parent for one in spec.queues} | {one.parent for one in spec.cohorts}
        missing = sorted({name for name in parents if name is not None} - {one.name for one in spec.cohorts})
        cohorts = (*spec.cohorts, *(CohortSpec(name=name) for name in missing))
        self.cohorts = {one.name: self._take_cohort(one) for one in cohorts}
        self._link()
        is_wider = self._take_places()
        before = {record.root: record for record in self.trees}
        self.trees = []
        changed: list[TreeRecord] = []
        for root in [node for node in self._nodes() if node.parent is None]:
            nodes = list(below(root))
            specs = tuple(node.spec for node in nodes)
            record = before.get(root)
            if record is None or record.specs != specs:
                record = TreeRecord(root, specs)
                changed.append(record)
                self._count(nodes, record)
            elif is_wider:
                self._count(nodes, record)
            self.trees.append(record)
        return Rebuilt(gone=gone, changed=changed)

    def widen(self) -> None:
        """Make room for frs that got a place since: quota may be held of a flavor that no queue names any more."""
        for record in self.trees:
            if len(record.root.usage) < len(self.frs):
                self._count(list(below(record.root)), record)

    def _take_queue(self, spec: QueueSpec) -> Queue:
        queue = self.queues.get(spec.name) or Queue(spec, PendingWork())
        if queue.spec is not spec and _layout(queue.spec) != _layout(spec):
            queue.plans.clear()
        queue.spec, queue.weight = spec, spec.weight
        return queue

    def _take_cohort(self, spec: CohortSpec) -> Cohort:
        cohort = self.cohorts.get(spec.name) or Cohort(spec)
        cohort.spec, cohort.weight = spec, spec.weight
        cohort.cohorts, cohort.queues = [], []
        return cohort

    def _link(self) -> None:
        for cohort in self.cohorts.values():
            cohort.parent = self.cohorts[cohort.spec.parent] if cohort.spec.parent is not None else None
            if cohort.parent is not None:
                cohort.parent.cohorts.append(cohort)
        for queue in self.queues.values():
            queue.parent = self.cohorts[queue.spec.parent] if queue.spec.parent is not None else None
            if queue.parent is not None:
                queue.parent.queues.append(queue)

    def _take_places(self) -> bool:
        """Whether there are frs or resources that were not there before."""
        before = len(self.frs)
        for node in self._nodes():
            for flavor, resource, _ in quotas_of(node.spec):
                self.frs.place(flavor, resource)
                self._resources.setdefault(resource, len(self._resources))
        return len(self.frs) > before

    def _count(self, nodes: list[Queue | Cohort], record: TreeRecord) -> None:
        """Quota and usage from the leaves upwards, what they make possible from the root downwards."""
        size = len(self.frs)
        record.queues = [node for node in nodes if isinstance(node, Queue)]
        record.forget()
        for queue in record.queues:
            queue.borrowing_limits.clear()
            queue.evictable.clear()
        for node in reversed(nodes):
            self._count_node(node, record)
        known = {self.frs.place(flavor, resource) for node in nodes for flavor, resource, _ in quotas_of(node.spec)}
        share_places = [(place, self._resources[self.frs.pairs[place][1]]) for place in sorted(known)]
        for node in nodes:
            node.share_places = share_places
            above = node.parent.potential if node.parent is not None else None
            node.potential = list(node.subtree)
            if above is not None:
                for place in range(size):
                    reach = saturate(node.local[place] + above[place])
                    node.potential[place] = min(reach, node.local[place] + node.ceiling[place])
            node.lendable = [0] * len(self._resources)
            for place, resource in share_places:
                node.lendable[resource] = saturate(node.lendable[resource] + node.potential[place])

    def _count_node(self, node: Queue | Cohort, record: TreeRecord) -> None:
        """Own and subtree quota, private part, usage and height of a node whose children are counted."""
        size = len(self.frs)
        node.tree = record
        node.version += 1
        node.usage.extend([0] * (size - len(node.usage)))
        node.nominal, node.local, node.ceiling = [0] * size, [0] * size, [NO_LIMIT] * size
        quotas = [(self.frs.place(flavor, resource), quota) for flavor, resource, quota in quotas_of(node.spec)]
        for place, quota in quotas:
            node.nominal[place] = quota.nominal
        node.subtree = list(node.nominal)
        if isinstance(node, Cohort):
            self._count_children(node)
        for place, quota in quotas:
            if quota.lending_limit is not None:
                node.local[place] = max(0, node.subtree[place] - quota.lending_limit)
            if quota.borrowing_limit is not None:
                node.ceiling[place] = node.subtree[place] - node.local[place] + quota.borrowing_limit
                if isinstance(node, Queue):
                    node.borrowing_limits[place] = quota.borrowing_limit

    def _count_children(self, cohort: Cohort) -> None:
        cohort.usage = [0] * len(self.frs)
        children = (*cohort.cohorts, *cohort.queues)
        cohort.height = max((child.height + 1 for child in children), default=0)
        for child in children:
            for place, quota in enumerate(child.subtree):
                if quota or child.usage[place]:
                    cohort.subtree[place] = saturate(cohort.subtree[place] + quota - child.local[place])
                    cohort.usage[place] += max(0, child.usage[place] - child.local[place])

    def _nodes(self) -> Iterator[Queue | Cohort]:
        yield from self.cohorts.values()
        yield from self.queues.values()


def below(root: Queue | Cohort) -> Iterator[Queue | Cohort]:
    """The nodes of a tree, each before its children."""
    stack: list[Queue | Cohort] = [root]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, Cohort):
            stack.extend(node.cohorts)
            stack.extend(node.queues)


def _layout(spec: QueueSpec) -> tuple[tuple[tuple[str, frozenset[str]], ...], ...]:
    """What plans depend on: which flavors and resources there are, in which order, whatever the amounts."""
    return tuple(tuple((flavor.flavor, frozenset(flavor.quotas)) for flavor in group.flavors) for group in spec.groups)


def quotas_of(spec: QueueSpec | CohortSpec) -> Iterator[tuple[str, str, Quota]]:
    """(flavor, resource, quota)."""
    for group in spec.groups:
        for flavor in group.flavors:
            for resource, quota in flavor.quotas.items():
                yield flavor.flavor, resource, quota


def check(spec: ForestSpec) -> None:
    """Raises: SpecError."""
    _check_names("ClusterQueue", [queue.name for queue in spec.queues])
    _check_names("Cohort", [cohort.name for cohort in spec.cohorts])
    _check_names("ResourceFlavor", [flavor.name for flavor in spec.flavors])
    parents = {cohort.name: cohort.parent for cohort in spec.cohorts}
    for name in parents:
        seen, above = {name}, parents[name]
        while above is not None:
            if above in seen:
                raise SpecError(f"cohort {name!r} is its own ancestor, through {above!r}")
            seen.add(above)
            above = parents.get(above)
    for queue in spec.queues:
        _check_groups(queue)
    for cohort in spec.cohorts:
        _check_groups(cohort)


def _check_names(kind: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise SpecError(f"{kind} {twice[0]!r} is given twice, names are unique")


def _check_groups(node: QueueSpec | CohortSpec) -> None:
    seen: set[str] = set()
    for group in node.groups:
        resources = group.resources
        if seen & resources:
            raise SpecError(f"{node.name}: {min(seen & resources)!r} stands in two resource groups, it may in one")
        seen |= resources
        for flavor in group.flavors:
            if frozenset(flavor.quotas) != resources:
                lacking = min(resources - frozenset(flavor.quotas))
                raise SpecError(
                    f"{node.name}: flavor {flavor.flavor!r} gives no quota for {lacking!r}, its group covers it"
                )
    for name, resource, quota in quotas_of(node):
        for word, amount in (
            ("nominal quota", quota.nominal),
            ("borrowing limit", quota.borrowing_limit),
            ("lending limit", quota.lending_limit),
        ):
            if amount is not None and amount < 0:
                raise SpecError(f"{node.name}: {word} of {resource} in {name!r} is {amount}, it may not be below 0")
    if node.weight < 0:
        raise SpecError(f"{node.name}: the fair-sharing weight is {node.weight}, below 0")
