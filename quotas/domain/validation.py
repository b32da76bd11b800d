"""The rules of a quota tree. Pure; every broken rule is told at once, each with node path, resource, both numbers and a code.

`judge_tree` looks at one tree as it stands, `judge_changes` also at the way there. Rules V1 to V24 are those of the ACK AI
Dashboard (docs/apps/quotas.md has the table), the others have names. A warning does not stop a change, an error does.

Source: Kueue accepts trees that make no sense (negative room, guarantees above ceilings), so all of this is ours to check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aidashboard.kit.errors import Finding
from aidashboard.kit.quantity import QuantityError, format_amount
from quotas.domain.changes import Change, ChangeImpossibleError, DeleteNode, UnbindGroup, apply_change
from quotas.domain.facts import HeldWorkload, TreeFacts
from quotas.domain.naming import NAMESPACE_NAME, NODE_NAME, SYSTEM_NAMESPACES, build_queue_name
from quotas.domain.quantities import MOST_NAMED, judge_quantities
from quotas.domain.tree import Node, NodeKey, Tree

RUNNING_PODS_RULE: Final = "V5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the rules say: `tree` is the tree after the changes that had a meaning."""

    tree: Tree
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.is_warning)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.is_warning)

    @property
    def is_allowed(self) -> bool:
        return not self.errors

    def with_running_pods_accepted(self) -> Judgement:
        """The same with V5 as a warning: an administrator has confirmed that pods run on in namespaces that change hands."""
        return replace(
            self,
            findings=tuple(
                replace(finding, is_warning=True) if finding.rule == RUNNING_PODS_RULE else finding
                for finding in self.findings
            ),
        )


def judge_changes(before: Tree, changes: Sequence[Change], facts: TreeFacts) -> Judgement:
    """Apply the changes one by one and judge every step, the outcome, and the difference."""
    tree, findings = before, list[Finding]()
    for change in changes:
        findings += _judge_step(tree, change, facts)
        try:
            tree = apply_change(tree, change)
        except ChangeImpossibleError as error:
            findings.append(error.finding)
    findings += judge_tree(tree, facts, before=before)
    findings += _judge_difference(before, tree, facts)
    return Judgement(tree=tree, findings=tuple(findings))


def judge_tree(tree: Tree, facts: TreeFacts, *, before: Tree | None = None) -> list[Finding]:
    """Every rule that a tree breaks as it stands."""
    findings = [*_judge_names(tree, facts), *_judge_bindings(tree, facts, before), *_judge_shape(tree, before)]
    findings += judge_quantities(tree, facts)
    return findings


# --- names ------------------------------------------------------------------------------------------------------------------
def _judge_names(tree: Tree, facts: TreeFacts) -> Iterator[Finding]:
    siblings: dict[tuple[NodeKey | None, str], int] = defaultdict(int)
    for node in tree.walk():
        path = tree.path(node.key)
        if not NODE_NAME.fullmatch(node.name):
            yield Finding(
                rule="V14",
                subject=path,
                field="name",
                value=node.name,
                message=f"{path}: the name {node.name!r} must be 1 to 65 letters, digits, hyphens or underscores, "
                "beginning with a letter or digit, without a dot",
            )
        siblings[node.parent, node.name] += 1
        if siblings[node.parent, node.name] == 2:
            yield Finding(
                rule="V13",
                subject=path,
                field="name",
                value=node.name,
                message=f"{path}: two nodes under one parent have the name {node.name!r}",
            )
    root = tree.root.name
    if root in facts.trees_elsewhere:
        yield _name_clash(root, root, f"{root}: another tree of this cluster has the name")
    yield from _judge_queue_names(tree, facts)


def _judge_queue_names(tree: Tree, facts: TreeFacts) -> Iterator[Finding]:
    """Paths that differ only in case or in `.`, `-` and `_` would share a queue, and so would those of two trees."""
    paths: dict[str, str] = {}
    for node in tree.walk():
        path = tree.path(node.key)
        name = build_queue_name(path)
        other = paths.setdefault(name, path)
        if other != path:
            yield _name_clash(
                path, node.name, f"{path} and {other} differ only in case or separators: both give {name!r}"
            )
        if node.queue_name:
            continue
        if name in facts.queues_elsewhere:
            owner = facts.queues_elsewhere[name]
            yield _name_clash(path, node.name, f"{path}: the queue name {name!r} belongs to {owner} of another tree")
        if name in facts.foreign_queues:
            yield _name_clash(
                path, node.name, f"{path}: the cluster has a queue {name!r} that is not ours; choose another name"
            )


