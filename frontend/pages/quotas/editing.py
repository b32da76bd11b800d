"""The forms of a draft as pages: what they say above the fields, and the rules that stand at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Required, TypedDict, Unpack

from django.urls import reverse

from accounts import selectors as account_selectors
from aidashboard.kit.quantity import QuantityError
from clusters import selectors as cluster_selectors
from clusters.models import Cluster
from frontend.drafting import Drafted
from frontend.forms.quotas import DraftForm
from frontend.resources import GPU, show_amount, unit_of
from quotas.domain.tree import NodeKey, Tree, sort_resources
from quotas.models import QuotaTree

# What a form offers where nothing else is known: what every cluster has, and what this product is about.
USUAL_RESOURCES: Final = ("cpu", "memory", GPU)
MOST_SUGGESTIONS: Final = 200


class FormWords(TypedDict, total=False):
    """What a form about one node says. `has_amounts`: it has the table of quantities."""

    title: Required[str]
    sentence: str
    submit_label: str
    has_amounts: bool
    is_danger: bool
    suggestions: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFormPage:
    title: str
    sentence: str
    form: DraftForm
    submit_label: str
    back_url: str
    has_amounts: bool
    is_danger: bool
    suggestions: Sequence[str]


def build_node_form(form: DraftForm, *, back_url: str, **words: Unpack[FormWords]) -> NodeFormPage:
    return NodeFormPage(
        title=words["title"],
        sentence=words.get("sentence", ""),
        form=form,
        submit_label=words.get("submit_label", "Add to the draft"),
        back_url=back_url,
        has_amounts=words.get("has_amounts", False),
        is_danger=words.get("is_danger", False),
        suggestions=words.get("suggestions", ()),
    )


def node_url(tree: QuotaTree, key: str) -> str:
    """The tree table with this node's panel open."""
    return f"{reverse('quotas:quota-list')}?cluster={tree.cluster.name}&node={tree.pk}:{key}"


def list_resources(tree: Tree | None, cluster: Cluster) -> tuple[str, ...]:
    """Which resources a form offers: those of the tree, those that every cluster has, and its GPUs; GPUs first."""
    names = set(USUAL_RESOURCES) | (set(tree.resources()) if tree is not None else set())
    names |= {name for name in cluster.total_capacity if "/" in name}
    return tuple(sorted(sort_resources(names), key=lambda name: name != GPU))


def describe_rules(drafted: Drafted, key: NodeKey, resources: Sequence[str]) -> Mapping[str, str]:
    """Per resource what Min and Max of a node must obey, with the numbers that its neighbours give."""
    tree = drafted.after
    node = tree.get(key)
    rules = {}
    for resource in resources:
        unit = unit_of(resource)
        words = []
        try:
            below = tree.children_min(key, resource)
            ceiling = None if node.parent is None else tree.effective_max(node.parent, resource)
            left = None if node.parent is None else _find_unspoken(tree, node.parent, resource, except_for=key)
        except QuantityError:
            continue
        if below:
            words.append(f"Min at least {show_amount(resource, below)} {unit}".rstrip() + ", the sum of the children's")
        if left is not None:
            words.append(f"Min at most {show_amount(resource, left)} {unit}".rstrip() + ", what the parent has left")
        if ceiling is not None:
            words.append(f"Max at most {show_amount(resource, ceiling)} {unit}".rstrip() + ", the ceiling above")
        rules[resource] = "; ".join(words)
    return rules


def describe_rules_below(drafted: Drafted, parent: NodeKey, resources: Sequence[str]) -> Mapping[str, str]:
    """The same for a node that will be below `parent`: what of the parent's Min is still unspoken for."""
    tree = drafted.after
    rules = {}
    for resource in resources:
        unit = unit_of(resource)
        try:
            left = _find_unspoken(tree, parent, resource)
            ceiling = tree.effective_max(parent, resource)
        except QuantityError:
            continue
        words = [f"Min at most {show_amount(resource, left)} {unit}".rstrip() + ", what the parent has left"]
        if ceiling is not None:
            words.append(f"Max at most {show_amount(resource, ceiling)} {unit}".rstrip() + ", the ceiling above")
        rules[resource] = "; ".join(words)
    return rules


def _find_unspoken(tree: Tree, parent: NodeKey, resource: str, *, except_for: NodeKey | None = None) -> int:
    """What of a node's Min its children, but for one, are not guaranteed."""
    others = [child.key for child in tree.children(parent) if child.key != except_for]
    taken = sum(tree.min_amount(key, resource) for key in others)
    return max(0, tree.min_amount(parent, resource) - taken)


def list_parents(drafted: Drafted, key: NodeKey) -> list[tuple[str, str]]:
    """Where a node can be moved: everywhere but below itself and where it is."""
    tree = drafted.after
    below = {node.key for node in tree.walk(key)}
    return [
        (node.key, tree.path(node.key))
        for node in tree.walk()
        if node.key not in below and node.key != tree.get(key).parent
    ]


def list_group_names() -> list[str]:
    return [group.name for group in account_selectors.list_groups()]


def list_free_namespaces(cluster: Cluster, tree: Tree) -> list[str]:
    """Namespaces that exist and are not bound in this tree, to suggest."""
    bound = {binding.namespace for node in tree.nodes for binding in node.namespaces}
    free = cluster_selectors.list_namespaces(cluster).exclude(name__in=bound).exclude(name__startswith="kube-")
    return list(free.values_list("name", flat=True)[:MOST_SUGGESTIONS])
