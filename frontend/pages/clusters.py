"""What the pages of clusters show: which there are, whether they answer, and where their metrics come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.forms import Form
from django.utils.safestring import SafeString

from accounts.models import User
from clusters import selectors
from clusters.models import Cluster, Connection
from frontend.chips import Chip, build_connection_chip
from frontend.pages.links import build_url, join_words, link
from frontend.tables import Column, Paging, TableQuery
from frontend.words import count_of, format_number
from monitoring import selectors as monitoring
from monitoring.domain.capacity import Capacity
from monitoring.selectors import SourceStatus
from quotas.selectors import list_trees

CSV_HEADER: Final = (
    "name", "display_name", "connection", "last_seen_at", "kubernetes_version", "kueue_version", "gpu_nodes", "gpus_total",
    "gpus_allocated", "gpus_free", "quota_trees", "api_server_url", "prometheus_url",
)  # fmt: skip
SORTABLE: Final = ("name", "connection", "last_seen_at")
LATE_AFTER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRow:
    """One cluster with its numbers; each leads to the list behind it."""

    cluster: Cluster
    chip: Chip
    is_late: bool
    age_seconds: int | None
    capacity: Capacity
    trees: int
    prometheus_chip: Chip
    url: str
    nodes_url: str
    gpus_url: str
    free_url: str
    quotas_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterList:
    sentence: SafeString
    table: TableQuery
    columns: tuple[Column, ...]
    paging: Paging[Cluster]
    rows: tuple[ClusterRow, ...]
    has_clusters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDetail:
    row: ClusterRow
    cluster: Cluster
    sentence: str
    source: SourceStatus
    gaps: tuple[str, ...]
    forget_form: Form
    audit_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPage:
    """The page with both ways to register; `way` is the one that is open."""

    way: str
    form: Form
    kubeconfig_url: str
    token_url: str
    is_check_skippable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterForm:
    """A page that is one form about a cluster."""

    cluster: Cluster
    title: str
    sentence: str
    form: Form
    back_url: str
    submit_label: str
    is_check_skippable: bool
    tabs: tuple[tuple[str, str, bool], ...] = ()
    removes: bool = False


def build_cluster_list(table: TableQuery, *, viewer: User, now: datetime) -> ClusterList:
    found = selectors.list_clusters()
    if table.search:
        found = found.filter(name__icontains=table.search)
    paging: Paging[Cluster] = table.paginate(found.order_by(*table.ordering))
    rows = tuple(build_row(cluster, viewer=viewer, now=now) for cluster in paging.rows)
    return ClusterList(
        sentence=_describe_all(rows, total=paging.total, is_search=bool(table.search)),
        table=table,
        columns=table.columns(
            (
                Column(label="Cluster", key="name"),
                Column(label="Connection", key="connection"),
                Column(label="Seen", key="last_seen_at"),
                Column(label="Versions"),
                Column(label="GPU nodes", is_number=True),
                Column(label="GPUs", is_number=True),
                Column(label="Allocated", is_number=True),
                Column(label="Free", is_number=True),
                Column(label="Quota trees", is_number=True),
                Column(label="Metrics"),
            )
        ),
        paging=paging,
        rows=rows,
        has_clusters=bool(paging.total) or selectors.find_default_cluster() is not None,
    )


def list_csv_rows(table: TableQuery, *, viewer: User, now: datetime) -> Iterator[tuple[object, ...]]:
    found = selectors.list_clusters()
    if table.search:
        found = found.filter(name__icontains=table.search)
    for cluster in found.order_by(*table.ordering):
        row = build_row(cluster, viewer=viewer, now=now)
        capacity = row.capacity
        yield (
            cluster.name, cluster.display_name, cluster.connection, cluster.last_seen_at, cluster.kubernetes_version,
            cluster.kueue_version, capacity.gpu_nodes, capacity.gpus_total, capacity.gpus_allocated, capacity.gpus_free,
            row.trees, cluster.api_server_url, monitoring.describe_source(cluster).url,
        )  # fmt: skip


def build_row(cluster: Cluster, *, viewer: User, now: datetime) -> ClusterRow:
    age = None if cluster.last_seen_at is None else max(timedelta(0), now - cluster.last_seen_at)
    return ClusterRow(
        cluster=cluster,
        chip=build_connection_chip(
            cluster.connection, reason=cluster.connection_message, since=cluster.connection_since
        ),
        is_late=age is None or age > LATE_AFTER,
        age_seconds=None if age is None else int(age.total_seconds()),
        capacity=monitoring.get_capacity(cluster),
        trees=list_trees(viewer=viewer, cluster=cluster).count(),
        prometheus_chip=_build_source_chip(monitoring.describe_source(cluster), cluster),
        url=build_url("clusters:cluster-detail", cluster.name),
        nodes_url=build_url("nodes:node-list", cluster=cluster.name),
        gpus_url=build_url("nodes:gpu-list", cluster=cluster.name),
        free_url=build_url("nodes:node-list", cluster=cluster.name, state="free"),
        quotas_url=build_url("quotas:quota-list", cluster=cluster.name),
    )


def build_cluster_detail(cluster: Cluster, *, viewer: User, forget_form: Form, now: datetime) -> ClusterDetail:
    row = build_row(cluster, viewer=viewer, now=now)
    source = monitoring.describe_source(cluster)
    return ClusterDetail(
        row=row,
        cluster=cluster,
        sentence=_describe_one(row),
        source=source,
        gaps=source.detected.gaps if source.detected else (),
        forget_form=forget_form,
        audit_url=build_url("audit:event-list", subject_type="Cluster", subject=cluster.pk),
    )


def build_register(form: Form, *, way: str) -> RegisterPage:
    return RegisterPage(
        way=way,
        form=form,
        kubeconfig_url=build_url("clusters:cluster-register"),
        token_url=build_url("clusters:cluster-register", way="token"),
        is_check_skippable=_is_skippable(form),
    )


def build_credential_form(cluster: Cluster, form: Form, *, way: str) -> ClusterForm:
    url = build_url("clusters:credential-change", cluster.name)
    token_url = build_url("clusters:credential-change", cluster.name, way="token")
    return ClusterForm(
        cluster=cluster,
        title="Change the credential",
        sentence=f"The new credential of {cluster.name} is tried before the old one is forgotten.",
        form=form,
        back_url=build_url("clusters:cluster-detail", cluster.name),
        submit_label="Check and change",
        is_check_skippable=_is_skippable(form),
        tabs=(("Kubeconfig", url, way == "kubeconfig"), ("Token", token_url, way == "token")),
    )


def build_prometheus_form(cluster: Cluster, form: Form, *, is_connected: bool) -> ClusterForm:
    return ClusterForm(
        cluster=cluster,
        title="Metrics source",
        sentence=f"Utilisation, memory, power and errors of the GPUs of {cluster.name} come from here.",
        form=form,
        back_url=build_url("clusters:cluster-detail", cluster.name),
        submit_label="Check and save",
        is_check_skippable=_is_skippable(form),
        removes=is_connected,
    )


def _is_skippable(form: Form) -> bool:
    """After a check that failed, a person may insist: the cluster may be away for a while."""
    return form.is_bound and bool(form.errors)


def _build_source_chip(source: SourceStatus, cluster: Cluster) -> Chip:
    url = build_url("clusters:prometheus-edit", cluster.name)
    if not source.url:
        return Chip(label="Not connected", tone="plain", icon="link-off", url=url)
    if source.message:
        return Chip(label="Failing", tone="bad", icon="alert-triangle", reason=source.message, url=url)
    if source.detected is None:
        return Chip(label="Not probed yet", tone="plain", icon="clock", url=url)
    if source.detected.gaps:
        return Chip(label="Partial", tone="warn", icon="alert-triangle", reason=" ".join(source.detected.gaps), url=url)
    return Chip(label="Connected", tone="good", icon="check", url=url)


def _describe_all(rows: tuple[ClusterRow, ...], *, total: int, is_search: bool) -> SafeString:
    """The sums are of the rows that are shown; of a list of several pages only its length is told."""
    if not rows:
        return join_words(["No cluster matches." if is_search else "No cluster is registered."])
    if total > len(rows):
        return join_words([f"{count_of(total, 'cluster')}."])
    gpus = sum(row.capacity.gpus_total for row in rows)
    free = sum(row.capacity.gpus_free for row in rows)
    away = [row for row in rows if row.cluster.connection != Connection.REACHABLE]
    sentence = f"{count_of(total, 'cluster')} with {count_of(gpus, 'GPU')}, {format_number(free)} of them free"
    if not away:
        return join_words([f"{sentence}; {'it answers' if len(rows) == 1 else 'all answer'}."])
    names = join_words([link(row.cluster.name, row.url) for row in away])
    return join_words([f"{sentence}; ", names, f" {'does' if len(away) == 1 else 'do'} not answer."], "")


def _describe_one(row: ClusterRow) -> str:
    cluster, capacity = row.cluster, row.capacity
    if cluster.last_seen_at is None:
        return f"Registered, and not seen yet. {cluster.connection_message}".strip()
    gpus = f"{count_of(capacity.gpus_total, 'GPU')} on {count_of(capacity.gpu_nodes, 'node')}, {format_number(capacity.gpus_free)} free"
    if cluster.connection != Connection.REACHABLE:
        return f"Does not answer: {cluster.connection_message} What you see is what was seen last: {gpus}."
    return f"Answers, with {gpus}."