def _name_clash(path: str, name: str, message: str) -> Finding:
    return Finding(rule="V13", subject=path, field="name", value=name, message=message)


# --- namespaces and groups --------------------------------------------------------------------------------------------------
def _judge_bindings(tree: Tree, facts: TreeFacts, before: Tree | None) -> Iterator[Finding]:
    known_before = _leaf_by_namespace(before) if before is not None else {}
    # Who has it stays its owner, wherever in the tree the newcomer stands: the finding is about the change.
    owners = {
        name: tree.path(key)
        for name, key in known_before.items()
        if key in tree and any(binding.namespace == name for binding in tree.get(key).namespaces)
    }
    for node in tree.walk():
        path = tree.path(node.key)
        yield from _judge_group(tree, node, path, facts)
        for binding in node.namespaces:
            name = binding.namespace
            finding = _judge_namespace(
                path, name, is_adopted=binding.is_adopted, facts=facts, is_new=name not in known_before
            )
            if finding is not None:
                yield finding
            other = owners.setdefault(name, path)
            if other != path:
                yield _namespace_finding(
                    "V12", path, name, f"namespace {name!r} is bound to {other} as well: it has one leaf"
                )


def _judge_namespace(path: str, name: str, *, is_adopted: bool, facts: TreeFacts, is_new: bool) -> Finding | None:
    if not NAMESPACE_NAME.fullmatch(name):
        rule = "must be 1 to 63 lower-case letters, digits or hyphens, with a letter or digit at both ends"
        return _namespace_finding("V21", path, name, f"the namespace {name!r} {rule}")
    if name in SYSTEM_NAMESPACES:
        return _namespace_finding("V21", path, name, f"the namespace {name!r} belongs to the cluster itself")
    if name in facts.bound_elsewhere:
        owner = facts.bound_elsewhere[name]
        return _namespace_finding("V12", path, name, f"namespace {name!r} is bound to {owner} already: it has one leaf")
    if not is_new or facts.namespaces is None:
        return None
    if is_adopted and name not in facts.namespaces:
        return _namespace_finding(
            "V21", path, name, f"there is no namespace {name!r} to adopt: have it created instead"
        )
    if not is_adopted and name in facts.namespaces:
        return _namespace_finding(
            "V21", path, name, f"namespace {name!r} exists already: adopt it, or choose another name"
        )
    return None


def _judge_group(tree: Tree, node: Node, path: str, facts: TreeFacts) -> Iterator[Finding]:
    if node.group is None:
        return
    if not tree.is_leaf(node.key):
        yield Finding(
            rule="V15",
            subject=path,
            field="group",
            value=node.group,
            message=f"{path}: user group {node.group!r} can only be bound to a leaf",
        )
    if facts.groups is not None and node.group not in facts.groups:
        yield Finding(
            rule="V15",
            subject=path,
            field="group",
            value=node.group,
            message=f"{path}: there is no user group {node.group!r}",
        )


def _judge_shape(tree: Tree, before: Tree | None) -> Iterator[Finding]:
    for node in tree.walk():
        if not node.namespaces or tree.is_leaf(node.key):
            continue
        path, names = tree.path(node.key), ", ".join(binding.namespace for binding in node.namespaces)
        children = tree.children(node.key)
        if not children:
            yield _namespace_finding("V11", path, names, f"the root holds no namespaces ({names}): add a leaf below it")
        elif before is not None and node.key in before and before.is_leaf(node.key):
            child = children[0].name
            message = f"{child!r} cannot be added below: the node has namespaces ({names}); unbind them first"
            yield _namespace_finding("V9", path, names, message)
        else:
            yield _namespace_finding(
                "V11", path, names, f"namespaces ({names}) stand on leaves only, this node has children"
            )
    if before is not None and len(before.nodes) > 1 and len(tree.nodes) == 1:
        path = tree.root.name
        message = f"{path}: the last leaf cannot be deleted; delete the whole tree instead"
        yield Finding(rule="V10", subject=path, message=message)


def _namespace_finding(rule: str, path: str, value: str, message: str) -> Finding:
    return Finding(rule=rule, subject=path, field="namespaces", value=value, message=f"{path}: {message}")


