"""The REST doors of monitoring: figures of a cluster, and the metrics source behind them."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from accounts.api.authentication import signed_in
from accounts.domain.roles import Permission
from clusters.selectors import get_cluster
from monitoring import selectors, services
from monitoring.api import serializers
from monitoring.domain.ranges import TimeRange


class CapacityView(APIView):
    required_permission = Permission.NODE_VIEW

    @extend_schema(responses=serializers.CapacitySerializer)
    def get(self, request: Request, name: str) -> Response:
        """How many GPUs a cluster has, how many are free, and in what blocks. From the inventory, always there."""
        return Response(serializers.CapacitySerializer(selectors.get_capacity(get_cluster(name=name))).data)


class TotalsView(APIView):
    required_permission = Permission.NODE_VIEW

    @extend_schema(responses=serializers.TotalsReadingSerializer)
    def get(self, request: Request, name: str) -> Response:
        """Utilisation and memory of all GPUs of a cluster, now."""
        reading = selectors.get_cluster_totals(get_cluster(name=name))
        return Response(serializers.TotalsReadingSerializer(serializers.show_reading(reading)).data)


class GpusView(APIView):
    required_permission = Permission.NODE_VIEW

    @extend_schema(responses=serializers.GpusReadingSerializer)
    def get(self, request: Request, name: str) -> Response:
        """Every GPU of a cluster by node, with its state and telemetry, now."""
        strip = selectors.get_heat_strip(get_cluster(name=name))
        shown = {**serializers.show_reading(strip.telemetry), "value": strip.strips}
        return Response(serializers.GpusReadingSerializer(shown).data)


class HistoryView(APIView):
    required_permission = Permission.NODE_VIEW

    @extend_schema(parameters=[serializers.SpanSerializer], responses=serializers.HistoryReadingSerializer)
    def get(self, request: Request, name: str) -> Response:
        """Lines `used_ratio`, `memory_used_ratio`, `allocated_gpus` and `total_gpus` of a cluster over time."""
        form = serializers.SpanSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        reading = selectors.get_cluster_history(get_cluster(name=name), span=TimeRange(form.validated_data["span"]))
        return Response(serializers.HistoryReadingSerializer(serializers.show_reading(reading)).data)


class MetricsSourceViewSet(ViewSet):
    """The Prometheus of a cluster."""

    permissions_by_action = {
        "retrieve": Permission.CLUSTER_VIEW,
        "update": Permission.CLUSTER_CHANGE,
        "destroy": Permission.CLUSTER_CHANGE,
    }

    @extend_schema(responses=serializers.SourceSerializer)
    def retrieve(self, request: Request, name: str) -> Response:
        """Where the metrics of a cluster come from, and what was found there."""
        return self._show(name)

    @extend_schema(request=serializers.SourceSetSerializer, responses=serializers.SourceSerializer)
    def update(self, request: Request, name: str) -> Response:
        """Connect a cluster to its Prometheus. It is asked first; what goes wrong is in `errors`."""
        form = serializers.SourceSetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        services.set_prometheus(
            cluster=get_cluster(name=name),
            url=form.validated_data["url"],
            bearer_token=form.validated_data.get("bearer_token"),
            by=signed_in(request),
        )
        return self._show(name)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, name: str) -> Response:
        """Disconnect a cluster from its Prometheus. Nothing happens to Prometheus itself."""
        services.remove_prometheus(cluster=get_cluster(name=name), by=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _show(self, name: str) -> Response:
        return Response(serializers.SourceSerializer(selectors.describe_source(get_cluster(name=name))).data)
