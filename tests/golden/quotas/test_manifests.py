"""What a tree becomes in a cluster, compared whole. `make golden` writes the files anew; the diff is reviewed like code."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from quotas.backends.kueue import build_flavor, build_objects
from quotas.domain.tree import Binding, Tree
from tests.unit.quotas.builders import GPU, build_example, key, node

FOLDER = Path(__file__).parent
GIB = 1024**3


def build_mixed() -> Tree:
    """Min held at an inner node, unlimited Maxes, several resources, an adopted namespace, a leaf without namespaces."""
    tree = Tree(
        (
            node("root", None, min={"cpu": "64", GPU: "24"}, max={"cpu": "64", GPU: "24"}),
            node("research", "root", min={"cpu": "32", GPU: "16"}, max={GPU: "24", "memory": "256Gi"}),
            node(
                "vision",
                "research",
                min={GPU: "8", "memory": "0"},
                max={GPU: "16", "memory": "1.5Gi"},
                namespaces=("vision",),
            ),
            node("nlp", "research", min={GPU: "4", "cpu": "1500m"}, max={GPU: "2147483647"}),
            node("serving", "root", min={GPU: "2"}, max={GPU: "2"}, namespaces=("serving-a", "serving-b")),
        )
    )
    serving = tree.get(key("serving"))
    adopted = (*serving.namespaces, Binding(namespace="legacy", is_adopted=True))
    return tree.with_node(replace(serving, namespaces=adopted))


CASES = {
    "example": (build_example(), {"cpu": 40_000, "memory": 64 * GIB}),
    "example_small_cluster": (build_example(), {"cpu": 32_000, "memory": 64 * GIB}),
    "mixed": (
        build_mixed(),
        {"cpu": 48_000, "memory": 512 * GIB, GPU: 20, "example.com/fpga": 2, "pods": 110, "hugepages-2Mi": 0},
    ),
    "mixed_before_the_first_observation": (build_mixed(), None),
    "lone_root": (Tree((node("root", None, cpu=(8, 8)),)), {"cpu": 8_000}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_manifests_of_a_tree(name: str):
    tree, capacity = CASES[name]
    objects = build_objects(tree, capacity=capacity, owner="quota-tree-3")
    text = yaml.safe_dump_all([item.manifest for item in objects], sort_keys=False, width=120)
    path = FOLDER / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


def test_the_flavor_means_any_node():
    assert build_flavor(owner="quota-flavor-1") == {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ResourceFlavor",
        "metadata": {
            "name": "aidashboard",
            "labels": {"app.kubernetes.io/managed-by": "aidashboard", "aidashboard.io/owner": "quota-flavor-1"},
        },
        "spec": {},
    }