# --- the way there --------------------------------------------------------------------------------------------------------------
def _judge_step(tree: Tree, change: Change, facts: TreeFacts) -> Iterator[Finding]:
    """Rules about a change at the moment it is made."""
    if isinstance(change, DeleteNode) and change.node in tree:
        node = tree.get(change.node)
        if node.group is not None:
            path = tree.path(node.key)
            message = f"{path} cannot be deleted: user group {node.group!r} refers to it; unbind the group first"
            yield Finding(rule="V6", subject=path, field="group", value=node.group, message=message)
    if isinstance(change, UnbindGroup) and change.node in tree:
        held, path = facts.held.get(change.node, ()), tree.path(change.node)
        if held:
            group = tree.get(change.node).group or ""
            message = f"{path}: work of user group {group!r} is running here: {_name_some([job.name for job in held])}"
            yield Finding(rule="V24", subject=path, field="group", value=group, message=message, is_warning=True)


def _judge_difference(before: Tree, after: Tree, facts: TreeFacts) -> Iterator[Finding]:
    yield from _judge_running_pods(before, after, facts)
    held = {node.key: _roll_up_held(after, node.key, facts) for node in after.walk()}
    for node in after.walk():
        if node.key in before and held[node.key]:
            yield from _judge_lowering(before, after, node, held[node.key])


def _judge_running_pods(before: Tree, after: Tree, facts: TreeFacts) -> Iterator[Finding]:
    """V5: a namespace changes hands only while none of its pods runs."""
    old, new = _leaf_by_namespace(before), _leaf_by_namespace(after)
    for namespace in sorted(old.keys() | new.keys()):
        pods = facts.running_pods.get(namespace, ())
        if not pods or old.get(namespace) == new.get(namespace):
            continue
        owner = after.path(new[namespace]) if namespace in new else before.path(old[namespace])
        verb = "removed from" if namespace not in new else "added to"
        message = f"namespace {namespace!r} cannot be {verb} it while {len(pods)} pods run there: {_name_some(pods)}"
        yield _namespace_finding(RUNNING_PODS_RULE, owner, namespace, message)


def _judge_lowering(before: Tree, after: Tree, node: Node, held: Sequence[HeldWorkload]) -> Iterator[Finding]:
    """V22: what becomes borrowed, or stays above a lowered Max (Kueue evicts nothing for that)."""
    for resource in after.resources():
        used = sum(workload.requests.get(resource, 0) for workload in held)
        names = _name_some([workload.name for workload in held if workload.requests.get(resource)])
        path, readable = after.path(node.key), _Amounts(resource)
        old_max, new_max = readable(before.effective_max, node.key), readable(after.effective_max, node.key)
        old_min, new_min = readable(before.min_amount, node.key), readable(after.min_amount, node.key)
        show = readable.show
        if new_max is not None and used > new_max and (old_max is None or new_max < old_max):
            message = (
                f"{path}: Max {resource} goes down to {show(new_max)}, {show(used)} are in use: "
                f"nothing is evicted, nothing new starts. In use by {names}"
            )
            yield Finding(
                rule="V22",
                subject=path,
                field=f"max.{resource}",
                value=node.max.get(resource, ""),
                message=message,
                is_warning=True,
            )
        if new_min is not None and old_min is not None and new_min < old_min and used > new_min:
            message = (
                f"{path}: Min {resource} goes down from {show(old_min)} to {show(new_min)}, {show(used)} are in use: "
                f"what is above becomes borrowed and can be reclaimed. In use by {names}"
            )
            yield Finding(
                rule="V22",
                subject=path,
                field=f"min.{resource}",
                value=node.min.get(resource, ""),
                message=message,
                is_warning=True,
            )


@dataclass(frozen=True, slots=True)
class _Amounts:
    """Reads amounts of one resource; None where V4 has told that they cannot be read."""

    resource: str

    def __call__(self, read: Callable[[NodeKey, str], int | None], key: NodeKey) -> int | None:
        try:
            return read(key, self.resource)
        except QuantityError:
            return None

    def show(self, amount: int) -> str:
        return format_amount(self.resource, amount)


def _roll_up_held(tree: Tree, key: NodeKey, facts: TreeFacts) -> list[HeldWorkload]:
    return [workload for node in tree.walk(key) for workload in facts.held.get(node.key, ())]


def _leaf_by_namespace(tree: Tree) -> dict[str, NodeKey]:
    return {binding.namespace: node.key for node in tree.nodes for binding in node.namespaces}


def _name_some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return ", ".join(listed[:MOST_NAMED]) + more
