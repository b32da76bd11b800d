"""The kinds of objects that the product reads or writes, and their paths in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KUEUE_GROUP: Final = "kueue.x-k8s.io"
KUEUE_API_VERSION: Final = f"{KUEUE_GROUP}/v1beta2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind as the API server serves it."""

    api_version: str
    name: str
    plural: str
    is_namespaced: bool

    @property
    def group(self) -> str:
        return self.api_version.partition("/")[0] if "/" in self.api_version else ""

    def path(self, *, namespace: str = "", name: str = "") -> str:
        """The path of the collection, in one namespace or in all, or of one object."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        place = f"/namespaces/{namespace}" if namespace and self.is_namespaced else ""
        return f"{root}{place}/{self.plural}" + (f"/{name}" if name else "")


def _kind(api_version: str, name: str, plural: str, *, is_namespaced: bool = True) -> Kind:
    return Kind(api_version=api_version, name=name, plural=plural, is_namespaced=is_namespaced)


NODE: Final = _kind("v1", "Node", "nodes", is_namespaced=False)
NAMESPACE: Final = _kind("v1", "Namespace", "namespaces", is_namespaced=False)
POD: Final = _kind("v1", "Pod", "pods")
CONFIG_MAP: Final = _kind("v1", "ConfigMap", "configmaps")
JOB: Final = _kind("batch/v1", "Job", "jobs")
WORKLOAD: Final = _kind(KUEUE_API_VERSION, "Workload", "workloads")
CLUSTER_QUEUE: Final = _kind(KUEUE_API_VERSION, "ClusterQueue", "clusterqueues", is_namespaced=False)
COHORT: Final = _kind(KUEUE_API_VERSION, "Cohort", "cohorts", is_namespaced=False)
LOCAL_QUEUE: Final = _kind(KUEUE_API_VERSION, "LocalQueue", "localqueues")
RESOURCE_FLAVOR: Final = _kind(KUEUE_API_VERSION, "ResourceFlavor", "resourceflavors", is_namespaced=False)

_ALL: Final = (
    NODE,
    NAMESPACE,
    POD,
    CONFIG_MAP,
    JOB,
    WORKLOAD,
    CLUSTER_QUEUE,
    COHORT,
    LOCAL_QUEUE,
    RESOURCE_FLAVOR,
)
KINDS: Final[Mapping[tuple[str, str], Kind]] = {(kind.api_version, kind.name): kind for kind in _ALL}


def find_kind(api_version: str, name: str) -> Kind:
    """Raises: ValueError for a kind that the product does not handle: a fault of ours, not of a person."""
    try:
        return KINDS[api_version, name]
    except KeyError as error:
        raise ValueError(f"{api_version} {name} is not in clusters.kube.kinds") from error
