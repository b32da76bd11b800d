"""The example of the operations guide, through the product: tree by REST, objects by the reconciler, decisions by Kueue.

root 40/40 cpu; a and b Min 20 Max 40; four leaves Min 10 Max 20, a namespace each. In each namespace in turn five jobs of 5 cpu.
"""

from __future__ import annotations

import time

from tests.cluster.quotas.conftest import Product, observing, wait_for


def test_four_namespaces_borrow_and_get_back_what_is_theirs(product: Product) -> None:
    tree = product.create_tree(40)
    root = tree["nodes"][0]["id"]
    changes: list[dict[str, object]] = [
        {
            "kind": "add-node",
            "key": f"new-{name}",
            "parent": root,
            "name": name,
            "min": {"cpu": "20"},
            "max": {"cpu": "40"},
        }
        for name in ("a", "b")
    ]
    for number, (parent, name) in enumerate((("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2")), start=1):
        quantities = {"min": {"cpu": "10"}, "max": {"cpu": "20"}}
        changes.append(
            {"kind": "add-node", "key": f"new-{name}", "parent": f"new-{parent}", "name": name, **quantities}
        )
        changes.append({"kind": "bind-namespace", "node": f"new-{name}", "namespace": product.namespace(number)})

    started = time.monotonic()
    product.change(tree["id"], *changes)
    assert product.exists("localqueue", "default", product.namespace(4))
    sync = product.read(tree["id"])["sync"]
    assert sync["state"] == "synced", sync
    print(f"saved, applied and synced in {time.monotonic() - started:.1f} s")  # noqa: T201

    queue = product.get("clusterqueue", f"{product.prefix}-a-a1")
    (group,) = queue["spec"]["resourceGroups"]
    cpu = next(row for row in group["flavors"][0]["resources"] if row["name"] == "cpu")
    assert (cpu["nominalQuota"], cpu["borrowingLimit"]) == ("10", "10")

    with observing():
        for number, running in enumerate(((4, 0, 0, 0), (4, 4, 0, 0), (2, 2, 4, 0), (2, 2, 2, 2)), start=1):
            product.start_jobs(product.namespace(number), 5)
            product.wait_running(*running)
            if number == 1:
                _expect(
                    product, tree["id"], a1=("20", "10", "0", "5"), a2=("0", "0", "10", "0"), a=("20", "0", "0", "5")
                )
            if number == 2:
                _expect(
                    product, tree["id"], a=("40", "20", "0", "10"), b=("0", "0", "20", "0"), b1=("0", "0", "10", "0")
                )
        each = ("10", "0", "0", "15")
        _expect(product, tree["id"], a1=each, a2=each, b1=each, b2=each)
        _expect(product, tree["id"], **{product.prefix: ("40", "0", "0", "60")})


def _expect(product: Product, tree_id: int, **expected: tuple[str, str, str, str]) -> None:
    """(used, borrowed, lent, pending) of cpu, as the API tells it."""

    def read() -> dict[str, tuple[str, str, str, str]]:
        rows = {
            node["name"]: next(row for row in node["usage"] if row["resource"] == "cpu")
            for node in product.read(tree_id)["nodes"]
            if node["name"] in expected
        }
        return {name: (row["used"], row["borrowed"], row["lent"], row["pending"]) for name, row in rows.items()}

    wait_for(read, expected, seconds=30)
