"""The shapes of clusters, nodes and managed objects in the REST API. No credential is ever in an answer."""

from __future__ import annotations

from typing import ClassVar

from rest_framework import serializers

from clusters.models import Cluster, ManagedObject, ObservedNode, SyncState


class ClusterSerializer(serializers.ModelSerializer[Cluster]):
    total_capacity = serializers.DictField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="What all nodes have, `{resource: amount}`: cpu in thousandths, memory in bytes, everything else counted.",
    )
    schedulable_capacity = serializers.DictField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="What Ready, uncordoned nodes can allocate, less what pods outside Kueue hold. The ceiling of quota trees.",
    )

    class Meta:
        model = Cluster
        fields = (
            "name",
            "display_name",
            "api_server_url",
            "tls_server_name",
            "version",
            "created_at",
            "connection",
            "connection_message",
            "connection_since",
            "last_seen_at",
            "kubernetes_version",
            "kueue_version",
            "total_capacity",
            "schedulable_capacity",
        )
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "name": {"help_text": "The cluster's name: lower-case letters, digits and hyphens."},
            "display_name": {"help_text": "What people see, if not the name."},
            "api_server_url": {"help_text": "The https address of the API server."},
            "tls_server_name": {"help_text": "The name expected in the server's certificate, if not the host."},
            "version": {
                "help_text": "Rises with every change of address or credential; send it back to change only what you read."
            },
            "created_at": {"help_text": "When it was registered."},
            "connection": {"help_text": "How the last attempt to talk to the API server ended."},
            "connection_message": {"help_text": "Why, in words; also which kinds can't be read."},
            "connection_since": {"help_text": "Since when it is so."},
            "last_seen_at": {
                "help_text": "When the API server last answered; everything shown of the cluster is as old."
            },
            "kubernetes_version": {"help_text": "The version of the API server."},
            "kueue_version": {"help_text": "The version of Kueue's API; empty when Kueue is not installed."},
        }


class ClusterRegistration(serializers.Serializer[None]):
    """A kubeconfig, or an address with a token."""

    name = serializers.CharField(max_length=63, help_text="Lower-case letters, digits and hyphens.")
    display_name = serializers.CharField(max_length=120, default="", allow_blank=True, help_text="What people see.")
    kubeconfig = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        write_only=True,
        help_text="The whole file. Nothing in it is run.",
    )
    context = serializers.CharField(  # type: ignore[assignment]  # a field; DRF keeps its own property of this name
        default="", allow_blank=True, help_text="Which context of the kubeconfig; the current one if empty."
    )
    api_server_url = serializers.CharField(
        default="", allow_blank=True, max_length=500, help_text="The https address, when no kubeconfig is given."
    )
    token = serializers.CharField(
        default="", allow_blank=True, write_only=True, help_text="A ServiceAccount's bearer token."
    )
    certificate_authority = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="PEM. The system's authorities are trusted if empty.",
    )
    tls_server_name = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=253,
        help_text="The name expected in the server's certificate, if not the host.",
    )
    skip_check = serializers.BooleanField(default=False, help_text="Register without asking the cluster first.")


class CredentialChange(serializers.Serializer[None]):
    """A new kubeconfig, or a new token for the same address."""

    kubeconfig = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        write_only=True,
        help_text="The whole file. It may bring a new address.",
    )
    context = serializers.CharField(  # type: ignore[assignment]  # a field; DRF keeps its own property of this name
        default="", allow_blank=True, help_text="Which context of the kubeconfig; the current one if empty."
    )
    token = serializers.CharField(
        default="", allow_blank=True, write_only=True, help_text="A ServiceAccount's bearer token."
    )
    version = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The version you read: a change in between is then refused (409).",
    )
    skip_check = serializers.BooleanField(default=False, help_text="Change it without asking the cluster first.")


class ClusterRename(serializers.Serializer[None]):
    display_name = serializers.CharField(max_length=120, allow_blank=True, help_text="What people see.")


class FindingSerializer(serializers.Serializer[object]):
    rule = serializers.CharField(help_text="The stable code of what was found.")
    message = serializers.CharField(help_text="The whole sentence.")
    field = serializers.CharField(help_text="Which input it is about; may be empty.")
    value = serializers.CharField(help_text="The value it is about; may be empty.")
    is_warning = serializers.BooleanField(help_text="Whether the cluster can be used all the same.")


class ProbeSerializer(serializers.Serializer[object]):
    is_usable = serializers.BooleanField(help_text="Whether nothing but warnings was found.")
    kubernetes_version = serializers.CharField(
        help_text="The version of the API server; empty when it was not reached."
    )
    kueue_version = serializers.CharField(
        help_text="The version of Kueue's API; empty when there is none that we know."
    )
    findings = FindingSerializer(many=True, help_text="What is wrong, one each.")


