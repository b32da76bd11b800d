"""Every route of the URL configuration, and for whom each is meant.

`AUDIENCES` is written by hand and not derived from the permissions in the code: a route that is opened by mistake differs from
it, and a new route is missing from it. Both fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

PAGE_METHODS = ("GET", "POST")


class Audience(Enum):
    """PUBLIC: everybody. SIGNED_IN: whoever has an account. MEMBER: researchers see it when it belongs to a group of theirs,
    for others it does not exist. ADMIN: administrators; a researcher is told that their role does not allow it."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    MEMBER = "member"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route. `actions` maps methods to the actions of a view set, empty for everything else."""

    name: str
    parameters: tuple[str, ...]
    callback: Any  # Any: a view function with attributes of ours and of DRF's
    actions: dict[str, str]

    @property
    def view_class(self) -> Any:  # Any: a DRF view class, or None
        return getattr(self.callback, "cls", None)

    @property
    def is_api(self) -> bool:
        return self.view_class is not None

    @property
    def methods(self) -> tuple[str, ...]:
        if self.actions:
            return tuple(method.upper() for method in self.actions)
        if self.view_class is not None:
            found = ("get", "post", "put", "patch", "delete")
            return tuple(method.upper() for method in found if hasattr(self.view_class, method))
        return PAGE_METHODS


def list_routes() -> list[Route]:
    return list(_walk(get_resolver(), namespaces=(), parameters=()))


def _walk(resolver: URLResolver, *, namespaces: tuple[str, ...], parameters: tuple[str, ...]) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        found = (*parameters, *_parameters_of(pattern))
        if isinstance(pattern, URLResolver):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from _walk(pattern, namespaces=inner, parameters=found)
        else:
            yield Route(
                name=":".join((*namespaces, pattern.name or "")),
                parameters=found,
                callback=pattern.callback,
                actions=getattr(pattern.callback, "actions", None) or {},
            )


def _parameters_of(pattern: URLPattern | URLResolver) -> tuple[str, ...]:
    match pattern.pattern:
        case RegexPattern() as regex:
            return tuple(regex.regex.groupindex)
        case RoutePattern() as route:
            return tuple(route.converters)
        case _:
            return ()


_PAGES = {
    Audience.PUBLIC: ("healthz", "readyz", "api-unknown", "account_login", "account_logout", "construction"),
    Audience.SIGNED_IN: (
        "home",
        "theme-change",
        "cluster-choose",
        "jump",
        "event-stream",
        "shell-status",
        "quotas:quota-list",
        "workloads:workload-list",
        "portal:home",
    ),
    Audience.MEMBER: ("quotas:node-detail", "workloads:workload-detail"),
    Audience.ADMIN: (
        "overview:overview",
        "overview:history",
        "overview:history-table",
        "nodes:node-list",
        "nodes:gpu-list",
        "nodes:node-detail",
        "nodes:node-peek",
        "quotas:tree-create",
        "quotas:tree-delete",
        "quotas:tree-retry",
        "quotas:draft-review",
        "quotas:draft-apply",
        "quotas:draft-discard",
        "quotas:draft-rebase",
        "quotas:draft-remove",
        "quotas:node-edit",
        "quotas:node-add",
        "quotas:node-rename",
        "quotas:node-move",
        "quotas:node-delete",
        "quotas:group-bind",
        "quotas:namespace-bind",
        "quotas:namespace-unbind",
        "sync:sync-list",
        "sync:object-retry",
        "people:user-list",
        "people:user-create",
        "people:user-detail",
        "people:password-set",
        "people:group-join",
        "people:group-list",
        "people:group-create",
        "people:group-detail",
        "people:member-add",
        "people:member-change",
        "people:group-delete",
        "clusters:cluster-list",
        "clusters:cluster-register",
        "clusters:cluster-detail",
        "clusters:credential-change",
        "clusters:prometheus-edit",
        "clusters:cluster-forget",
        "audit:event-list",
        "audit:event-detail",
    ),
}

_API = {
    Audience.SIGNED_IN: (
        "schema GET",
        "me GET PATCH",
        "token-list GET POST",
        "quota-tree-list GET",
        "quota-node-list GET",
        "namespace-binding-list GET",
        "workload-list GET",
        "workload-counts GET",
    ),
    Audience.MEMBER: (
        "quota-tree-detail GET",
        "quota-node-detail GET",
        "quota-node-history GET",
        "namespace-binding-detail GET",
        "workload-detail GET",
        "cluster-idle-pods GET",
        "cluster-start-options GET",
    ),
    Audience.ADMIN: (
        "user-list GET POST",
        "user-detail GET PATCH",
        "user-password PUT",
        "group-list GET POST",
        "group-detail GET PATCH DELETE",
        "group-member PUT DELETE",
        "audit-event-list GET",
        "audit-event-detail GET",
        "cluster-list GET POST",
        "cluster-detail GET PATCH DELETE",
        "cluster-check POST",
        "cluster-credential POST",
        "cluster-capacity GET",
        "cluster-totals GET",
        "cluster-gpus GET",
        "cluster-history GET",
        "cluster-metrics-source GET PUT DELETE",
        "node-list GET",
        "node-detail GET",
        "managed-object-list GET",
        "managed-object-summary GET",
        "managed-object-detail GET",
        "managed-object-retry POST",
        "quota-tree-list POST",
        "quota-tree-detail DELETE",
        "quota-tree-changes POST",
        "quota-tree-draft GET POST DELETE",
        "quota-tree-draft-apply POST",
        "quota-tree-draft-remove DELETE",
        "quota-tree-preview POST",
        "quota-tree-retry POST",
        "quota-node-list POST",
        "quota-node-detail PATCH DELETE",
        "namespace-binding-list POST",
        "namespace-binding-detail DELETE",
    ),
}


def _read_tables() -> dict[tuple[str, str], Audience]:
    table = {
        (name, method): audience for audience, names in _PAGES.items() for name in names for method in PAGE_METHODS
    }
    for audience, lines in _API.items():
        for line in lines:
            name, *methods = line.split()
            table.update({(f"api:{name}", method): audience for method in methods})
    # A person revokes their own tokens; those of others do not exist for them, whoever they are.
    table["api:token-detail", "DELETE"] = Audience.MEMBER
    return table


AUDIENCES = _read_tables()
