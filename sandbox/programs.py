"""Which programs the sandbox is made of, in which versions, and where they come from.

A table and nothing more: `build.py` turns it into files, the lock files in `controlplane/`, `kube-state-metrics/` and
`prometheus/` pin every module behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

KUBERNETES_VERSION = "1.36.3"
KUEUE_VERSION = "0.19.2"
KWOK_VERSION = "0.8.0"
PROMETHEUS_VERSION = "3.16.0"

LOCK_ROOT = Path(__file__).parent

# Without the stamps Kueue refuses to parse the version of the server. `visibility.certDir` is a package variable holding
# an absolute path; stamped like this it is looked up in the working directory.
_CONTROLPLANE_STAMPS = (
    f"k8s.io/component-base/version.gitVersion=v{KUBERNETES_VERSION}",
    f"k8s.io/component-base/version.gitMajor={KUBERNETES_VERSION.split('.')[0]}",
    f"k8s.io/component-base/version.gitMinor={KUBERNETES_VERSION.split('.')[1]}",
    f"k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES_VERSION}",
    f"sigs.k8s.io/kueue/pkg/version.GitVersion=v{KUEUE_VERSION}",
    "sigs.k8s.io/kueue/pkg/visibility.certDir=visibility-certs",
    f"sigs.k8s.io/kwok/pkg/consts.Version=v{KWOK_VERSION}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedModule:
    """A folder with go.mod and go.sum, and the flags that its programs are built with."""

    name: str
    stamps: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    download_weight: float

    @property
    def directory(self) -> Path:
        return LOCK_ROOT / self.name

    @property
    def build_flags(self) -> tuple[str, ...]:
        linker = " ".join(("-s", "-w", *(f"-X {stamp}" for stamp in self.stamps)))
        tags = ("-tags", ",".join(self.tags)) if self.tags else ()
        return ("-mod=readonly", "-trimpath", "-buildvcs=false", *tags, "-ldflags", linker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program. `weight` is its cold build in seconds on two cores, in the order of the table.

    `version_command` and `version_pattern` say which installed program may stand in for a build; without them the program
    is always built (Kueue cannot tell its version, and its stamps matter).
    """

    name: str
    tool: str
    module: LockedModule
    weight: float
    version_command: tuple[str, ...] = ()
    version_pattern: re.Pattern[str] | None = None


CONTROLPLANE = LockedModule(name="controlplane", stamps=_CONTROLPLANE_STAMPS, download_weight=25)
# Apart, because it is written for an older client-go than the control plane brings.
KUBE_STATE_METRICS = LockedModule(name="kube-state-metrics", download_weight=10)
# Apart, because it wants a newer one. The tag leaves out every service discovery but static and file targets.
PROMETHEUS = LockedModule(
    name="prometheus",
    stamps=(f"github.com/prometheus/common/version.Version={PROMETHEUS_VERSION}",),
    tags=("remove_all_sd",),
    download_weight=20,
)
MODULES = (CONTROLPLANE, KUBE_STATE_METRICS, PROMETHEUS)

_KUBERNETES_SERIES = re.compile(r"v1\.36\.\d+")

PROGRAMS = (
    Program(
        name="etcd",
        tool="go.etcd.io/etcd/server/v3",
        module=CONTROLPLANE,
        weight=40,
        version_command=("--version",),
        version_pattern=re.compile(r"etcd Version: 3\.6\.\d+"),
    ),
    Program(
        name="kube-apiserver",
        tool="k8s.io/kubernetes/cmd/kube-apiserver",
        module=CONTROLPLANE,
        weight=140,
        version_command=("--version",),
        version_pattern=_KUBERNETES_SERIES,
    ),
    Program(
        name="kube-controller-manager",
        tool="k8s.io/kubernetes/cmd/kube-controller-manager",
        module=CONTROLPLANE,
        weight=48,
        version_command=("--version",),
        version_pattern=_KUBERNETES_SERIES,
    ),
    Program(
        name="kube-scheduler",
        tool="k8s.io/kubernetes/cmd/kube-scheduler",
        module=CONTROLPLANE,
        weight=5,
        version_command=("--version",),
        version_pattern=_KUBERNETES_SERIES,
    ),
    Program(
        name="kwok",
        tool="sigs.k8s.io/kwok/cmd/kwok",
        module=CONTROLPLANE,
        weight=12,
        version_command=("--version",),
        version_pattern=re.compile(r"v0\.8\.\d+"),
    ),
    Program(name="kueue", tool="sigs.k8s.io/kueue/cmd/kueue", module=CONTROLPLANE, weight=60),
    Program(
        name="kubectl",
        tool="k8s.io/kubernetes/cmd/kubectl",
        module=CONTROLPLANE,
        weight=18,
        version_command=("version", "--client"),
        version_pattern=re.compile(r"Client Version: v1\.3[67]\.\d+\s"),
    ),
    Program(
        name="kube-state-metrics",
        tool="k8s.io/kube-state-metrics/v2",
        module=KUBE_STATE_METRICS,
        weight=75,
        version_command=("version",),
        version_pattern=re.compile(r"version v?2\.(19|2\d)\.\d+"),
    ),
    Program(
        name="prometheus",
        tool="github.com/prometheus/prometheus/cmd/prometheus",
        module=PROMETHEUS,
        weight=90,
        version_command=("--version",),
        version_pattern=re.compile(r"version 3\.\d+\.\d+"),
    ),
    Program(
        name="promtool",
        tool="github.com/prometheus/prometheus/cmd/promtool",
        module=PROMETHEUS,
        weight=40,
        version_command=("--version",),
        version_pattern=re.compile(r"version 3\.\d+\.\d+"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where everything that the sandbox needs at run time lies: neither Go nor a network is wanted after this.

    `kueue_manifests` is a JSON list of objects, `kwok_stages` a folder of YAML files, both as their projects publish them.
    """

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kwok: Path
    kueue: Path
    kubectl: Path
    kube_state_metrics: Path
    prometheus: Path
    promtool: Path
    kueue_manifests: Path
    kwok_stages: Path