class NodeSerializer(serializers.ModelSerializer[ObservedNode]):
    cluster = serializers.SlugRelatedField[Cluster](
        slug_field="name", read_only=True, help_text="The name of its cluster."
    )
    labels = serializers.DictField(child=serializers.CharField(), read_only=True, help_text="The node's labels.")
    taints = serializers.ListField(
        child=serializers.DictField(child=serializers.CharField()),
        read_only=True,
        help_text="Taints: key, value and effect.",
    )
    capacity = serializers.DictField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="What the node has: cpu in thousandths, memory in bytes.",
    )
    allocatable = serializers.DictField(
        child=serializers.IntegerField(), read_only=True, help_text="What pods can have of it."
    )
    reasons = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="Why it can't take work, in words; empty when it can."
    )

    class Meta:
        model = ObservedNode
        fields = (
            "id",
            "cluster",
            "name",
            "created_at",
            "observed_at",
            "labels",
            "taints",
            "capacity",
            "allocatable",
            "is_ready",
            "is_cordoned",
            "reasons",
            "ready_since",
            "internal_ip",
            "kubelet_version",
            "pool",
            "zone",
            "gpu_model",
            "gpu_capacity",
            "gpu_allocatable",
        )
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Our number of the node."},
            "name": {"help_text": "The node's name."},
            "created_at": {"help_text": "When the node joined the cluster."},
            "observed_at": {"help_text": "When anything about it last changed."},
            "is_ready": {"help_text": "Whether its kubelet reports Ready."},
            "is_cordoned": {"help_text": "Whether an operator keeps new pods away."},
            "ready_since": {"help_text": "Since when it is Ready."},
            "internal_ip": {"help_text": "Its address in the cluster."},
            "kubelet_version": {"help_text": "The version of its kubelet."},
            "pool": {"help_text": "Its node pool, from the labels of the usual providers."},
            "zone": {"help_text": "Its zone."},
            "gpu_model": {"help_text": "The model of its GPUs."},
            "gpu_capacity": {"help_text": "How many GPUs it has."},
            "gpu_allocatable": {
                "help_text": "How many of them pods can have; fewer than it has when some are unhealthy."
            },
        }


class DifferenceSerializer(serializers.Serializer[dict[str, str]]):
    path = serializers.CharField(help_text="The field.")
    wanted = serializers.CharField(help_text="What we want it to be.")
    found = serializers.CharField(help_text="What it was.")


class ManagedObjectSerializer(serializers.ModelSerializer[ManagedObject]):
    cluster = serializers.SlugRelatedField[Cluster](
        slug_field="name", read_only=True, help_text="The name of its cluster."
    )
    state = serializers.ChoiceField(choices=SyncState.choices, read_only=True, help_text="Whether it is as wanted.")
    differences = DifferenceSerializer(
        many=True, read_only=True, help_text="Where it is, or before it was put back was, not as wanted."
    )

    class Meta:
        model = ManagedObject
        fields = (
            "id",
            "cluster",
            "owner",
            "subject",
            "api_version",
            "kind",
            "namespace",
            "name",
            "state",
            "message",
            "differences",
            "since",
            "checked_at",
            "attempts",
        )
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Our number of the object."},
            "owner": {"help_text": "The owner label on it, `quota-tree-3` for instance."},
            "subject": {"help_text": "What it stands for, `quota-node-17` for instance."},
            "api_version": {"help_text": "Its API version in Kubernetes."},
            "kind": {"help_text": "Its kind in Kubernetes."},
            "namespace": {"help_text": "Its namespace; empty for cluster-scoped kinds."},
            "name": {"help_text": "Its name in Kubernetes."},
            "message": {"help_text": "Why it is in this state, in words."},
            "since": {"help_text": "Since when it is in this state."},
            "checked_at": {"help_text": "When it was last compared with the cluster."},
            "attempts": {"help_text": "How many attempts in a row have not made it as wanted."},
        }


class SyncSummarySerializer(serializers.Serializer[object]):
    total = serializers.IntegerField(help_text="How many objects we keep.")
    in_trouble = serializers.IntegerField(help_text="How many of them a person should look at.")
    is_matching = serializers.BooleanField(help_text="Whether all are as wanted.")
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="How many are in which state.")
    oldest_check_at = serializers.DateTimeField(
        allow_null=True, help_text="When the longest-unchecked object was looked at."
    )
