"""Whole trees: create, delete, try again."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record_event
from aidashboard.kit.errors import Finding
from clusters.models import Cluster
from quotas.domain.tree import NOTHING, Node, NodeKey, Tree
from quotas.domain.validation import Judgement, judge_tree
from quotas.errors import QuotaRefusedError, TreeNameTakenError
from quotas.models import QuotaTree
from quotas.selectors import gather_facts, load_tree, lock_tree
from quotas.selectors.loading import lock_trees_of
from quotas.services.changing import nudge, raise_generation, refuse
from quotas.services.saving import save_tree

ROOT_KEY = NodeKey("new-root")


def create_tree(
    *,
    cluster: Cluster,
    name: str,
    by: User | None,
    min: Mapping[str, str] = NOTHING,
    max: Mapping[str, str] = NOTHING,
) -> QuotaTree:
    """A tree that is a root alone: its Min and Max speak of everything that will be below.

    Raises: QuotaRefusedError (422) with every broken rule; TreeNameTakenError (409).
    """
    tree = Tree((Node(key=ROOT_KEY, name=name, parent=None, min=dict(min), max=dict(max)),))
    with transaction.atomic():
        lock_trees_of(cluster.pk)
        facts = gather_facts(cluster=cluster, row=None, tree=tree)
        judgement = Judgement(tree=tree, findings=tuple(judge_tree(tree, facts)))
        if QuotaTree.objects.filter(cluster=cluster, name=name).exists():
            raise TreeNameTakenError(f"Cluster {cluster.name} already has a quota tree {name!r}.")
        if not judgement.is_allowed:
            raise refuse(judgement)
        row = QuotaTree.objects.create(cluster=cluster, name=name)
        save_tree(row, None, tree, by=by)
        record_event(
            "quota-tree.created",
            by=by,
            about=row,
            summary=f"Quota tree {name} created on {cluster.name}",
            details={"min": dict(min), "max": dict(max)},
        )
        nudge(row)
    return row


def delete_tree(*, tree: QuotaTree, by: User | None) -> QuotaTree:
    """Begin to delete a tree: its rows stay until its objects are gone from the cluster, and say what blocks that.

    Namespaces stay, without our labels. Raises: QuotaRefusedError (422) while pods run in its namespaces (V7).
    """
    with transaction.atomic():
        row = lock_tree(tree.pk)
        if row.deleting_at is not None:
            return row
        domain_tree = load_tree(row)
        facts = gather_facts(cluster=row.cluster, row=row, tree=domain_tree)
        findings = [
            Finding(
                rule="V7",
                subject=domain_tree.path(node.key),
                field="namespaces",
                value=binding.namespace,
                message=f"{domain_tree.path(node.key)}: the tree cannot be deleted while {len(pods)} pods run in namespace "
                f"{binding.namespace!r}: {', '.join(pods[:5])}",
            )
            for node in domain_tree.walk()
            for binding in node.namespaces
            if (pods := facts.running_pods.get(binding.namespace, ()))
        ]
        if findings:
            raise QuotaRefusedError(findings[0].message, findings=findings)
        row.deleting_at = timezone.now()
        row.save(update_fields=["deleting_at"])
        record_event(
            "quota-tree.deleting",
            by=by,
            about=row,
            summary=f"Quota tree {row.name} with {len(domain_tree.nodes)} nodes is being deleted from {row.cluster.name}",
            details={"nodes": [domain_tree.path(node.key) for node in domain_tree.walk()]},
        )
        raise_generation(row)
    return row


def retry_sync(*, tree: QuotaTree, by: User) -> None:
    """Try again now instead of at the next attempt."""
    with transaction.atomic():
        row = lock_tree(tree.pk)
        row.next_attempt_at = timezone.now()
        row.save(update_fields=["next_attempt_at"])
        record_event("quota-tree.sync-retried", by=by, about=row, summary=f"Sync of quota tree {row.name} retried")
        nudge(row)
