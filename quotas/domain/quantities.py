"""The rules of a tree that speak of quantities: spelling, sums, and what a node may have under its parent. Pure; see `validation`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aidashboard.kit.errors import Finding
from aidashboard.kit.quantity import QuantityError, format_amount, is_unlimited
from quotas.domain.facts import TreeFacts
from quotas.domain.naming import is_resource_name
from quotas.domain.tree import Node, Tree, parse_max, parse_min

MOST_RESOURCES: Final = 64  # Kueue: covered resources of one resource group
MOST_NAMED: Final = 5  # nodes, pods or jobs named in one message


def judge_quantities(tree: Tree, facts: TreeFacts) -> Iterator[Finding]:
    """V1 to V4, V16 to V18 and the rules without a number. A quantity that cannot be read is told by V4; the rules that would need
    it stay silent, the others go on."""
    findings = list(_judge_resources(tree))
    yield from findings
    broken = {(finding.subject, finding.field) for finding in findings if finding.rule == "V4"}
    for node in tree.walk():
        for resource in tree.resources():
            numbers = _read_numbers(tree, node, resource, broken)
            if numbers is not None:
                yield from _judge_numbers(tree, numbers, facts)


def _judge_resources(tree: Tree) -> Iterator[Finding]:
    resources = tree.resources()
    if len(resources) > MOST_RESOURCES:
        message = f"the tree names {len(resources)} resources, Kueue takes at most {MOST_RESOURCES}"
        yield Finding(rule="too-many-resources", subject=tree.root.name, value=str(len(resources)), message=message)
    for node in tree.walk():
        yield from _judge_spelling(tree, node)
    for resource in resources:
        lacking = [tree.path(node.key) for node in tree.walk() if resource not in node.resources]
        if lacking and len(lacking) < len(tree.nodes):
            more = f" and {len(lacking) - MOST_NAMED} more" if len(lacking) > MOST_NAMED else ""
            yield Finding(
                rule="V18",
                subject=lacking[0],
                field=resource,
                is_warning=True,
                message=f"{resource} is not given on {', '.join(lacking[:MOST_NAMED])}{more}: Min 0 and unlimited Max hold there",
            )


def _judge_spelling(tree: Tree, node: Node) -> Iterator[Finding]:
    path = tree.path(node.key)
    for kind, quantities in (("min", node.min), ("max", node.max)):
        for resource, text in quantities.items():
            if not is_resource_name(resource):
                message = f"{path}: {resource!r} is not the name of a Kubernetes resource"
                yield Finding(rule="V4", subject=path, field=f"{kind}.{resource}", value=resource, message=message)
                continue
            try:
                if kind == "max":
                    parse_max(node, resource)
                elif node.parent is not None or not is_unlimited(text):
                    parse_min(node, resource)
            except QuantityError as error:
                message = f"{path}: {_word(kind)} {resource}: {error}"
                yield Finding(rule="V4", subject=path, field=f"{kind}.{resource}", value=text, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbers:
    """One node and resource, its quantities readable."""

    node: Node
    path: str
    resource: str
    min: int
    max: int | None

    def show(self, amount: int | None) -> str:
        return "unlimited" if amount is None else format_amount(self.resource, amount)

    def finding(self, rule: str, kind: str, message: str, *, is_warning: bool = False) -> Finding:
        spelled = (self.node.min if kind == "min" else self.node.max).get(self.resource, "")
        return Finding(
            rule=rule,
            subject=self.path,
            field=f"{kind}.{self.resource}",
            value=spelled,
            message=f"{self.path}: {message}",
            is_warning=is_warning,
        )


def _read_numbers(tree: Tree, node: Node, resource: str, broken: set[tuple[str, str]]) -> _Numbers | None:
    """None when a quantity that the rules of this node need cannot be read: V4 has told it already."""
    near = (node, *tree.children(node.key), *tree.lineage(node.key))
    if broken and any(
        (tree.path(other.key), f"{kind}.{resource}") in broken for other in near for kind in ("min", "max")
    ):
        return None
    return _Numbers(
        node=node,
        path=tree.path(node.key),
        resource=resource,
        min=tree.min_amount(node.key, resource),
        max=tree.max_amount(node.key, resource),
    )


def _judge_numbers(tree: Tree, at: _Numbers, facts: TreeFacts) -> Iterator[Finding]:
    resource = at.resource
    if at.max is not None and at.min > at.max:
        yield at.finding("V1", "min", f"Min {resource} {at.show(at.min)} is above its own Max {at.show(at.max)}")
    total = tree.children_min(at.node.key, resource)
    if total > at.min:
        message = f"Min {resource} {at.show(at.min)} is below {at.show(total)}, the sum of the children's Min"
        yield at.finding("V2", "min", message)
    yield from _judge_against_root(tree, at, facts) if at.node.parent is None else _judge_against_parent(tree, at)


def _judge_against_parent(tree: Tree, at: _Numbers) -> Iterator[Finding]:
    resource, parent = at.resource, tree.lineage(at.node.key)[-2]
    ceiling, effective = tree.max_amount(parent.key, resource), tree.effective_max(parent.key, resource)
    above = tree.path(parent.key)
    if effective is None:
        return
    # The nearest ceiling above: the parent's own, or, where the parent is unlimited, that of an ancestor.
    whose = f"the Max of {above}" if ceiling is not None else f"the effective Max of {above}"
    if at.min > effective:
        message = (
            f"Min {resource} {at.show(at.min)} is above {at.show(effective)}, {whose}: it could never be used in full"
        )
        yield at.finding("min-over-parent-max", "min", message)
    if at.max is None:
        if resource in at.node.max:
            message = f"Max {resource} is unlimited, but {whose} is {at.show(effective)}: that is what holds"
            yield at.finding("V3", "max", message, is_warning=True)
    elif ceiling is not None and at.max > ceiling:
        yield at.finding(
            "V3", "max", f"Max {resource} {at.show(at.max)} is above {at.show(ceiling)}, the Max of {above}"
        )
    elif at.max > effective:
        message = f"Max {resource} {at.show(at.max)} is above {at.show(effective)}, {whose}: the smaller one holds"
        yield at.finding("V3", "max", message, is_warning=True)


def _judge_against_root(tree: Tree, at: _Numbers, facts: TreeFacts) -> Iterator[Finding]:
    resource = at.resource
    if at.max is not None and at.min != at.max:
        message = f"Min {resource} {at.show(at.min)} and Max {at.show(at.max)} of a root are usually the same"
        yield at.finding("V16", "min", message, is_warning=True)
    if facts.capacity is None:
        return
    capacity = facts.capacity.get(resource, 0)
    if at.max is not None and at.max > capacity:
        message = f"Max {resource} {at.show(at.max)} is above the {at.show(capacity)} that the cluster can schedule now"
        yield at.finding("V17", "max", message, is_warning=True)
    total = tree.children_min(at.node.key, resource)
    if total > capacity:
        message = (
            f"the children are guaranteed {at.show(total)} of {resource}, the cluster can schedule {at.show(capacity)} now: "
            "guarantees that the nodes cannot honour"
        )
        yield at.finding("min-over-capacity", "min", message, is_warning=True)


def _word(kind: str) -> str:
    return "Min" if kind == "min" else "Max"
