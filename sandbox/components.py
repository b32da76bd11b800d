"""The processes of the control plane itself: which flags, which environment, when ready. Pure: nothing is started here.

Only what a sandbox needs differs from a production cluster: loopback addresses, no fsync, no leader election (each runs
once), and settings that keep the load on a small machine low. Authentication, authorization, admission and aggregation
are as on the real thing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from aidashboard.stack.supervision import ProcessSpec

from .certificates import Certificates
from .checking import answers
from .layout import Layout
from .programs import Programs

SERVICE_RANGE = "10.0.0.0/16"
# The address that the Service `kubernetes` would point to; nothing in a sandbox ever connects to it.
ADVERTISED_ADDRESS = "10.255.0.1"

# For processes that keep nothing but what the API server has: when the supervisor is killed they go at once. With SIGTERM
# they would try for a quarter of a minute to take leave of a server that is gone, and the folder stays in use so long.
ENDED_AT_ONCE = signal.SIGKILL

Port = Callable[[str], int]


def go_environment(*, memory_mib: int) -> Mapping[str, str]:
    """A soft limit on memory, about twice what 1,000 nodes with 4,000 pods need: it ends the growth of a long run.

    GOGC stays at its default. Measured on two cores: 200 saves no processor time worth the name (start 4.5 instead of 5.0 s,
    a thousand pods 24 instead of 23 s) and costs 150 to 250 MB.
    """
    return MappingProxyType({"GOMEMLIMIT": f"{memory_mib}MiB"})


def build_etcd(*, programs: Programs, layout: Layout, port: Port) -> ProcessSpec:
    client, peer = (f"http://127.0.0.1:{port(name)}" for name in ("etcd", "etcd-peer"))
    return ProcessSpec(
        name="etcd",
        command=(
            str(programs.etcd),
            f"--data-dir={layout.etcd}",
            "--name=sandbox",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=sandbox={peer}",
            # A crash of the process loses nothing; only a crash of the machine can.
            "--unsafe-no-fsync",
            # History that nobody watches any more; without it the file grows by every heartbeat.
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=10m",
            "--quota-backend-bytes=4294967296",
            "--log-level=warn",
        ),
        environment=go_environment(memory_mib=400),
        log_path=layout.log("etcd"),
        is_ready=answers("etcd", port=port),
        ready_seconds=30,
    )


def build_api_server(
    *, programs: Programs, layout: Layout, certificates: Certificates, port: Port, ready_seconds: float = 90
) -> ProcessSpec:
    own, proxy = certificates.api_server, certificates.front_proxy
    return ProcessSpec(
        name="kube-apiserver",
        command=(
            str(programs.kube_apiserver),
            f"--etcd-servers=http://127.0.0.1:{port('etcd')}",
            f"--secure-port={port('kube-apiserver')}",
            "--bind-address=127.0.0.1",
            f"--advertise-address={ADVERTISED_ADDRESS}",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={layout.certificates}",
            f"--tls-cert-file={own.certificate}",
            f"--tls-private-key-file={own.key}",
            f"--client-ca-file={certificates.authority.certificate}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={certificates.service_account.certificate}",
            f"--service-account-signing-key-file={certificates.service_account.key}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={certificates.kubelet_client.certificate}",
            f"--kubelet-client-key={certificates.kubelet_client.key}",
            f"--requestheader-client-ca-file={certificates.front_proxy_authority.certificate}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
            "--profiling=false",
            "--event-ttl=3h",
        ),
        environment=go_environment(memory_mib=1600),
        log_path=layout.log("kube-apiserver"),
        is_ready=answers("kube-apiserver", port=port),
        ready_seconds=ready_seconds,
        death_signal=ENDED_AT_ONCE,
        # Asked politely it waits for every watch to end, which takes up to 20 s; what it knows is in etcd anyway.
        stop_seconds=3,
    )


def build_controller_manager(
    *, programs: Programs, layout: Layout, certificates: Certificates, port: Port
) -> ProcessSpec:
    name = "kube-controller-manager"
    return ProcessSpec(
        name=name,
        command=(
            str(programs.kube_controller_manager),
            *_as_client(layout.client_kubeconfig(name)),
            f"--secure-port={port(name)}",
            f"--cert-dir={layout.certificates}",
            f"--service-account-private-key-file={certificates.service_account.key}",
            f"--root-ca-file={certificates.authority.certificate}",
            "--use-service-account-credentials",
            f"--cluster-signing-cert-file={certificates.authority.certificate}",
            f"--cluster-signing-key-file={certificates.authority.key}",
            # Some fifty controllers share one client; the default of 20 a second makes the first minute slow.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
        ),
        environment=go_environment(memory_mib=500),
        log_path=layout.log(name),
        is_ready=answers(name, port=port),
        ready_seconds=60,
        death_signal=ENDED_AT_ONCE,
        stop_seconds=5,
    )


def build_scheduler(*, programs: Programs, layout: Layout, port: Port) -> ProcessSpec:
    name = "kube-scheduler"
    return ProcessSpec(
        name=name,
        command=(
            str(programs.kube_scheduler),
            *_as_client(layout.client_kubeconfig(name)),
            f"--secure-port={port(name)}",
            f"--cert-dir={layout.certificates}",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
        ),
        environment=go_environment(memory_mib=400),
        log_path=layout.log(name),
        is_ready=answers(name, port=port),
        ready_seconds=60,
        death_signal=ENDED_AT_ONCE,
        stop_seconds=5,
    )


def _as_client(kubeconfig: Path) -> tuple[str, ...]:
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    )
