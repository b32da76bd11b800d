"""The demo's organisation is made whole or not at all: a start that was cut short is made good by the next one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accounts.models import User, UserGroup
from aidashboard.demo.seed import seed_group, seed_tree
from quotas.errors import QuotaRefusedError
from quotas.models import QuotaTree
from sandbox.scenario import load_scenario
from tests.factories.clusters import make_cluster
from tests.factories.people import make_admin

pytestmark = pytest.mark.django_db


def test_a_tree_that_cannot_be_filled_is_not_made():
    with pytest.raises(QuotaRefusedError, match="there is no user group"):
        seed_tree(load_scenario("tests"), cluster=make_cluster(), admin=make_admin())
    assert not QuotaTree.objects.exists()


def test_a_group_that_lacks_a_person_is_not_made():
    team = replace(load_scenario("tests").teams[0], members=("nobody-yet",))
    with pytest.raises(User.DoesNotExist):
        seed_group(team, by=make_admin())
    assert not UserGroup.objects.exists()
