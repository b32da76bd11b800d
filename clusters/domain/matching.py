"""What to do about one object: the decision, without the deed.

Vocabulary: *wanted* is the manifest with our labels on it, *live* the object in the cluster. An object is *ours* when it carries
the owner label of the row that wants it, or carries no owner label but was applied by us before (somebody took the label off). To
*adopt* is to take over an object that was there before us; it is marked, and released instead of deleted when no longer wanted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from clusters.domain.differences import ABSENT, Difference, list_differences

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "aidashboard"
OWNER_LABEL: Final = "aidashboard.io/owner"
ADOPTED_ANNOTATION: Final = "aidashboard.io/adopted"
KEPT_ANNOTATION: Final = "aidashboard.io/kept"
FIELD_MANAGER: Final = "aidashboard"
IN_USE_FINALIZER: Final = "kueue.x-k8s.io/resource-in-use"

Manifest = dict[str, Any]  # Any: a Kubernetes object, JSON


class DriftPolicy(StrEnum):
    """What happens when somebody else changes an object of ours."""

    HEAL = "heal"
    LEAVE = "leave"


class Action(StrEnum):
    """Keep: it is as wanted. Apply: create or change. Heal: undo somebody's edit. Replace: delete and make anew. Report: show
    the drift and leave it. Refuse: it is not ours. Wait: it is being deleted."""

    KEEP = "keep"
    APPLY = "apply"
    HEAL = "heal"
    REPLACE = "replace"
    REPORT = "report"
    REFUSE = "refuse"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """An object that a row wants. `subject` names the row it stands for (`quota-node-17`).

    `is_adopted` allows to take over an object that is there and not ours, `is_kept` says that one that we make holds what belongs to
    people (a namespace): when no longer wanted, either is released instead of deleted. `replaced_on` lists paths (`spec.clusterQueue`) that
    Kubernetes does not let anybody change: when one differs, the object is deleted and made anew.
    """

    manifest: Manifest
    subject: str
    is_adopted: bool = False
    is_kept: bool = False
    replaced_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKey:
    """What identifies an object in its cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`is_forced` says whether fields of other managers may be taken: only on objects that carry our label."""

    action: Action
    message: str = ""
    differences: tuple[Difference, ...] = ()
    is_forced: bool = False


def key_of(manifest: Mapping[str, Any]) -> ObjectKey:  # Any: JSON
    metadata = manifest["metadata"]
    return ObjectKey(
        api_version=manifest["apiVersion"],
        kind=manifest["kind"],
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
    )


def build_wanted(desired: Desired, *, owner: str) -> Manifest:
    """The manifest as it is applied: with the labels that say whose it is."""
    metadata = desired.manifest["metadata"]
    labels = {**metadata.get("labels", {}), OWNER_LABEL: owner}
    if not desired.is_adopted:
        labels[MANAGED_BY_LABEL] = MANAGED_BY  # on an adopted object this may be the word of another tool
    wanted_metadata: Manifest = {**metadata, "labels": labels}
    if desired.is_adopted or desired.is_kept:
        mark = ADOPTED_ANNOTATION if desired.is_adopted else KEPT_ANNOTATION
        wanted_metadata["annotations"] = {**metadata.get("annotations", {}), mark: "true"}
    return {**desired.manifest, "metadata": wanted_metadata}


def build_release(live: Manifest) -> Manifest:
    """What to apply to let go of an adopted object: its name and nothing else, so every field we set is given up."""
    key = key_of(live)
    metadata = {"name": key.name, "namespace": key.namespace} if key.namespace else {"name": key.name}
    return {"apiVersion": key.api_version, "kind": key.kind, "metadata": metadata}


def digest_manifest(manifest: Manifest) -> str:
    return hashlib.blake2b(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def decide(
    *,
    desired: Desired,
    live: Manifest | None,
    owner: str,
    applied_hash: str,
    policy: DriftPolicy = DriftPolicy.HEAL,
) -> Decision:
    """What to do about an object, given the manifest that the cluster last took (`applied_hash`, empty for none).

    Example: the manifest is the one last applied, and live `spec.parentName` is `x` where it says `root` -> drift, so heal.
    """
    wanted = build_wanted(desired, owner=owner)
    is_unchanged = applied_hash == digest_manifest(wanted)
    if live is None:
        if is_unchanged:
            gone = Difference(path="metadata.name", wanted=wanted["metadata"]["name"], found=ABSENT)
            return _judge_drift((gone,), policy)
        return Decision(action=Action.APPLY)
    if is_being_deleted(live):
        return Decision(action=Action.WAIT, message=describe_deletion(live))
    has_label = read_owner(live) == owner
    if not has_label and not desired.is_adopted and not _was_ours(live):
        return Decision(action=Action.REFUSE, message=_describe_stranger(live))
    differences = list_differences(wanted, live)
    blocked = [difference.path for difference in differences if difference.path in desired.replaced_on]
    if blocked:
        return Decision(
            action=Action.REPLACE, message=f"{', '.join(blocked)} can't be changed in place", differences=differences
        )
    if not differences:
        # A field that we no longer name is invisible to the comparison: only a new apply gives it up.
        return Decision(action=Action.KEEP if is_unchanged else Action.APPLY, is_forced=has_label)
    if is_unchanged:
        return _judge_drift(differences, policy)
    return Decision(action=Action.APPLY, differences=differences, is_forced=has_label)


def read_owner(live: Manifest) -> str:
    return str((live["metadata"].get("labels") or {}).get(OWNER_LABEL, ""))


def is_released_when_unwanted(live: Manifest) -> bool:
    """Whether we let go of an object instead of deleting it: it was there before us, or holds what belongs to people."""
    annotations = live["metadata"].get("annotations") or {}
    return "true" in (annotations.get(ADOPTED_ANNOTATION), annotations.get(KEPT_ANNOTATION))


def is_being_deleted(live: Manifest) -> bool:
    return bool(live["metadata"].get("deletionTimestamp"))


def describe_deletion(live: Manifest) -> str:
    """Why an object that was deleted is still there."""
    finalizers = list(live["metadata"].get("finalizers") or [])
    sentences = ["It is being deleted."]
    if IN_USE_FINALIZER in finalizers:
        finalizers.remove(IN_USE_FINALIZER)
        sentences.append("It goes when no workload holds quota of it any more.")
    if finalizers:
        sentences.append(f"{', '.join(finalizers)} has to let go first.")
    return " ".join(sentences)


def _judge_drift(differences: tuple[Difference, ...], policy: DriftPolicy) -> Decision:
    message = f"Somebody else changed {', '.join(difference.path for difference in differences)}"
    if policy is DriftPolicy.LEAVE:
        return Decision(action=Action.REPORT, message=f"{message}.", differences=differences)
    return Decision(action=Action.HEAL, message=f"{message}; put back.", differences=differences, is_forced=True)


def _was_ours(live: Manifest) -> bool:
    if read_owner(live):
        return False
    managers = live["metadata"].get("managedFields") or []
    return any(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in managers)


def _describe_stranger(live: Manifest) -> str:
    owner = read_owner(live)
    whose = f"it belongs to {owner}" if owner else "it was not made by AI Dashboard"
    return f"{key_of(live)} exists and {whose}: choose another name, or adopt it explicitly."
