"""Routes of nodes and GPUs."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import nodes

app_name = "nodes"
urlpatterns: list[URLPattern] = [
    path("", nodes.node_list, name="node-list"),
    path("gpus", nodes.gpu_list, name="gpu-list"),
    path("<str:name>", nodes.node_detail, name="node-detail"),
    path("<str:name>/peek", nodes.node_peek, name="node-peek"),
]
