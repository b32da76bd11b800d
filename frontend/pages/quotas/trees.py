"""Pages about whole trees: create, delete; and the page of one node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clusters.models import Cluster
from frontend.forms.quotas import TreeForm
from frontend.forms.styled import TypedNameForm
from frontend.pages.links import build_url
from frontend.pages.quotas.editing import NodeFormPage, build_node_form
from frontend.pages.quotas.panel import NodePanel
from frontend.resources import UNLIMITED, count_amount, show_amount, unit_of
from frontend.words import count_of
from quotas import selectors
from quotas.models import QuotaTree


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDetailPage:
    title: str
    sentence: str
    panel: NodePanel
    cluster: Cluster
    back_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeDeletePage:
    tree: QuotaTree
    lost: str
    form: TypedNameForm
    action: str
    back_url: str


def build_node_detail(tree: QuotaTree, panel: NodePanel) -> NodeDetailPage:
    return NodeDetailPage(
        title=panel.name,
        sentence=f"{panel.kind} of tree {tree.name} on {tree.cluster.name}{_describe_main(panel)}.",
        panel=panel,
        cluster=tree.cluster,
        back_url=build_url("quotas:quota-list", cluster=tree.cluster.name),
    )


def _describe_main(panel: NodePanel) -> str:
    """What is used of the resource that people come for."""
    if not panel.resources:
        return ""
    main = panel.resources[0]
    ceiling = main.effective_max or main.max
    unit = f"{main.label}s" if main.label == "GPU" else f"{main.unit} of {main.label}".strip()
    words = [f"{main.used} of {ceiling} {unit} in use" if ceiling != UNLIMITED else f"{main.used} {unit} in use"]
    words += [
        f"{amount} {word}"
        for amount, word in ((main.borrowed, "borrowed"), (main.lent, "lent"), (main.pending, "pending"))
        if amount != "0"
    ]
    return f": {', '.join(words)}"


def describe_capacity(cluster: Cluster) -> Mapping[str, str]:
    """Per resource what the cluster has, as the hint at the root's numbers."""
    return {
        resource: f"The cluster can schedule {show_amount(resource, amount)} {unit_of(resource)} now".rstrip() + "."
        for resource, amount in cluster.schedulable_capacity.items()
    }


def build_tree_create(cluster: Cluster, form: TreeForm) -> NodeFormPage:
    gpus = cluster.schedulable_capacity.get("nvidia.com/gpu")
    has = f" {cluster.name} can schedule {count_amount('nvidia.com/gpu', gpus)} now." if gpus else ""
    return build_node_form(
        form,
        title=f"New quota tree on {cluster.name}",
        sentence=f"The root says how much the whole tree may use: usually Min and Max are the same.{has}",
        submit_label="Create the tree",
        back_url=build_url("quotas:quota-list", cluster=cluster.name),
        has_amounts=True,
    )


def build_tree_delete(tree: QuotaTree, form: TypedNameForm) -> TreeDeletePage:
    usage = selectors.build_usage(tree)
    namespaces = sum(len(view.namespaces) for view in usage.nodes)
    return TreeDeletePage(
        tree=tree,
        lost=(
            f"Tree {tree.name} with {count_of(len(usage.nodes), 'node')} is deleted from {tree.cluster.name} with all its queues. "
            f"{count_of(namespaces, 'namespace')} and the work in them stay, without a quota. This can't be undone."
        ),
        form=form,
        action=build_url("quotas:tree-delete", tree.pk),
        back_url=build_url("quotas:quota-list", cluster=tree.cluster.name),
    )
