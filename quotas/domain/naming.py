"""Names of nodes, resources, namespaces and queues: their form, and how a queue name comes from a path."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Set
from typing import Final

NODE_NAME: Final = re.compile(r"[a-zA-Z0-9][-_a-zA-Z0-9]{0,64}")
NAMESPACE_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RESOURCE_PART = re.compile(r"[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_RESOURCE_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_QUEUE_NAME = 63  # so that it is also a label value, which Kueue puts on pods

SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease", "kueue-system"})


def is_resource_name(text: str) -> bool:
    """Whether Kubernetes takes the text as a resource: a bare name (`cpu`), or a prefix and a name (`nvidia.com/gpu`)."""
    prefix, slash, name = text.rpartition("/")
    if slash and not (len(prefix) <= 253 and _RESOURCE_PREFIX.fullmatch(prefix)):
        return False
    return _RESOURCE_PART.fullmatch(name) is not None


def build_queue_name(path: str) -> str:
    """The queue name of a path: lower case, every separator a dash, at most 63 characters.

    Two paths can give the same name (`root.a-b` and `root.a.b`); validation refuses that.
    Example: `root.Research.vision_dev` -> `root-research-vision-dev`.
    """
    name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
    if len(name) <= _LONGEST_QUEUE_NAME:
        return name
    digest = hashlib.sha256(path.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_QUEUE_NAME - 9].rstrip('-')}-{digest}"


def allocate_queue_name(path: str, *, taken: Set[str]) -> str:
    """The queue name for a new node, with a number when a renamed node or a queue that is still being deleted has the plain one."""
    plain = build_queue_name(path)
    if plain not in taken:
        return plain
    numbers = range(2, len(taken) + 3)
    return next(name for number in numbers if (name := f"{plain[:59]}-{number}") not in taken)
