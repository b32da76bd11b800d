"""Quota trees, their nodes, drafts and namespaces over REST. Admins change them; researchers read what is theirs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.api.authentication import signed_in
from accounts.domain.roles import Permission
from accounts.models import User
from clusters.selectors import get_cluster
from quotas import selectors, services
from quotas.api import serializers as shapes
from quotas.api.filters import BindingFilter, TreeFilter
from quotas.domain.changes import Change, change_from_json, changes_from_json, read_quantities
from quotas.models import NamespaceBinding, NodeRevision, QuotaNode, QuotaTree
from quotas.selectors import NodeView, TreeSync

NUMBER = "[0-9]{1,15}"
DELETE_PARAMETERS = [
    OpenApiParameter("version", int, required=True, description=shapes.VERSION_HELP),
    OpenApiParameter("confirmation", str, description=shapes.CONFIRMATION_HELP),
]


class QuotaTreeViewSet(mixins.ListModelMixin, GenericViewSet[QuotaTree]):
    """Quota trees: who is guaranteed what on a cluster, and who may have how much."""

    permissions_by_action: ClassVar = {
        "list": Permission.QUOTA_VIEW,
        "retrieve": Permission.QUOTA_VIEW,
        **dict.fromkeys(
            ("create", "destroy", "changes", "preview", "retry", "draft", "draft_add", "draft_discard", "draft_remove"),
            Permission.QUOTA_CHANGE,
        ),
        "draft_apply": Permission.QUOTA_CHANGE,
    }
    queryset = QuotaTree.objects.none()
    serializer_class = shapes.TreeSerializer
    filterset_class = TreeFilter
    ordering_fields = ("name", "created_at")
    lookup_field = "id"
    lookup_value_regex = NUMBER

    def get_queryset(self) -> QuerySet[QuotaTree]:
        return selectors.list_trees(viewer=signed_in(self.request))

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Trees that have something for you, with the state of their sync."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        sync = selectors.summarise_trees_sync(page or [])
        return self.get_paginated_response([show_tree(tree, sync[tree.pk]) for tree in page or []])

    @extend_schema(responses=shapes.TreeDetailSerializer)
    def retrieve(self, request: Request, id: str) -> Response:
        """One tree with its nodes and their usage."""
        return Response(show_tree_detail(self._tree(), signed_in(request)))

    @extend_schema(request=shapes.TreeCreateSerializer, responses={201: shapes.TreeDetailSerializer})
    def create(self, request: Request) -> Response:
        """Make a tree that is a root alone."""
        wanted = _read(shapes.TreeCreateSerializer(data=request.data))
        tree = services.create_tree(
            cluster=get_cluster(name=wanted["cluster"]),
            name=wanted["name"],
            min=read_quantities(wanted.get("min", {}), where="min"),
            max=read_quantities(wanted.get("max", {}), where="max"),
            by=signed_in(request),
        )
        return Response(show_tree_detail(tree, signed_in(request)), status=status.HTTP_201_CREATED)

    @extend_schema(responses={202: shapes.TreeSerializer})
    def destroy(self, request: Request, id: str) -> Response:
        """Begin to delete a tree. It stays, `is_deleting`, until its objects are gone; `blocking` says what that waits for."""
        tree = services.delete_tree(tree=self._tree(), by=signed_in(request))
        return Response(show_tree(tree, selectors.summarise_tree_sync(tree)), status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=shapes.ChangesDocument, responses=shapes.AppliedSerializer)
    @action(detail=True, methods=["post"])
    def changes(self, request: Request, id: str) -> Response:
        """Apply several changes as one."""
        given = _read(shapes.ChangesSerializer(data=request.data))
        applied = services.apply_changes(
            tree=self._tree(),
            changes=changes_from_json(given["changes"]),
            by=signed_in(request),
            confirmation=given["confirmation"],
        )
        return Response(self._show_applied(applied))

    @extend_schema(request=shapes.DraftDocument, responses=shapes.PreviewSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, id: str) -> Response:
        """What several changes would do; nothing is changed."""
        given = _read(shapes.ChangesSerializer(data=request.data))
        preview = services.preview_changes(tree=self._tree(), changes=changes_from_json(given["changes"]))
        return Response(shapes.PreviewSerializer(preview).data)

    @extend_schema(request=None, responses={202: shapes.TreeSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, id: str) -> Response:
        """Try the sync again now."""
        tree = self._tree()
        services.retry_sync(tree=tree, by=signed_in(request))
        return Response(show_tree(tree, selectors.summarise_tree_sync(tree)), status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=shapes.PreviewSerializer)
    @action(detail=True, methods=["get"])
    def draft(self, request: Request, id: str) -> Response:
        """Your draft on the tree, and what it would do."""
        return self._show_draft(request)

    @extend_schema(request=shapes.DraftDocument, responses=shapes.PreviewSerializer)
    @draft.mapping.post
    def draft_add(self, request: Request, id: str) -> Response:
        """Add changes to your draft."""
        given = _read(shapes.ChangesSerializer(data=request.data))
        changes = changes_from_json(given["changes"])
        services.add_to_draft(tree=self._tree(), author=signed_in(request), changes=changes)
        return self._show_draft(request)

    @extend_schema(responses={204: None})
    @draft.mapping.delete
    def draft_discard(self, request: Request, id: str) -> Response:
        """Discard your draft."""
        services.discard_draft(tree=self._tree(), author=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        responses=shapes.PreviewSerializer,
        parameters=[
            OpenApiParameter("position", int, OpenApiParameter.PATH, description="Place in the draft, from 0.")
        ],
    )
    @action(detail=True, methods=["delete"], url_path=r"draft/changes/(?P<position>[0-9]{1,4})")
    def draft_remove(self, request: Request, id: str, position: str) -> Response:
        """Take one change out of your draft, and with it those that make no sense without it."""
        services.remove_from_draft(tree=self._tree(), author=signed_in(request), position=int(position))
        return self._show_draft(request)

    @extend_schema(request=shapes.ConfirmationSerializer, responses=shapes.AppliedSerializer)
    @action(detail=True, methods=["post"], url_path="draft/apply")
    def draft_apply(self, request: Request, id: str) -> Response:
        """Apply your draft as one, and drop it."""
        given = _read(shapes.ConfirmationSerializer(data=request.data))
        applied = services.apply_draft(tree=self._tree(), author=signed_in(request), confirmation=given["confirmation"])
        return Response(self._show_applied(applied))

    def _tree(self) -> QuotaTree:
        return selectors.get_tree(tree_id=int(self.kwargs["id"]), viewer=signed_in(self.request))

    def _show_draft(self, request: Request) -> Response:
        preview = services.preview_draft(tree=self._tree(), author=signed_in(request))
        return Response(shapes.PreviewSerializer(preview).data)

    def _show_applied(self, applied: services.AppliedChanges) -> dict[str, Any]:  # Any: JSON
        return {
            "tree": show_tree_detail(applied.tree, signed_in(self.request)),
            "added": {key: node.pk for key, node in applied.added.items()},
            "warnings": shapes.QuotaFindingSerializer(applied.warnings, many=True).data,
        }


class QuotaNodeViewSet(GenericViewSet[QuotaNode]):
    """Nodes of quota trees. Each change is a batch of its own; several as one go through the tree's `changes`."""

    permissions_by_action: ClassVar = {
        "list": Permission.QUOTA_VIEW,
        "retrieve": Permission.QUOTA_VIEW,
        "history": Permission.QUOTA_VIEW,
        "create": Permission.QUOTA_CHANGE,
        "partial_update": Permission.QUOTA_CHANGE,
        "destroy": Permission.QUOTA_CHANGE,
    }
    queryset = QuotaNode.objects.none()
    serializer_class = shapes.QuotaNodeSerializer
    filter_backends = ()
    lookup_field = "id"
    lookup_value_regex = NUMBER

    @extend_schema(parameters=[shapes.NodeQuerySerializer])
    def list(self, request: Request) -> Response:
        """Nodes with their usage, tree by tree, parents before children."""
        wanted = _read(shapes.NodeQuerySerializer(data=request.query_params))
        trees = selectors.list_trees(viewer=signed_in(request))
        if "tree" in wanted:
            trees = trees.filter(pk=wanted["tree"])
        if "cluster" in wanted:
            trees = trees.filter(cluster__name=wanted["cluster"])
        views = [view for tree in trees for view in selectors.build_usage(tree, viewer=signed_in(request)).nodes]
        page = self.paginate_queryset([view for view in views if _is_wanted(view, wanted)])
        return self.get_paginated_response(shapes.QuotaNodeSerializer(page or [], many=True).data)

    def retrieve(self, request: Request, id: str) -> Response:
        """One node with its usage."""
        return Response(self._show(selectors.get_node(node_id=int(id), viewer=signed_in(request))))

    @extend_schema(request=shapes.NodeCreateSerializer, responses={201: shapes.QuotaNodeSerializer})
    def create(self, request: Request) -> Response:
        """Add a node below another."""
        wanted = _read(shapes.NodeCreateSerializer(data=request.data))
        parent = selectors.get_node(node_id=wanted["parent"], viewer=signed_in(request))
        change = change_from_json({"kind": "add-node", "key": "new-node", **wanted}, where="node")
        applied = services.apply_changes(tree=parent.tree, changes=[change], by=signed_in(request))
        (node,) = applied.added.values()
        return Response(self._show(node), status=status.HTTP_201_CREATED)

    @extend_schema(request=shapes.NodeChangeSerializer)
    def partial_update(self, request: Request, id: str) -> Response:
        """Change what is given: name, parent, quantities, group. All of it or none."""
        wanted = _read(shapes.NodeChangeSerializer(data=request.data))
        node = selectors.get_node(node_id=int(id), viewer=signed_in(request))
        services.apply_changes(
            tree=node.tree,
            changes=_list_changes(node, wanted),
            by=signed_in(request),
            confirmation=wanted["confirmation"],
        )
        return Response(self._show(selectors.get_node(node_id=node.pk, viewer=signed_in(request))))

    @extend_schema(parameters=DELETE_PARAMETERS, responses={204: None})
    def destroy(self, request: Request, id: str) -> Response:
        """Delete a childless node; its namespaces stay, unbound."""
        wanted = _read(shapes.NodeDeleteSerializer(data=request.query_params))
        node = selectors.get_node(node_id=int(id), viewer=signed_in(request))
        change = change_from_json({"kind": "delete-node", "node": node.pk, "version": wanted["version"]}, where="node")
        services.apply_changes(
            tree=node.tree, changes=[change], by=signed_in(request), confirmation=wanted["confirmation"]
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=shapes.RevisionSerializer(many=True))
    @action(detail=True, methods=["get"])
    def history(self, request: Request, id: str) -> Response:
        """How the node stood at each of its versions, newest first."""
        node = selectors.get_node(node_id=int(id), viewer=signed_in(request))
        revisions: QuerySet[NodeRevision] = selectors.list_node_revisions(node=node)
        page = self.paginate_queryset(revisions)  # type: ignore[arg-type]  # rows of another model than the view's
        return self.get_paginated_response(shapes.RevisionSerializer(page or [], many=True).data)  # type: ignore[arg-type]  # the same

    def _show(self, node: QuotaNode) -> Any:  # Any: JSON
        view = selectors.build_usage(node.tree, viewer=signed_in(self.request)).find(node.pk)
        return shapes.QuotaNodeSerializer(view).data


class NamespaceBindingViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[NamespaceBinding]):
    """Namespaces and the leaves whose quota their work counts against."""

    permissions_by_action: ClassVar = {
        "list": Permission.QUOTA_VIEW,
        "retrieve": Permission.QUOTA_VIEW,
        "create": Permission.QUOTA_CHANGE,
        "destroy": Permission.QUOTA_CHANGE,
    }
    queryset = NamespaceBinding.objects.none()
    serializer_class = shapes.BindingSerializer
    filterset_class = BindingFilter
    ordering_fields = ("namespace", "created_at")
    lookup_field = "id"
    lookup_value_regex = NUMBER

    def get_queryset(self) -> QuerySet[NamespaceBinding]:
        return selectors.list_bindings(viewer=signed_in(self.request))

    def get_object(self) -> NamespaceBinding:
        return selectors.get_binding(binding_id=int(self.kwargs["id"]), viewer=signed_in(self.request))

    @extend_schema(request=shapes.BindSerializer, responses={201: shapes.BindingSerializer})
    def create(self, request: Request) -> Response:
        """Bind a namespace to a leaf; it is made, or with `adopt` taken as it stands."""
        wanted = _read(shapes.BindSerializer(data=request.data))
        confirmation = wanted.pop("confirmation")
        node = selectors.get_node(node_id=wanted["node"], viewer=signed_in(request))
        change = change_from_json({"kind": "bind-namespace", **wanted}, where="binding")
        services.apply_changes(tree=node.tree, changes=[change], by=signed_in(request), confirmation=confirmation)
        binding = self.get_queryset().get(node=node, namespace=wanted["namespace"].strip())
        return Response(self.get_serializer(binding).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("confirmation", str, description=shapes.CONFIRMATION_HELP)], responses={204: None}
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Unbind a namespace. It stays in the cluster with all that is in it, without our labels and queue."""
        given = _read(shapes.ConfirmationSerializer(data=request.query_params))
        binding = self.get_object()
        data = {"kind": "unbind-namespace", "node": binding.node_id, "namespace": binding.namespace}
        services.apply_changes(
            tree=binding.node.tree,
            changes=[change_from_json(data)],
            by=signed_in(request),
            confirmation=given["confirmation"],
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


def show_tree(tree: QuotaTree, sync: TreeSync) -> dict[str, Any]:  # Any: JSON
    return dict(shapes.TreeSerializer(_assemble(tree, sync)).data)


def show_tree_detail(tree: QuotaTree, viewer: User) -> dict[str, Any]:  # Any: JSON
    usage = selectors.build_usage(tree, viewer=viewer)
    more = {"resources": usage.resources, "observed_at": usage.observed_at, "nodes": usage.nodes}
    return dict(shapes.TreeDetailSerializer({**_assemble(tree, usage.sync), **more}).data)


def _assemble(tree: QuotaTree, sync: TreeSync) -> dict[str, Any]:  # Any: values of several types
    return {
        "id": tree.pk,
        "name": tree.name,
        "cluster": tree.cluster.name,
        "created_at": tree.created_at,
        "sync": sync,
    }


def _list_changes(node: QuotaNode, wanted: dict[str, Any]) -> list[Change]:  # Any: validated input
    """The changes that a PATCH asks for, in an order in which they make sense."""
    about: dict[str, Any] = {"node": node.pk, "version": wanted["version"]}  # Any: JSON
    items: list[dict[str, Any]] = []  # Any: JSON
    if "name" in wanted:
        items.append({"kind": "rename-node", **about, "name": wanted["name"]})
    if "parent" in wanted:
        items.append({"kind": "move-node", **about, "parent": wanted["parent"]})
    quantities: dict[str, Any] = {name: wanted[name] for name in ("min", "max") if name in wanted}  # Any: JSON
    if quantities:
        items.append({"kind": "change-node", **about, **quantities})
    if "group" in wanted:
        if node.group is not None and node.group.name != wanted["group"]:
            items.append({"kind": "unbind-group", **about})
        if wanted["group"] is not None:
            items.append({"kind": "bind-group", **about, "group": wanted["group"]})
    return changes_from_json(items)


def _is_wanted(view: NodeView, wanted: dict[str, Any]) -> bool:  # Any: validated input
    return (
        ("group" not in wanted or view.group == wanted["group"])
        and (wanted["is_leaf"] is None or view.is_leaf == wanted["is_leaf"])
        and wanted.get("search", "").lower() in view.path.lower()
    )


def _read(form: serializers.Serializer[Any]) -> dict[str, Any]:  # Any: validated input
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
