"""Fills the product with the scenario's organisation, through the services that an admin's clicks go through.

`python -m aidashboard.demo.seed people|cluster ...`: a process of its own, because it needs Django and the demo's supervisor does
not. Each step may be repeated: what is there stays as people have left it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import django

django.setup()

from django.db import transaction  # noqa: E402  (Django must be set up first, here and below)

from accounts.domain.roles import Role  # noqa: E402
from accounts.models import User, UserGroup  # noqa: E402
from accounts.services import create_group, create_user, set_member, set_password  # noqa: E402
from aidashboard.kit.quantity import format_amount, parse_amount  # noqa: E402
from clusters.models import Cluster  # noqa: E402
from clusters.services import change_credential, register_cluster  # noqa: E402
from monitoring.services import set_prometheus  # noqa: E402
from quotas.domain.changes import AddNode, BindGroup, BindNamespace, Change  # noqa: E402
from quotas.domain.tree import NodeKey  # noqa: E402
from quotas.models import QuotaTree  # noqa: E402
from quotas.services import apply_changes, create_tree  # noqa: E402
from sandbox.scenario import GPU_RESOURCE, Scenario, Team, load_scenario  # noqa: E402

CLUSTER_NAME = "sandbox"
TREE_NAME = "root"


def seed_people(scenario: Scenario, *, logins: dict[str, dict[str, str]]) -> None:
    """The two people of the login table with their passwords, everybody else without one, and a group per team."""
    admin = ensure_user(username=logins["admin"]["username"], role=Role.ADMIN, by=None, display_name="Demo Admin")
    names = set(User.objects.values_list("username", flat=True))
    for person in scenario.users:
        if person.username not in names:
            create_user(
                username=person.username,
                password=None,
                role=Role.RESEARCHER,
                by=admin,
                display_name=person.full_name,
            )
    for login in logins.values():
        user = User.objects.get(username=login["username"])
        if not user.check_password(login["password"]):
            set_password(user=user, password=login["password"], by=admin)
    groups = set(UserGroup.objects.values_list("name", flat=True))
    for team in scenario.teams:
        if team.name not in groups:
            seed_group(team, by=admin)


def ensure_user(*, username: str, role: Role, by: User | None, display_name: str) -> User:
    found = User.objects.filter(username=username).first()
    return found or create_user(username=username, password=None, role=role, by=by, display_name=display_name)


def seed_group(team: Team, *, by: User) -> None:
    # Whole or not at all, here and with the tree: the next start leaves alone what it finds, also if this one was cut short.
    with transaction.atomic():
        group = create_group(name=team.name, display_name=team.title, by=by)
        for username in team.members:
            user = User.objects.get(username=username)
            set_member(group=group, user=user, by=by, is_owner=username in team.owners)


def seed_cluster(scenario: Scenario, *, admin: User, kubeconfig: str, prometheus_url: str) -> None:
    """Register the sandbox as a cluster, connect its Prometheus, and draw the lab's quota tree the first time."""
    cluster = Cluster.objects.filter(name=CLUSTER_NAME).first()
    if cluster is None:
        cluster = register_cluster(
            name=CLUSTER_NAME, kubeconfig=kubeconfig, by=admin, display_name="Sandbox (simulated GPUs)"
        )
    else:
        # The token of the last start may have run out, and the API server may have another port.
        change_credential(cluster=cluster, kubeconfig=kubeconfig, by=admin)
    set_prometheus(cluster=cluster, url=prometheus_url, by=admin)
    if not QuotaTree.objects.filter(cluster=cluster).exists():
        seed_tree(scenario, cluster=cluster, admin=admin)


def seed_tree(scenario: Scenario, *, cluster: Cluster, admin: User) -> None:
    """The whole tree as one draft: departments, teams, their namespaces and groups."""
    with transaction.atomic():
        tree = create_tree(cluster=cluster, name=TREE_NAME, by=admin, min=sum_capacity(scenario))
        root = NodeKey(str(tree.nodes.get(parent=None).pk))
        changes: list[Change] = []
        for department in scenario.departments:
            key = NodeKey(f"new-{department.name}")
            changes.append(
                AddNode(key=key, parent=root, name=department.name, min=department.guaranteed, max=department.ceiling)
            )
            for team in department.teams:
                changes += list_team_changes(team, parent=key)
        apply_changes(tree=tree, changes=changes, by=admin)


def sum_capacity(scenario: Scenario) -> dict[str, str]:
    """What the root guarantees: all that healthy nodes have, so that a new team can be given some of what is left."""
    out = {*scenario.faults.cordoned, *scenario.faults.not_ready}
    totals: Counter[str] = Counter()
    for pool in scenario.pools:
        nodes = sum(1 for name in pool.node_names if name not in out)
        totals["cpu"] += nodes * parse_amount("cpu", pool.cpu)
        totals["memory"] += nodes * parse_amount("memory", pool.memory)
    guaranteed = {name: format_amount(name, amount) for name, amount in totals.items()}
    return {GPU_RESOURCE: str(scenario.schedulable_gpus), **guaranteed}


def list_team_changes(team: Team, *, parent: NodeKey) -> list[Change]:
    key = NodeKey(f"new-{team.name}")
    return [
        AddNode(key=key, parent=parent, name=team.name, min=team.guaranteed, max=team.ceiling),
        BindNamespace(node=key, namespace=team.namespace),
        BindGroup(node=key, group=team.name),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m aidashboard.demo.seed", description=__doc__)
    parser.add_argument("step", choices=("people", "cluster"))
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--logins", type=Path, required=True, help="JSON file with the demo's logins")
    parser.add_argument("--kubeconfig", type=Path, help="file with the product's own kubeconfig")
    parser.add_argument("--prometheus-url", default="")
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    logins = json.loads(options.logins.read_text(encoding="utf-8"))
    if options.step == "people":
        seed_people(scenario, logins=logins)
    else:
        admin = User.objects.get(username=logins["admin"]["username"])
        kubeconfig = options.kubeconfig.read_text(encoding="utf-8")
        seed_cluster(scenario, admin=admin, kubeconfig=kubeconfig, prometheus_url=options.prometheus_url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
