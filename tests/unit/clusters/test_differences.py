"""Only what we state is compared, quantities by value, lists as a whole."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.domain.differences import ABSENT, Difference, list_differences
from tests.unit.clusters.properties import quickly

_leaves = st.one_of(st.text(max_size=5), st.integers(-10, 10), st.booleans())
_trees = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)

_objects = st.dictionaries(st.text(min_size=1, max_size=3), _trees, max_size=4)


@quickly
@given(_objects)
def test_an_object_does_not_differ_from_itself(item: dict[str, Any]):
    assert list_differences(item, deepcopy(item)) == ()


@quickly
@given(_objects, st.dictionaries(st.text(min_size=4, max_size=6), _trees, max_size=3))
def test_what_others_add_beside_ours_is_no_difference(item: dict[str, Any], more: dict[str, Any]):
    assert list_differences(item, {**more, **item}) == ()


@quickly
@given(_objects.filter(lambda item: any(value not in ("", None) for value in item.values())))
def test_an_empty_object_lacks_everything_that_is_stated(item: dict[str, Any]):
    stated = {
        key
        for key, value in item.items()
        if value not in ("", None, []) and key not in {"kind", "status", "apiVersion"}
    }
    paths = {difference.path.split(".")[0].split("[")[0] for difference in list_differences(item, {})}
    assert {key.split(".")[0].split("[")[0] for key in stated if not isinstance(item[key], dict | list)} <= paths


@pytest.mark.parametrize("live", ["20", 20, "20000m", "2e1", "0.02k"])
def test_quantities_are_compared_by_value(live):
    assert list_differences({"spec": {"nominalQuota": "20"}}, {"spec": {"nominalQuota": live}}) == ()


def test_another_amount_is_a_difference():
    found = list_differences({"spec": {"nominalQuota": "20"}}, {"spec": {"nominalQuota": "21"}})
    assert found == (Difference(path="spec.nominalQuota", wanted="20", found="21"),)


def test_names_and_labels_are_texts():
    wanted = {"metadata": {"labels": {"app.example/version": "1"}}}
    assert list_differences(wanted, {"metadata": {"labels": {"app.example/version": "1.0"}}}) == (
        Difference(path="metadata.labels[app.example/version]", wanted="1", found="1.0"),
    )


def test_true_is_not_one():
    assert list_differences({"spec": {"suspend": True}}, {"spec": {"suspend": 1}}) != ()


def test_a_field_more_inside_a_list_is_a_difference():
    wanted: dict[str, Any] = {
        "spec": {"flavors": [{"name": "default", "resources": [{"name": "cpu", "nominalQuota": "4"}]}]}
    }
    live: dict[str, Any] = deepcopy(wanted)
    live["spec"]["flavors"][0]["resources"][0]["lendingLimit"] = "0"
    assert list_differences(wanted, live) == (
        Difference(path="spec.flavors[default].resources[cpu].lendingLimit", wanted=ABSENT, found="0"),
    )


def test_items_more_or_fewer_are_differences():
    assert list_differences({"values": ["a", "b"]}, {"values": ["a"]}) == (
        Difference(path="values[1]", wanted="b", found=ABSENT),
    )
    assert list_differences({"values": ["a"]}, {"values": ["a", "b"]}) == (
        Difference(path="values[1]", wanted=ABSENT, found="b"),
    )


def test_an_empty_selector_is_not_the_same_as_none():
    assert list_differences({"spec": {"namespaceSelector": {}}}, {"spec": {}}) == (
        Difference(path="spec.namespaceSelector", wanted="{}", found=ABSENT),
    )
    assert list_differences({"spec": {"namespaceSelector": {}}}, {"spec": {"namespaceSelector": {}}}) == ()


def test_status_and_version_are_the_servers():
    assert list_differences({"apiVersion": "v1", "kind": "X", "status": {"a": 1}}, {"apiVersion": "v2"}) == ()
