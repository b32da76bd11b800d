"""The shape of quota trees in the REST API. Rules are the services' business; here is only form."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aidashboard.kit.quantity import format_amount
from clusters.models import SyncState
from quotas.domain.changes import CHANGE_TYPES
from quotas.domain.diff import DiffKind, DiffRow
from quotas.domain.usage import ResourceUsage
from quotas.models import NamespaceBinding, NodeRevision
from quotas.selectors import NodeSync, NodeView, TreeSync
from quotas.services import DraftedChange, DraftPreview

QUANTITIES = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "example": {"cpu": "64", "nvidia.com/gpu": "8"},
}
EDITS = {**QUANTITIES, "additionalProperties": {"type": ["string", "null"]}}
MIN_HELP = "Guaranteed, by resource, as Kubernetes quantities; a resource left out has 0."
MAX_HELP = "Ceiling, by resource; a resource left out, or 2147483647, is unlimited."
VERSION_HELP = "The version of the node that you read; 409 when it has changed since."
CONFIRMATION_HELP = "The tree's name, to let pods run on in namespaces that change hands."


@extend_schema_field(QUANTITIES)
class QuantitiesField(serializers.JSONField):
    """`{resource: quantity}`; what is no mapping of texts and numbers is refused by the domain, with its position."""


@extend_schema_field(EDITS)
class QuantityEditsField(serializers.JSONField):
    """The same with null for taking a resource out."""


class QuotaFindingSerializer(serializers.Serializer[Any]):  # Any: a Finding, or many
    rule = serializers.CharField(help_text="Stable code of the rule.")
    subject = serializers.CharField(help_text="Path of the node.")
    field = serializers.CharField(help_text="Field of the node, `min.cpu` for instance.")
    value = serializers.CharField(help_text="The value that breaks the rule.")
    message = serializers.CharField(help_text="The whole sentence, with both numbers.")
    is_warning = serializers.BooleanField(help_text="Warnings do not stop a change.")


class TreeSyncSerializer(serializers.Serializer[TreeSync]):
    state = serializers.ChoiceField(choices=SyncState.choices, help_text="Whether the cluster is as asked.")
    message = serializers.CharField(help_text="Why it is not, in words.")
    generation = serializers.IntegerField(help_text="Rises with every change.")
    observed_generation = serializers.IntegerField(help_text="The last generation that was fully applied.")
    synced_at = serializers.DateTimeField(allow_null=True, help_text="When the cluster was last found as asked.")
    is_deleting = serializers.BooleanField(help_text="Whether the tree is on its way out.")
    attempts = serializers.IntegerField(help_text="Failed attempts in a row.")
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="When the next attempt is due.")
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Objects by state.")
    blocking = serializers.ListField(child=serializers.CharField(), help_text="What a deletion still waits for.")


class NodeSyncSerializer(serializers.Serializer[NodeSync]):
    state = serializers.ChoiceField(choices=SyncState.choices, help_text="That of the node's worst object.")
    message = serializers.CharField(help_text="Why it is not synced, in words.")
    since = serializers.DateTimeField(allow_null=True, help_text="Since when.")
    object_count = serializers.IntegerField(help_text="Kubernetes objects that stand for the node.")


class ResourceUsageSerializer(serializers.Serializer[Any]):  # Any: a ResourceUsage, or many
    """All amounts are Kubernetes quantities."""

    resource = serializers.CharField(help_text="The resource.")
    min = serializers.SerializerMethodField(help_text="Guaranteed.")
    max = serializers.SerializerMethodField(help_text="The node's own ceiling; null is unlimited.")
    effective_max = serializers.SerializerMethodField(help_text="Smallest ceiling on the path; null is unlimited.")
    reachable = serializers.SerializerMethodField(
        help_text="The effective ceiling, or what the cluster can schedule if that is less; null when neither is known."
    )
    used = serializers.SerializerMethodField(help_text="Held by admitted work of the subtree.")
    borrowed = serializers.SerializerMethodField(help_text="What of it is above the guarantee.")
    lent = serializers.SerializerMethodField(help_text="What of the idle guarantee others use.")
    pending = serializers.SerializerMethodField(help_text="Asked for by waiting work of the subtree.")

    def get_min(self, usage: ResourceUsage) -> str:
        return format_amount(usage.resource, usage.min)

    def get_max(self, usage: ResourceUsage) -> str | None:
        return _format(usage.resource, usage.max)

    def get_effective_max(self, usage: ResourceUsage) -> str | None:
        return _format(usage.resource, usage.effective_max)

    def get_reachable(self, usage: ResourceUsage) -> str | None:
        return _format(usage.resource, usage.reachable)

    def get_used(self, usage: ResourceUsage) -> str:
        return format_amount(usage.resource, usage.used)

    def get_borrowed(self, usage: ResourceUsage) -> str:
        return format_amount(usage.resource, usage.borrowed)

    def get_lent(self, usage: ResourceUsage) -> str:
        return format_amount(usage.resource, usage.lent)

    def get_pending(self, usage: ResourceUsage) -> str:
        return format_amount(usage.resource, usage.pending)


class QuotaNodeSerializer(serializers.Serializer[Any]):  # Any: a NodeView, or many
    id = serializers.IntegerField(help_text="Number of the node.")
    tree = serializers.IntegerField(source="tree_id", help_text="Number of its tree.")
    tree_name = serializers.CharField(help_text="Name of its tree.")
    cluster = serializers.CharField(source="cluster_name", help_text="Name of the cluster.")
    parent = serializers.IntegerField(  # type: ignore[assignment]  # a field called like an attribute of fields
        source="parent_id", allow_null=True, help_text="Number of the parent; null for the root."
    )
    name = serializers.CharField(help_text="Name among its siblings.")
    path = serializers.CharField(help_text="Names from the root, joined by dots.")
    version = serializers.IntegerField(help_text="Give it back with a change, so that nobody's work is overwritten.")
    is_leaf = serializers.BooleanField(help_text="Whether namespaces may be bound here.")
    is_path_only = serializers.BooleanField(
        help_text="You see the name, as part of the path of your leaf, and nothing else."
    )
    queue_name = serializers.CharField(help_text="Name of its ClusterQueue (leaf) or Cohort.")
    min = QuantitiesField(help_text=MIN_HELP)
    max = QuantitiesField(help_text=MAX_HELP)
    namespaces = serializers.ListField(child=serializers.CharField(), help_text="Bound namespaces.")
    group = serializers.CharField(allow_null=True, help_text="The user group that may use the leaf.")
    changed_at = serializers.DateTimeField(help_text="Last change.")
    usage = serializers.SerializerMethodField(help_text="By resource; empty for a node that you see only the name of.")
    running_pods = serializers.SerializerMethodField(help_text="Running pods in the namespaces of the subtree.")
    admitted_workloads = serializers.SerializerMethodField(help_text="Workloads of the subtree that hold quota.")
    pending_workloads = serializers.SerializerMethodField(help_text="Workloads of the subtree that wait.")
    sync = NodeSyncSerializer(allow_null=True, help_text="Whether the cluster is as asked.")

    @extend_schema_field(ResourceUsageSerializer(many=True))
    def get_usage(self, node: NodeView) -> list[Any]:  # Any: JSON
        rows = node.usage.resources.values() if node.usage else ()
        return list(ResourceUsageSerializer(rows, many=True).data)

    def get_running_pods(self, node: NodeView) -> int | None:
        return node.usage.running_pods if node.usage else None

    def get_admitted_workloads(self, node: NodeView) -> int | None:
        return node.usage.admitted_workloads if node.usage else None

    def get_pending_workloads(self, node: NodeView) -> int | None:
        return node.usage.pending_workloads if node.usage else None


class TreeSerializer(serializers.Serializer[Any]):  # Any: a row with its summary
    id = serializers.IntegerField(help_text="Number of the tree.")
    name = serializers.CharField(help_text="Name of the tree and of its root.")
    cluster = serializers.CharField(help_text="Name of its cluster.")
    created_at = serializers.DateTimeField(help_text="When it was made.")
    sync = TreeSyncSerializer(help_text="Whether the cluster is as asked.")


class TreeDetailSerializer(TreeSerializer):
    resources = serializers.ListField(child=serializers.CharField(), help_text="Resources that the tree names.")
    observed_at = serializers.DateTimeField(allow_null=True, help_text="Age of all usage in here.")
    nodes = QuotaNodeSerializer(many=True, help_text="The nodes you may see, parents before children.")


class TreeCreateSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    cluster = serializers.CharField(max_length=63, help_text="Name of the cluster.")
    name = serializers.CharField(max_length=200, help_text="Name of the tree and of its root.")
    min = QuantitiesField(required=False, help_text=MIN_HELP)
    max = QuantitiesField(required=False, help_text=MAX_HELP)


class ChangeSerializer(serializers.Serializer[Any]):  # Any: documents the JSON that the domain itself reads
    kind = serializers.ChoiceField(choices=[change.kind for change in CHANGE_TYPES], help_text="What to do.")
    node = serializers.CharField(
        required=False,
        help_text="Number of the node, or the temporary key of one added before; all kinds but add-node.",
    )
    version = serializers.IntegerField(required=False, allow_null=True, help_text=VERSION_HELP)
    key = serializers.CharField(required=False, help_text="add-node: temporary key, `new-...`, for later changes.")
    parent = serializers.CharField(required=False, help_text="add-node, move-node: number or temporary key.")  # type: ignore[assignment]  # as above
    name = serializers.CharField(required=False, help_text="add-node, rename-node.")
    min = QuantityEditsField(required=False, help_text="add-node, change-node: by resource; null takes one out.")
    max = QuantityEditsField(required=False, help_text="add-node, change-node: by resource; null takes one out.")
    namespace = serializers.CharField(required=False, help_text="bind-namespace, unbind-namespace.")
    adopt = serializers.BooleanField(
        required=False, help_text="bind-namespace: take an existing one instead of making it."
    )
    group = serializers.CharField(required=False, help_text="bind-group: name of the user group.")


class ChangesSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    changes = serializers.ListField(
        child=serializers.JSONField(), min_length=1, max_length=1000, help_text="Applied in order, all or none."
    )
    confirmation = serializers.CharField(required=False, default="", allow_blank=True, help_text=CONFIRMATION_HELP)


class ChangesDocument(serializers.Serializer[Any]):  # Any: for the schema alone
    changes = ChangeSerializer(many=True, help_text="Applied in order, all or none.")
    confirmation = serializers.CharField(required=False, help_text=CONFIRMATION_HELP)


class DraftDocument(serializers.Serializer[Any]):  # Any: for the schema alone
    changes = ChangeSerializer(many=True, help_text="Appended to the draft.")


class ConfirmationSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    confirmation = serializers.CharField(required=False, default="", allow_blank=True, help_text=CONFIRMATION_HELP)


class AppliedSerializer(serializers.Serializer[Any]):  # Any: assembled by the view
    tree = TreeDetailSerializer(help_text="The tree as it is now.")
    added = serializers.DictField(child=serializers.IntegerField(), help_text="New nodes by their temporary keys.")
    warnings = QuotaFindingSerializer(many=True, help_text="What was worth a warning.")


class DraftedChangeSerializer(serializers.Serializer[DraftedChange]):
    position = serializers.IntegerField(help_text="Place in the draft, from 0.")
    summary = serializers.CharField(help_text="What the change does, in words.")
    problem = serializers.CharField(help_text="Why it can't be made any more; empty when it can.")


class DiffRowSerializer(serializers.Serializer[DiffRow]):
    kind = serializers.ChoiceField(choices=list(DiffKind), help_text="Added, changed or deleted.")
    path = serializers.CharField(help_text="Path of the node.")
    field = serializers.CharField(help_text="Field of the node.")
    old = serializers.CharField(help_text="Value now; empty for none.")
    new = serializers.CharField(help_text="Value afterwards; empty for none.")


class ConflictSerializer(serializers.Serializer[Any]):  # Any: a FieldConflict
    node_path = serializers.CharField(help_text="Path of the node.")
    field = serializers.CharField(help_text="Field of the node.")
    read = serializers.CharField(allow_null=True, help_text="What you read.")
    current = serializers.CharField(help_text="What stands now.")
    wanted = serializers.CharField(allow_null=True, help_text="What you want.")
    read_version = serializers.IntegerField(help_text="The version you read.")
    current_version = serializers.IntegerField(help_text="The version now.")
    changed_by = serializers.CharField(help_text="Who changed it last.")


class PreviewSerializer(serializers.Serializer[DraftPreview]):
    changes = DraftedChangeSerializer(many=True, help_text="The changes in words.")
    findings = QuotaFindingSerializer(many=True, help_text="Every broken rule, warnings included.")
    conflicts = ConflictSerializer(many=True, help_text="What others changed meanwhile.")
    rows = DiffRowSerializer(many=True, help_text="Old and new values.")
    namespaces = serializers.ListField(child=serializers.CharField(), help_text="Namespaces of the leaves that change.")
    running = serializers.IntegerField(help_text="Workloads there that hold quota.")
    waiting = serializers.IntegerField(help_text="Workloads there that wait.")
    is_allowed = serializers.BooleanField(help_text="Whether applying would succeed now.")
    can_be_confirmed = serializers.BooleanField(help_text="Whether typing the tree's name would make it succeed.")


class NodeCreateSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    parent = serializers.IntegerField(min_value=1, help_text="Number of the parent.")  # type: ignore[assignment]  # as above
    name = serializers.CharField(max_length=200, help_text="Name among its siblings.")
    min = QuantitiesField(required=False, help_text=MIN_HELP)
    max = QuantitiesField(required=False, help_text=MAX_HELP)


class NodeChangeSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    version = serializers.IntegerField(min_value=1, help_text=VERSION_HELP)
    name = serializers.CharField(required=False, max_length=200, help_text="New name.")
    parent = serializers.IntegerField(required=False, min_value=1, help_text="New parent.")  # type: ignore[assignment]  # as above
    min = QuantityEditsField(required=False, help_text="Guarantees to set; null takes one out, others stay.")
    max = QuantityEditsField(required=False, help_text="Ceilings to set; null takes one out, others stay.")
    group = serializers.CharField(required=False, allow_null=True, help_text="User group of a leaf; null unbinds it.")
    confirmation = serializers.CharField(required=False, default="", allow_blank=True, help_text=CONFIRMATION_HELP)


class NodeDeleteSerializer(serializers.Serializer[Any]):  # Any: query parameters
    version = serializers.IntegerField(min_value=1, help_text=VERSION_HELP)
    confirmation = serializers.CharField(required=False, default="", allow_blank=True, help_text=CONFIRMATION_HELP)


class NodeQuerySerializer(serializers.Serializer[Any]):  # Any: query parameters
    tree = serializers.IntegerField(required=False, min_value=1, help_text="Only nodes of this tree.")
    cluster = serializers.CharField(required=False, help_text="Only nodes on this cluster, by name.")
    group = serializers.CharField(required=False, help_text="Only leaves of this user group.")
    is_leaf = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Only leaves, or only others."
    )
    search = serializers.CharField(required=False, help_text="Part of the path.")


class RevisionSerializer(serializers.ModelSerializer[NodeRevision]):
    class Meta:
        model = NodeRevision
        fields = ("version", "path", "fields", "changed_by", "changed_at")
        read_only_fields = fields
        extra_kwargs = {
            "version": {"help_text": "Version of the node."},
            "path": {"help_text": "Its path then."},
            "fields": {"help_text": "Its fields as text; empty when it was deleted."},
            "changed_by": {"help_text": "Who made this version."},
            "changed_at": {"help_text": "When."},
        }


class BindingSerializer(serializers.ModelSerializer[NamespaceBinding]):
    cluster = serializers.CharField(source="node.tree.cluster.name", help_text="Name of the cluster.")
    tree = serializers.IntegerField(source="node.tree_id", help_text="Number of the tree.")
    group = serializers.CharField(source="node.group.name", default=None, help_text="User group of the leaf.")

    class Meta:
        model = NamespaceBinding
        fields = ("id", "cluster", "tree", "node", "namespace", "is_created", "group", "created_at")
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "Number of the binding."},
            "node": {"help_text": "Number of the leaf."},
            "namespace": {"help_text": "Name of the namespace."},
            "is_created": {"help_text": "Whether we made it; otherwise it was adopted."},
            "created_at": {"help_text": "Since when it is bound."},
        }


class BindSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    node = serializers.IntegerField(min_value=1, help_text="Number of the leaf.")
    version = serializers.IntegerField(required=False, min_value=1, help_text=VERSION_HELP)
    namespace = serializers.CharField(max_length=253, help_text="Name of the namespace.")
    adopt = serializers.BooleanField(default=False, help_text="Take an existing namespace instead of making it.")
    confirmation = serializers.CharField(required=False, default="", allow_blank=True, help_text=CONFIRMATION_HELP)


def _format(resource: str, amount: int | None) -> str | None:
    return None if amount is None else format_amount(resource, amount)
