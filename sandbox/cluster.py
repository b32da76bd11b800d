"""One sandbox: a folder, its processes, and what a caller wants of a cluster.

    with Sandbox(Path("/tmp/cluster")) as sandbox:
        print(sandbox.kubectl("get", "nodes"))

Starting brings up etcd, the API server, the controller manager, the scheduler, KWOK, Kueue, kube-state-metrics and
Prometheus on free loopback ports; stopping ends them all. The folder keeps every object, key and port, so starting it
again gives the same cluster, also after everything was killed. One process at a time may use a folder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self

from aidashboard.stack.locking import DataDirLock
from aidashboard.stack.supervision import ProcessEvent, ProcessSpec, ProcessStartError, Supervisor
from aidashboard.stack.waiting import wait_until

from . import components, kueue, kwok, preparing, prometheus
from .api import KubeApi
from .build import Report, build, ignore_progress
from .certificates import HOLDERS, Certificates, ensure_certificates
from .errors import KubectlError, NotRunningError, StartError
from .kubeconfigs import build_certificate_kubeconfig, build_token_kubeconfig
from .layout import Layout
from .ports import PortBook
from .programs import Programs

KUBECTL_SECONDS = 120.0
METRICS_TOKEN_SECONDS = 365 * 24 * 3600


def ignore_event(_: ProcessEvent) -> None:
    """For callers who do not want to know."""


class Sandbox:
    """A cluster in a folder. All of it may be called from any thread, `start` and `stop` from one at a time.

    `fair_sharing` starts Kueue in that mode. Without `with_monitoring` there is neither Prometheus nor
    kube-state-metrics, which saves a second and 150 MB. `report` hears how the building of missing programs goes,
    `on_event` what happens to the processes.
    """

    def __init__(
        self,
        directory: Path,
        *,
        fair_sharing: bool = False,
        with_monitoring: bool = True,
        report: Report = ignore_progress,
        on_event: Callable[[ProcessEvent], None] = ignore_event,
    ) -> None:
        self.layout = Layout(directory.resolve())
        self.fair_sharing = fair_sharing
        self.with_monitoring = with_monitoring
        self._report = report
        self._on_event = on_event
        self._lock = DataDirLock(self.layout.directory)
        self._ports = PortBook(self.layout.ports)
        self._programs: Programs | None = None
        self._supervisor: Supervisor | None = None
        self._api: KubeApi | None = None
        self._paused: set[str] = set()
        self._is_ours = False
        self._is_ready = False
        self._state_lock = Lock()

    # --- what others need to know ---

    @property
    def directory(self) -> Path:
        return self.layout.directory

    @property
    def kubeconfig(self) -> Path:
        """The administrator's. The product never gets it: see `token_kubeconfig`."""
        return self.layout.kubeconfig

    @property
    def api_server_url(self) -> str:
        return f"https://127.0.0.1:{self.port('kube-apiserver')}"

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self.port('prometheus')}"

    @property
    def prometheus_data(self) -> Path:
        """Blocks put here before the first start are there when Prometheus comes up."""
        return self.layout.prometheus_data

    @property
    def programs(self) -> Programs:
        """Built on first use."""
        if self._programs is None:
            self._programs = build(self._report)
        return self._programs

    @property
    def supervisor(self) -> Supervisor:
        """For processes that belong to the cluster, such as the GPU exporter: they stop with it.

        Raises: NotRunningError before `start` and after `stop`.
        """
        if self._supervisor is None:
            raise NotRunningError("The sandbox is not running.", hint="Call start() first.")
        return self._supervisor

    @property
    def api(self) -> KubeApi:
        """The API server, as its administrator."""
        if self._api is None:
            raise NotRunningError("The sandbox is not running.", hint="Call start() first.")
        return self._api

    def port(self, name: str) -> int:
        """A loopback port for whatever `name` is, the same at every start as long as nobody else takes it."""
        return self._ports.get(name)

    # --- life ---

    def start(self) -> None:
        """Bring everything up and return when Kueue is ready.

        Raises: DataDirBusyError when another process uses the folder; BuildError; StartError with the end of the log of
            the process that failed. Nothing is left running then.
        """
        programs = self.programs
        self._lock.acquire()
        self._is_ours = True
        try:
            self._start(programs)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process; what the cluster holds stays in the folder. Does nothing to a sandbox that was not started."""
        if not self._is_ours:
            self._ports.release()
            return  # the folder may be somebody else's
        self._is_ready = False
        if self._supervisor is not None:
            for name in tuple(self._paused):
                self.resume(name)
            self._supervisor.stop_all()
        self._supervisor = None
        if self._api is not None:
            self._api.close()
        self._api = None
        self._ports.release()
        self.layout.state.unlink(missing_ok=True)
        self._is_ours = False
        self._lock.release()

    def watch(self, until: Event) -> None:
        """Restart what crashes, until the event is set. Tests that want a dead process to stay dead do not call it."""
        self.supervisor.watch(until)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- using the cluster ---

    def kubectl(self, *arguments: str, input: str | None = None, seconds: float = KUBECTL_SECONDS) -> str:
        """Run kubectl as the administrator and return what it printed.

        Raises: KubectlError with its standard error.
        """
        return self.kubectl_as(self.kubeconfig, *arguments, input=input, seconds=seconds)

    def kubectl_as(
        self, kubeconfig: Path, *arguments: str, input: str | None = None, seconds: float = KUBECTL_SECONDS
    ) -> str:
        """The same with somebody else's kubeconfig."""
        command = (
            str(self.programs.kubectl),
            f"--kubeconfig={kubeconfig}",
            f"--cache-dir={self.layout.kubectl_cache}",
        )
        try:
            result = subprocess.run(
                [*command, *arguments], input=input, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl {' '.join(arguments)} took longer than {seconds:.0f} s") from error
        if result.returncode != 0:
            raise KubectlError(result.stderr.strip() or f"kubectl ended with {result.returncode}")
        return result.stdout

    def apply(self, manifests: str | Sequence[Mapping[str, Any]]) -> str:
        """Server-side apply of YAML text or of objects (raw Kubernetes JSON).

        Not for nodes: the server drops the status of a node that is applied.
        """
        bundle = {"apiVersion": "v1", "kind": "List", "items": manifests}
        text = manifests if isinstance(manifests, str) else json.dumps(bundle)
        options = ("--server-side", "--force-conflicts", f"--field-manager={preparing.FIELD_MANAGER}")
        return self.kubectl("apply", *options, "-f", "-", input=text)

    def token_kubeconfig(self, namespace: str, service_account: str, *, seconds: int = 24 * 3600) -> str:
        """The text of a kubeconfig that is this ServiceAccount, as one registers a cluster in the product.

        The ServiceAccount must exist; its rights are whatever was bound to it.
        """
        token = preparing.request_token(self.api, namespace=namespace, service_account=service_account, seconds=seconds)
        return build_token_kubeconfig(
            server=self.api_server_url,
            authority=self._certificates().authority.certificate.read_bytes(),
            user=service_account,
            token=token,
            namespace=namespace,
        )

    def add_target(self, job: str, address: str, *, labels: Mapping[str, str] | None = None) -> None:
        """Let Prometheus scrape `address` (host:port) at /metrics; jobs: `prometheus.FILE_JOBS`. Any time, also before start."""
        self.layout.create()
        prometheus.write_target(self.layout, job=job, address=address, labels=labels or {})

    def use_fair_sharing(self, is_on: bool) -> None:
        """Restart Kueue in that mode; whatever it knows it reads again from the API server. Returns when it is ready."""
        self.fair_sharing = is_on
        self._write_kueue_configuration()
        self.restart("kueue")

    # --- faults ---

    def kill(self, name: str) -> None:
        """End a process as a crash would; it stays down until `restart` (or until `watch` brings it back)."""
        self._paused.discard(name)
        supervisor = self.supervisor
        pid = supervisor.pid(name)
        supervisor.kill(name, signal.SIGKILL)
        wait_until(
            lambda: supervisor.pid(name) != pid or not supervisor.is_running(name),
            seconds=10,
            describe=f"{name} to be gone",
        )

    def restart(self, name: str) -> None:
        """Start a process again with the same command, ports and files, and return when it is ready."""
        if name in self._paused:
            self.resume(name)
        self.supervisor.restart(name)

    def pause(self, name: str) -> None:
        """Stop the clock of a process: it accepts connections and never answers."""
        self.supervisor.kill(name, signal.SIGSTOP)
        # On a busy machine its threads go on for a while; this returns when the last one stands still.
        os.waitid(os.P_PID, self.supervisor.pid(name), os.WSTOPPED | os.WNOWAIT)
        self._paused.add(name)

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        self.supervisor.kill(name, signal.SIGCONT)
        self._paused.discard(name)

    # --- inside ---

    def _certificates(self) -> Certificates:
        return ensure_certificates(self.layout.certificates)

    def _start(self, programs: Programs) -> None:
        layout, port = self.layout, self.port
        layout.create()
        layout.state.unlink(missing_ok=True)  # of a run that was killed
        layout.marker.write_text(json.dumps({"kind": "aidashboard sandbox"}), encoding="utf-8")
        certificates = self._certificates()
        self._write_kubeconfigs(certificates)
        self._write_configurations(programs)
        manifests = kueue.build_manifests(
            json.loads(programs.kueue_manifests.read_text(encoding="utf-8")),
            kueue.read_address(certificates, port=port),
        )
        supervisor = Supervisor(on_event=self._note_event, keep_open=[self._lock.descriptor])
        self._supervisor = supervisor
        self._api = KubeApi.from_kubeconfig(self.kubeconfig)
        try:
            supervisor.start(components.build_etcd(programs=programs, layout=layout, port=port))
            supervisor.start(
                components.build_api_server(programs=programs, layout=layout, certificates=certificates, port=port)
            )
            with ThreadPoolExecutor(1, thread_name_prefix="prepare") as background:
                preparation = background.submit(self._prepare, manifests)
                supervisor.start_all(
                    [
                        components.build_controller_manager(
                            programs=programs, layout=layout, certificates=certificates, port=port
                        ),
                        components.build_scheduler(programs=programs, layout=layout, port=port),
                        kwok.build_kwok(programs=programs, layout=layout, certificates=certificates, port=port),
                    ]
                )
                preparation.result()
            supervisor.start_all([kueue.build_kueue(programs=programs, layout=layout, port=port), *self._monitoring()])
            preparing.apply_api_services(self._api, manifests, now=datetime.now(UTC))
        except ProcessStartError as error:
            raise StartError(str(error), hint=f"All logs lie in {layout.logs}.") from error
        self._is_ready = True
        self._write_state()

    def _prepare(self, manifests: kueue.KueueManifests) -> None:
        """Fill the cluster with what its components need, unless the last start did exactly that."""
        wanted = preparing.hash_manifests((*manifests.all(), *preparing.build_grants()))
        applied = self.layout.applied
        if not applied.exists() or applied.read_text(encoding="utf-8") != wanted:
            with closing(KubeApi.from_kubeconfig(self.kubeconfig)) as api:  # it opens a connection per thread
                preparing.prepare(api, manifests)
            applied.write_text(wanted, encoding="utf-8")
        token = prometheus.kueue_token_path(self.layout)
        if self.with_monitoring and not token.exists():
            text = preparing.request_token(
                self.api,
                namespace=kueue.NAMESPACE,
                service_account=preparing.METRICS_READER,
                seconds=METRICS_TOKEN_SECONDS,
            )
            _write_private(token, text)

    def _monitoring(self) -> list[ProcessSpec]:
        if not self.with_monitoring:
            return []
        return [
            prometheus.build_state_metrics(programs=self.programs, layout=self.layout, port=self.port),
            prometheus.build_prometheus(programs=self.programs, layout=self.layout, port=self.port),
        ]

    def _write_kubeconfigs(self, certificates: Certificates) -> None:
        authority = certificates.authority.certificate.read_bytes()
        for name, holder in HOLDERS.items():
            pair = certificates.clients[name]
            text = build_certificate_kubeconfig(
                server=self.api_server_url,
                authority=authority,
                user=holder.user,
                certificate=pair.certificate.read_bytes(),
                key=pair.key.read_bytes(),
            )
            _write_private(self.layout.client_kubeconfig(name), text)

    def _write_configurations(self, programs: Programs) -> None:
        layout, port = self.layout, self.port
        self._write_kueue_configuration()
        link = layout.kueue / "visibility-certs"
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(layout.kueue_certificates, layout.kueue))
        log_file = layout.kwok / "container.log"
        _write_private(log_file, kwok.build_training_log(now=datetime.now(UTC)))
        _write_private(
            layout.kwok / "kwok.yaml",
            kwok.build_configuration(stages=kwok.read_stages(programs.kwok_stages), log_file=log_file),
        )
        _write_private(layout.prometheus / "prometheus.yml", prometheus.build_configuration(layout=layout, port=port))

    def _write_kueue_configuration(self) -> None:
        text = kueue.build_configuration(
            port=self.port, certificate_folder=str(self.layout.kueue_certificates), fair_sharing=self.fair_sharing
        )
        _write_private(self.layout.kueue / "config.yaml", text)

    def _note_event(self, event: ProcessEvent) -> None:
        self._write_state()
        self._on_event(event)

    def _write_state(self) -> None:
        """Tell other processes (`python -m sandbox status`) what runs here."""
        supervisor = self._supervisor
        if supervisor is None:
            return
        state = {
            "pid": os.getpid(),
            "is_ready": self._is_ready,
            "written_at": time.time(),
            "kubeconfig": str(self.kubeconfig),
            "api_server_url": self.api_server_url,
            "prometheus_url": self.prometheus_url if self.with_monitoring else "",
            "processes": {name: supervisor.pid(name) for name in supervisor.names},
        }
        with self._state_lock:  # events come from several threads
            _write_private(self.layout.state, json.dumps(state, indent=1))


def _write_private(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.partial")
    scratch.touch(mode=0o600)
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
