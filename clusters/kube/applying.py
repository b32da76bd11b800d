"""Writing objects: server-side apply under our field manager, and deletion.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from typing import Final

from clusters.domain.matching import FIELD_MANAGER
from clusters.kube.errors import ObjectMissingError
from clusters.kube.kinds import Kind, find_kind
from clusters.kube.protocol import JsonObject, KubeApi

# JSON is YAML, so the body needs no second encoder.
_APPLY_PATCH: Final = "application/apply-patch+yaml"


def apply_object(api: KubeApi, manifest: JsonObject, *, force: bool = False, is_dry_run: bool = False) -> JsonObject:
    """Make the fields of `manifest` so, leave all others alone, and give up those that we set before and no longer name.

    Raises: ApplyConflictError when another manager owns a field and `force` is off; ObjectInvalidError for a field that the
        schema does not know (validation is strict: a misspelt field must not vanish silently); other KubeErrors.
    """
    metadata = manifest["metadata"]
    kind = find_kind(manifest["apiVersion"], manifest["kind"])
    query = [("fieldManager", FIELD_MANAGER), ("force", str(force).lower()), ("fieldValidation", "Strict")]
    if is_dry_run:
        query.append(("dryRun", "All"))
    return api.call(
        "PATCH",
        kind.path(namespace=metadata.get("namespace", ""), name=metadata["name"]),
        query=query,
        body=manifest,
        content_type=_APPLY_PATCH,
    )


def delete_object(api: KubeApi, kind: Kind, name: str, *, namespace: str = "", uid: str = "") -> JsonObject | None:
    """Delete the object, with `uid` only that very one. Gives what is left of it while finalizers hold it, None once it is gone.

    Raises: ObjectChangedError when another object has taken its name; other KubeErrors.
    """
    options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    if uid:
        options["preconditions"] = {"uid": uid}
    try:
        answer = api.call("DELETE", kind.path(namespace=namespace, name=name), body=options)
    except ObjectMissingError:
        return None
    metadata = answer.get("metadata") or {}
    return answer if metadata.get("deletionTimestamp") else None
