"""Quota trees: who is guaranteed what (Min), who may have how much (Max), and which namespaces work in which leaf.

A tree is the unit that is reconciled: its `generation` rises with every applied draft. Nodes carry a `version` of their own, so
that two people who edit different nodes do not get in each other's way.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import User, UserGroup
from clusters.models import Cluster, Intent


class QuotaTree(Intent):
    """One tree on one cluster, its name that of the root node.

    `applied_capacity` is the cluster's schedulable capacity when the tree was last applied: the root's pool depends on it.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="quota_trees")
    name = models.CharField(max_length=65)
    applied_capacity = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("cluster", "name")
        constraints = (models.UniqueConstraint(fields=["cluster", "name"], name="tree_name_is_unique_in_cluster"),)

    def __str__(self) -> str:
        return self.name


class QuotaNode(models.Model):
    """A node. `min` and `max` are `{resource: quantity}` as people wrote them; a missing min is 0, a missing max unlimited.

    `queue_name` is the name of its Cohort or ClusterQueue, given once (the path with dashes) and kept when the node is renamed
    or moved: renaming a queue would evict everything that runs in it.
    """

    tree = models.ForeignKey(QuotaTree, on_delete=models.CASCADE, related_name="nodes")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    name = models.CharField(max_length=65)
    queue_name = models.CharField(max_length=200)
    min = models.JSONField(default=dict)
    max = models.JSONField(default=dict)
    group = models.ForeignKey(UserGroup, null=True, on_delete=models.PROTECT, related_name="quota_nodes")
    position = models.PositiveIntegerField(default=0)
    version = models.PositiveBigIntegerField(default=1)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("tree", "parent_id", "position", "name")
        constraints = (
            # Deferred: one draft may swap two names, or move a namespace to the leaf that another change of it frees.
            models.UniqueConstraint(
                fields=["parent", "name"], name="sibling_names_are_unique", deferrable=models.Deferrable.DEFERRED
            ),
            models.UniqueConstraint(fields=["tree"], condition=Q(parent=None), name="a_tree_has_one_root"),
            models.UniqueConstraint(fields=["cluster", "queue_name"], name="queue_name_is_unique_in_cluster"),
        )

    def __str__(self) -> str:
        return self.name


class NamespaceBinding(models.Model):
    """A namespace whose work counts against a leaf. `is_created` when we made the namespace, otherwise it was adopted."""

    node = models.ForeignKey(QuotaNode, on_delete=models.PROTECT, related_name="namespaces")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    namespace = models.CharField(max_length=63)
    is_created = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("namespace",)
        constraints = (
            models.UniqueConstraint(
                fields=["cluster", "namespace"], name="a_namespace_has_one_leaf", deferrable=models.Deferrable.DEFERRED
            ),
        )

    def __str__(self) -> str:
        return self.namespace


class NodeRevision(models.Model):
    """How a node stood at one version, field by field as text: for its history, and for telling two editors what the other did.

    Outlives its node, hence the plain number.
    """

    tree = models.ForeignKey(QuotaTree, on_delete=models.CASCADE, related_name="revisions")
    node_number = models.PositiveBigIntegerField()
    version = models.PositiveBigIntegerField()
    path = models.TextField()
    fields = models.JSONField(default=dict)
    changed_by = models.CharField(max_length=63)
    changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("node_number", "-version")
        constraints = (models.UniqueConstraint(fields=["node_number", "version"], name="one_revision_per_version"),)


class QuotaDraft(models.Model):
    """Changes that one person is preparing on one tree: a list of change dicts (see quotas.domain.changes), applied as one."""

    tree = models.ForeignKey(QuotaTree, on_delete=models.CASCADE, related_name="drafts")
    author = models.ForeignKey(User, on_delete=models.CASCADE, related_name="quota_drafts")
    changes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["tree", "author"], name="one_draft_per_person_and_tree"),)
