"""The REST doors of workloads. All of them read; a researcher gets the namespaces of their groups."""

from __future__ import annotations

from typing import Any

import django_filters
import django_filters.rest_framework
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.api.authentication import signed_in
from accounts.domain.roles import Permission
from clusters.models import ObservedWorkload, WorkloadState
from monitoring.api.serializers import show_reading
from monitoring.selectors import list_idle_pods
from quotas.selectors import get_visible_cluster, visible_namespaces
from workloads import selectors
from workloads.api import serializers

UID_PATTERN = "[A-Za-z0-9][-A-Za-z0-9]{0,63}"


class WorkloadFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """The shape of the query; the selector does the narrowing, so that pages and API mean the same."""

    cluster = django_filters.CharFilter(method="keep", help_text="Name of the cluster.")
    state = django_filters.MultipleChoiceFilter(
        method="keep",
        choices=[(state.value, state.value) for state in WorkloadState],
        help_text="State; may be given several times.",
    )
    namespace = django_filters.CharFilter(method="keep", help_text="Namespace.")
    queue = django_filters.CharFilter(
        method="keep", help_text="Queue name of a quota node; inner nodes stand for their leaves."
    )
    user = django_filters.CharFilter(method="keep", help_text="Who submitted it.")
    search = django_filters.CharFilter(method="keep", help_text="A part of the name, the namespace or the user.")
    has_gpu = django_filters.BooleanFilter(method="keep", help_text="Whether it requests GPUs.")
    ordering = django_filters.ChoiceFilter(
        method="keep",
        choices=[(f"{sign}{name}", f"{sign}{name}") for name in selectors.ORDERINGS for sign in ("", "-")],
        help_text="Field to order by, with - in front for descending.",
    )

    class Meta:
        model = ObservedWorkload
        fields = ()

    def keep(self, workloads: QuerySet[ObservedWorkload], name: str, value: object) -> QuerySet[ObservedWorkload]:
        return workloads

    def filter_queryset(self, queryset: QuerySet[ObservedWorkload]) -> QuerySet[ObservedWorkload]:
        given: dict[str, Any] = self.form.cleaned_data  # Any: values of form fields
        viewer, name = signed_in(self.request), given["cluster"]
        return selectors.list_workloads(
            viewer=viewer,
            cluster=get_visible_cluster(viewer=viewer, name=name) if name else None,
            state=given["state"],
            namespace=given["namespace"],
            queue=given["queue"],
            user=given["user"],
            search=given["search"],
            has_gpu=given["has_gpu"],
            ordering=given["ordering"] or "-created_at",
        )


class WorkloadViewSet(GenericViewSet[ObservedWorkload]):
    """Jobs and other work under Kueue."""

    permissions_by_action = {"*": Permission.WORKLOAD_VIEW}
    queryset = ObservedWorkload.objects.none()
    filterset_class = WorkloadFilter
    # The filter set orders, by the selector's own names.
    filter_backends = (django_filters.rest_framework.DjangoFilterBackend,)
    serializer_class = serializers.WorkloadSerializer
    lookup_field = "uid"
    lookup_value_regex = UID_PATTERN

    def list(self, request: Request) -> Response:
        """The workloads that you may see, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        rows = selectors.build_rows(page or [])
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    @extend_schema(responses=serializers.WorkloadDetailSerializer)
    def retrieve(self, request: Request, uid: str) -> Response:
        """One workload with its time line, its pods and, while it waits, the reason."""
        detail = selectors.get_workload(viewer=signed_in(request), uid=uid)
        return Response(serializers.WorkloadDetailSerializer(detail).data)

    @extend_schema(
        filters=False,
        parameters=[OpenApiParameter("cluster", str, description="Name of the cluster; all of them without.")],
        responses=serializers.StateCountsSerializer,
    )
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=[])
    def counts(self, request: Request) -> Response:
        """How many workloads are in each state."""
        viewer, name = signed_in(request), request.query_params.get("cluster", "").replace("\x00", "")
        cluster = get_visible_cluster(viewer=viewer, name=name) if name else None
        counts = selectors.count_by_state(viewer=viewer, cluster=cluster)
        return Response(
            serializers.StateCountsSerializer({state.value: number for state, number in counts.items()}).data
        )


class IdlePodsView(APIView):
    required_permission = Permission.WORKLOAD_VIEW

    @extend_schema(responses=serializers.IdlePodsReadingSerializer)
    def get(self, request: Request, name: str) -> Response:
        """Pods of yours that hold GPUs without using them, and pods whose GPUs report nothing."""
        viewer = signed_in(request)
        cluster = get_visible_cluster(viewer=viewer, name=name)
        namespaces = visible_namespaces(viewer, cluster)
        reading = list_idle_pods(cluster, namespaces=namespaces)
        return Response(serializers.IdlePodsReadingSerializer(show_reading(reading)).data)


class StartOptionsView(APIView):
    required_permission = Permission.PORTAL_VIEW

    @extend_schema(responses=serializers.StartOptionsSerializer)
    def get(self, request: Request, name: str) -> Response:
        """What you can start now: guaranteed, borrowed, and in how large a block."""
        viewer = signed_in(request)
        cluster = get_visible_cluster(viewer=viewer, name=name)
        options = selectors.get_start_options(viewer=viewer, cluster=cluster)
        return Response(serializers.StartOptionsSerializer(options).data)
