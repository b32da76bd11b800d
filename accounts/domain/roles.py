"""The vocabulary of rights: what there is to be allowed, and which role may do it.

A *permission* opens a kind of page or API action. Which objects a person then sees is decided by selectors that take the viewer:
an admin sees everything, a researcher the quotas and namespaces of their groups.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    ADMIN = "admin"
    RESEARCHER = "researcher"


class Permission(StrEnum):
    """One right, named `noun.verb`; `SIGNED_IN` needs nothing but an account."""

    SIGNED_IN = "signed-in"
    PORTAL_VIEW = "portal.view"
    QUOTA_VIEW = "quota.view"
    QUOTA_CHANGE = "quota.change"
    WORKLOAD_VIEW = "workload.view"
    CLUSTER_VIEW = "cluster.view"
    CLUSTER_CHANGE = "cluster.change"
    NODE_VIEW = "node.view"
    SYNC_VIEW = "sync.view"
    SYNC_CHANGE = "sync.change"
    PEOPLE_VIEW = "people.view"
    PEOPLE_CHANGE = "people.change"
    AUDIT_VIEW = "audit.view"


_RESEARCHER: Final = frozenset(
    {Permission.SIGNED_IN, Permission.PORTAL_VIEW, Permission.QUOTA_VIEW, Permission.WORKLOAD_VIEW}
)
PERMISSIONS_BY_ROLE: Final = {Role.ADMIN: frozenset(Permission), Role.RESEARCHER: _RESEARCHER}


def is_allowed(role: str, permission: Permission) -> bool:
    """Whether a role holds a permission. An unknown role holds none."""
    return role in PERMISSIONS_BY_ROLE and permission in PERMISSIONS_BY_ROLE[Role(role)]
