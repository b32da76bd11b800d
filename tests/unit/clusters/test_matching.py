"""What is decided about one object."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from clusters.domain.matching import (
    ADOPTED_ANNOTATION,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    Action,
    Decision,
    Desired,
    DriftPolicy,
    Manifest,
    build_release,
    build_wanted,
    decide,
    describe_deletion,
    digest_manifest,
    is_released_when_unwanted,
    key_of,
)

OWNER = "quota-tree-3"
MANIFEST: Manifest = {
    "apiVersion": "kueue.x-k8s.io/v1beta2",
    "kind": "Cohort",
    "metadata": {"name": "a"},
    "spec": {"parentName": "root"},
}
DESIRED = Desired(manifest=MANIFEST, subject="quota-node-1")
APPLIED = digest_manifest(build_wanted(DESIRED, owner=OWNER))
OURS_BY_FIELDS = [{"manager": "aidashboard", "operation": "Apply"}]


def live(*, owner: str = OWNER, parent: str = "root", **metadata: Any) -> Manifest:
    found = deepcopy(build_wanted(DESIRED, owner=OWNER))
    found["metadata"] |= {"uid": "u-1", "resourceVersion": "7"} | metadata
    found["metadata"]["labels"] = {OWNER_LABEL: owner, MANAGED_BY_LABEL: "aidashboard"} if owner else {}
    found["spec"]["parentName"] = parent
    return found


def decide_on(found: Manifest | None, **options: Any) -> Decision:
    return decide(**{"desired": DESIRED, "live": found, "owner": OWNER, "applied_hash": APPLIED} | options)


def test_what_is_not_there_is_applied_without_force():
    decision = decide_on(None, applied_hash="")
    assert (decision.action, decision.is_forced) == (Action.APPLY, False)


def test_what_is_as_wanted_is_kept():
    assert decide_on(live()).action is Action.KEEP


def test_a_new_manifest_is_applied_even_when_nothing_seems_to_differ():
    # It may name fewer fields than the one before: only an apply gives the rest up.
    decision = decide_on(live(), applied_hash="older")
    assert (decision.action, decision.is_forced) == (Action.APPLY, True)


def test_an_edit_by_hand_is_healed_by_force():
    decision = decide_on(live(parent="elsewhere"))
    assert (decision.action, decision.is_forced) == (Action.HEAL, True)
    assert [difference.path for difference in decision.differences] == ["spec.parentName"]
    assert "put back" in decision.message


def test_an_edit_by_hand_is_left_when_the_policy_says_so():
    decision = decide_on(live(parent="elsewhere"), policy=DriftPolicy.LEAVE)
    assert (decision.action, decision.is_forced) == (Action.REPORT, False)


def test_a_difference_after_our_own_change_is_no_drift():
    assert decide_on(live(parent="elsewhere"), applied_hash="older").action is Action.APPLY


def test_an_object_deleted_by_hand_is_drift():
    assert decide_on(None).action is Action.HEAL
    assert decide_on(None, policy=DriftPolicy.LEAVE).action is Action.REPORT


@pytest.mark.parametrize("owner", ["", "quota-tree-4"])
def test_what_is_not_ours_is_refused(owner):
    decision = decide_on(live(owner=owner), applied_hash="")
    assert decision.action is Action.REFUSE
    assert decision.message.startswith("Cohort a exists and")


def test_an_object_whose_label_was_taken_off_is_still_ours():
    decision = decide_on(live(owner="", managedFields=OURS_BY_FIELDS))
    assert decision.action is Action.HEAL
    assert decision.differences[0].path.startswith("metadata.labels")


def test_the_object_of_another_owner_is_refused_even_if_we_applied_it():
    assert decide_on(live(owner="quota-tree-4", managedFields=OURS_BY_FIELDS)).action is Action.REFUSE


def test_adoption_takes_over_without_force_and_leaves_a_mark():
    desired = Desired(manifest=MANIFEST, subject="quota-node-1", is_adopted=True)
    decision = decide_on(live(owner=""), desired=desired, applied_hash="")
    assert (decision.action, decision.is_forced) == (Action.APPLY, False)
    wanted = build_wanted(desired, owner=OWNER)
    assert wanted["metadata"]["annotations"] == {ADOPTED_ANNOTATION: "true"}
    assert MANAGED_BY_LABEL not in wanted["metadata"]["labels"]
    assert is_released_when_unwanted(wanted)


def test_a_release_names_the_object_and_no_field():
    namespaced: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "b", "labels": {"c": "d"}},
    }
    assert build_release(namespaced) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "b"},
    }


def test_a_field_that_cannot_change_means_a_replacement():
    desired = Desired(manifest=MANIFEST, subject="x", replaced_on=("spec.parentName",))
    assert decide_on(live(parent="elsewhere"), desired=desired, applied_hash="older").action is Action.REPLACE
    assert decide_on(live(), desired=desired, applied_hash="older").action is Action.APPLY


def test_what_is_being_deleted_is_waited_for():
    found = live(deletionTimestamp="2026-11-22T16:00:00Z", finalizers=["kueue.x-k8s.io/resource-in-use"])
    decision = decide_on(found)
    assert decision.action is Action.WAIT
    assert "no workload holds quota" in decision.message
    found["metadata"]["finalizers"] = ["example.com/keep"]
    assert "example.com/keep" in describe_deletion(found)


def test_building_leaves_the_callers_manifest_alone():
    before = deepcopy(MANIFEST)
    wanted = build_wanted(DESIRED, owner=OWNER)
    assert before == MANIFEST
    assert wanted["metadata"]["labels"] == {OWNER_LABEL: OWNER, MANAGED_BY_LABEL: "aidashboard"}
    assert str(key_of(wanted)) == "Cohort a"
