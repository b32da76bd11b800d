"""Clusters, nodes and managed objects over REST: for administrators alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.api.authentication import signed_in
from accounts.domain.roles import Permission
from aidashboard.kit.paging import TotalOrdering
from clusters import selectors, services
from clusters.api.filters import ManagedObjectFilter, NodeFilter
from clusters.api.serializers import (
    ClusterRegistration,
    ClusterRename,
    ClusterSerializer,
    CredentialChange,
    ManagedObjectSerializer,
    NodeSerializer,
    ProbeSerializer,
    SyncSummarySerializer,
)
from clusters.models import Cluster, ManagedObject, ObservedNode


class ClusterViewSet(mixins.ListModelMixin, GenericViewSet[Cluster]):
    """Kubernetes clusters that AI Dashboard looks after."""

    permissions_by_action: ClassVar = {
        "list": Permission.CLUSTER_VIEW,
        "retrieve": Permission.CLUSTER_VIEW,
        "create": Permission.CLUSTER_CHANGE,
        "partial_update": Permission.CLUSTER_CHANGE,
        "destroy": Permission.CLUSTER_CHANGE,
        "credential": Permission.CLUSTER_CHANGE,
        "check": Permission.CLUSTER_CHANGE,
    }
    queryset = Cluster.objects.none()
    serializer_class = ClusterSerializer
    lookup_field = "name"
    lookup_value_regex = "[a-z0-9-]+"
    filter_backends = (TotalOrdering,)
    ordering_fields = ("name", "created_at", "connection", "last_seen_at")

    def get_queryset(self) -> QuerySet[Cluster]:
        return selectors.list_clusters()

    def retrieve(self, request: Request, name: str) -> Response:
        """One cluster with the state of its connection."""
        return Response(ClusterSerializer(selectors.get_cluster(name=name)).data)

    @extend_schema(request=ClusterRegistration, responses={201: ClusterSerializer})
    def create(self, request: Request) -> Response:
        """Register a cluster, by a kubeconfig or by address and token. The connection and every right are checked first."""
        shape = ClusterRegistration(data=request.data)
        shape.is_valid(raise_exception=True)
        given = shape.validated_data
        shared = {
            "name": given["name"],
            "display_name": given["display_name"],
            "skip_check": given["skip_check"],
            "by": signed_in(request),
        }
        if given["kubeconfig"].strip():
            cluster = services.register_cluster(kubeconfig=given["kubeconfig"], context=given["context"], **shared)
        else:
            cluster = services.register_cluster_with_token(
                api_server_url=given["api_server_url"],
                token=given["token"],
                certificate_authority=given["certificate_authority"],
                tls_server_name=given["tls_server_name"],
                **shared,
            )
        return Response(ClusterSerializer(cluster).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ClusterRename, responses=ClusterSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change the name that people see."""
        shape = ClusterRename(data=request.data)
        shape.is_valid(raise_exception=True)
        cluster = services.rename_cluster(
            cluster=selectors.get_cluster(name=name),
            display_name=shape.validated_data["display_name"],
            by=signed_in(request),
        )
        return Response(ClusterSerializer(cluster).data)

    def destroy(self, request: Request, name: str) -> Response:
        """Forget a cluster and what was observed in it. Refused (409) while quota trees or objects of ours are in it."""
        services.forget_cluster(cluster=selectors.get_cluster(name=name), by=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=CredentialChange, responses=ClusterSerializer)
    @action(detail=True, methods=["post"])
    def credential(self, request: Request, name: str) -> Response:
        """Give the cluster another credential; it is checked first. The old one is forgotten."""
        shape = CredentialChange(data=request.data)
        shape.is_valid(raise_exception=True)
        given = shape.validated_data
        cluster = services.change_credential(
            cluster=selectors.get_cluster(name=name),
            by=signed_in(request),
            kubeconfig=given["kubeconfig"],
            context=given["context"],
            token=given["token"],
            expected_version=given["version"],
            skip_check=given["skip_check"],
        )
        return Response(ClusterSerializer(cluster).data)

    @extend_schema(request=None, responses=ProbeSerializer)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, name: str) -> Response:
        """Ask the cluster now, with the stored credential, and say precisely what fails."""
        probe = services.check_cluster(cluster=selectors.get_cluster(name=name))
        return Response(ProbeSerializer(probe).data)


class NodeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[ObservedNode]):
    """The nodes of all clusters, as the observer last saw them."""

    permissions_by_action: ClassVar = {"*": Permission.NODE_VIEW}
    queryset = ObservedNode.objects.none()
    serializer_class = NodeSerializer
    filterset_class = NodeFilter
    ordering_fields = selectors.NODE_ORDERINGS

    def get_queryset(self) -> QuerySet[ObservedNode]:
        return selectors.list_all_nodes()


class ManagedObjectViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[ManagedObject]):
    """The Kubernetes objects that AI Dashboard keeps in clusters, and whether each is as wanted."""

    permissions_by_action: ClassVar = {
        "list": Permission.SYNC_VIEW,
        "retrieve": Permission.SYNC_VIEW,
        "summary": Permission.SYNC_VIEW,
        "retry": Permission.SYNC_CHANGE,
    }
    queryset = ManagedObject.objects.none()
    serializer_class = ManagedObjectSerializer
    filterset_class = ManagedObjectFilter
    ordering_fields = ("kind", "namespace", "name", "state", "since", "checked_at")

    def get_queryset(self) -> QuerySet[ManagedObject]:
        return selectors.list_managed_objects()

    @extend_schema(
        responses=SyncSummarySerializer,
        parameters=[OpenApiParameter("cluster", str, description="The name of the cluster; all of them if empty.")],
        filters=False,
    )
    @action(detail=False, pagination_class=None)
    def summary(self, request: Request) -> Response:
        """How many objects there are, by state."""
        name = request.query_params.get("cluster", "")
        cluster = selectors.get_cluster(name=name) if name else None
        found = selectors.summarise_sync(cluster)
        body = {**asdict(found), "in_trouble": found.in_trouble, "is_matching": found.is_matching}
        return Response(SyncSummarySerializer(body).data)

    @extend_schema(request=None, responses={202: ManagedObjectSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Try again at once, without waiting out the pause after failures."""
        managed = services.retry_managed_object(managed=self.get_object(), by=signed_in(request))
        return Response(ManagedObjectSerializer(managed).data, status=status.HTTP_202_ACCEPTED)
