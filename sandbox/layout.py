"""Where everything lies in the folder of one sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths only; nothing here creates or reads a file but `create`."""

    directory: Path

    @property
    def marker(self) -> Path:
        """Says that this folder is a sandbox's, so that `reset` never empties anything else."""
        return self.directory / "sandbox.json"

    @property
    def state(self) -> Path:
        """The processes as they are now, for `status` and `down` in another process."""
        return self.directory / "state.json"

    @property
    def ports(self) -> Path:
        return self.directory / "ports.json"

    @property
    def applied(self) -> Path:
        """The hash of what the cluster was prepared with."""
        return self.directory / "applied"

    @property
    def certificates(self) -> Path:
        return self.directory / "certificates"

    @property
    def kueue_certificates(self) -> Path:
        return self.certificates / "kueue"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.directory / "kubeconfig"

    @property
    def kubeconfigs(self) -> Path:
        return self.directory / "kubeconfigs"

    @property
    def etcd(self) -> Path:
        return self.directory / "etcd"

    @property
    def kueue(self) -> Path:
        return self.directory / "kueue"

    @property
    def kwok(self) -> Path:
        return self.directory / "kwok"

    @property
    def kubectl_cache(self) -> Path:
        """kubectl remembers which kinds an address serves; in the home folder sandboxes would share that."""
        return self.directory / "kubectl-cache"

    @property
    def prometheus(self) -> Path:
        return self.directory / "prometheus"

    @property
    def prometheus_data(self) -> Path:
        return self.prometheus / "data"

    @property
    def prometheus_targets(self) -> Path:
        return self.prometheus / "targets"

    @property
    def gpu_memory(self) -> Path:
        """Where the GPU exporter keeps its counters from start to start."""
        return self.directory / "gpus.json"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def client_kubeconfig(self, holder: str) -> Path:
        return self.kubeconfig if holder == "admin" else self.kubeconfigs / f"{holder}.yaml"

    def create(self) -> None:
        """Make the folders. Private, because keys and tokens lie below."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.kubeconfigs, self.kueue, self.kwok, self.prometheus_targets, self.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def contents(self) -> tuple[Path, ...]:
        """Everything that a sandbox writes here, which is all that `reset` may delete."""
        data = (self.etcd, self.kueue, self.kwok, self.prometheus)
        folders = (*data, self.certificates, self.kubeconfigs, self.kubectl_cache, self.logs)
        return (*folders, self.kubeconfig, self.gpu_memory, self.ports, self.applied, self.state, self.marker)
