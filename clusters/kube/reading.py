"""Reading objects: one by name, or many in pages. What comes out is raw JSON; `parsing` makes dataclasses of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from clusters.kube.errors import GoneError, ObjectMissingError
from clusters.kube.kinds import Kind
from clusters.kube.protocol import JsonObject, KubeApi

PAGE_SIZE: Final = 500
# A page of 500 large pods is a few megabytes; on a busy API server over a thin line that takes a while.
PAGE_READ_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some objects of a list. `resource_version` is that of the whole list: a watch starts there."""

    objects: list[JsonObject]
    resource_version: str
    is_last: bool


def find_object(api: KubeApi, kind: Kind, name: str, *, namespace: str = "") -> JsonObject | None:
    """The object, or None. Raises: KubeError."""
    try:
        return api.call("GET", kind.path(namespace=namespace, name=name))
    except ObjectMissingError:
        return None


def list_pages(api: KubeApi, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Iterator[Page]:
    """The objects of a kind, page by page.

    Raises: KubeError; GoneError when the list grew too old half way: start again.
    """
    base = [("limit", str(PAGE_SIZE))]
    if label_selector:
        base.append(("labelSelector", label_selector))
    token = ""
    while True:
        query = [*base, ("continue", token)] if token else base
        answer = api.call("GET", kind.path(namespace=namespace), query=query, read_seconds=PAGE_READ_SECONDS)
        metadata = answer.get("metadata") or {}
        token = metadata.get("continue") or ""
        yield Page(
            objects=answer.get("items") or [],
            resource_version=str(metadata.get("resourceVersion", "")),
            is_last=not token,
        )
        if not token:
            return


def list_objects(api: KubeApi, kind: Kind, *, namespace: str = "", label_selector: str = "") -> list[JsonObject]:
    """All at once, for lists that are known to be short. A list that grew too old is read once more. Raises: KubeError."""
    for is_last_try in (False, True):
        try:
            pages = list_pages(api, kind, namespace=namespace, label_selector=label_selector)
            return [item for page in pages for item in page.objects]
        except GoneError:
            if is_last_try:
                raise
    raise AssertionError("the last try returns or raises")
