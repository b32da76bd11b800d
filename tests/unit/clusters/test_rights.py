"""The rights that the check asks for are those that deploy/rbac grants."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import yaml

from clusters.domain.rights import REQUIRED_RIGHTS, Right, list_missing

_MANIFESTS = list(yaml.safe_load_all((Path(__file__).parents[3] / "deploy" / "rbac" / "aidashboard.yaml").read_text()))
_ROLE = next(item for item in _MANIFESTS if item["kind"] == "ClusterRole")


def test_the_role_grants_exactly_what_is_required():
    granted = {
        Right(verb=verb, group=group, resource=resource)
        for rule in _ROLE["rules"]
        for verb, group, resource in product(rule["verbs"], rule["apiGroups"], rule["resources"])
    }
    assert granted == set(REQUIRED_RIGHTS)


def test_the_role_holds_nothing_dangerous():
    verbs = {right.verb for right in REQUIRED_RIGHTS}
    resources = {right.resource for right in REQUIRED_RIGHTS}
    assert not verbs & {"*", "escalate", "bind", "impersonate", "deletecollection"}
    assert not resources & {"*", "secrets", "pods/exec", "roles", "clusterroles", "rolebindings", "clusterrolebindings"}


def test_with_the_role_nothing_is_missing():
    assert list_missing(_ROLE["rules"]) == []
    assert list_missing([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]) == []


def test_a_missing_verb_is_named():
    rules = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "patch"]} for rule in _ROLE["rules"]]
    assert [str(right) for right in list_missing(rules)][:2] == [
        "patch namespaces",
        "patch clusterqueues.kueue.x-k8s.io",
    ]


def test_a_rule_for_single_objects_is_not_enough():
    rules = [{**rule, "resourceNames": ["one"]} for rule in _ROLE["rules"]]
    assert set(list_missing(rules)) == set(REQUIRED_RIGHTS)
