"""The gallery's examples: each component with the values that make its variants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import QueryDict
from django.utils import timezone
from django.utils.safestring import SafeString

from aidashboard.kit.errors import Finding
from clusters.models import Connection, SyncState, WorkloadState
from frontend.chips import Chip, build_connection_chip, build_sync_chip, build_workload_chip
from frontend.forms.styled import TypedNameForm
from frontend.svg.quota_bar import BarPart, BarSize, QuotaBar, draw_quota_bar
from frontend.tables import Column, FilterChip, TableQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownBar:
    words: str
    row: SafeString
    header: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryPage:
    bars: tuple[ShownBar, ...]
    chips: tuple[Chip, ...]
    findings: tuple[Finding, ...]
    table: TableQuery
    columns: tuple[Column, ...]
    filter_chips: tuple[FilterChip, ...]
    confirmation: TypedNameForm
    moment: datetime


_BARS = {
    "borrowing, with work waiting": QuotaBar(
        name="research", resource="GPU", min=16, max=40, used=24, borrowed=8, pending=4
    ),
    "lending": QuotaBar(name="serving", resource="GPU", min=16, max=24, used=6, lent=10),
    "within Min": QuotaBar(name="vision", resource="GPU", min=16, max=24, used=9),
    "idle": QuotaBar(name="speech", resource="GPU", min=8, max=16, used=0),
    "full, more waits than fits": QuotaBar(name="nlp", resource="GPU", min=8, max=16, used=16, borrowed=8, pending=24),
    "without a Max": QuotaBar(name="sandbox", resource="GPU", min=0, max=None, used=12, borrowed=12),
    "a parent of three": QuotaBar(
        name="root",
        resource="GPU",
        min=40,
        max=64,
        used=46,
        borrowed=6,
        pending=4,
        parts=(BarPart(name="research", used=24), BarPart(name="serving", used=6), BarPart(name="vision", used=16)),
    ),
}


def build_gallery() -> GalleryPage:
    now = timezone.now()
    table = TableQuery(
        path="/gallery", parameters=QueryDict("state=failed"), search="", sort="-gpus", page_number=1, is_csv=False
    )
    return GalleryPage(
        bars=tuple(
            ShownBar(words=words, row=draw_quota_bar(bar), header=draw_quota_bar(bar, size=BarSize.HEADER))
            for words, bar in _BARS.items()
        ),
        chips=(
            *(build_sync_chip(state) for state in SyncState.values),
            *(build_workload_chip(state) for state in WorkloadState),
            *(build_connection_chip(state) for state in Connection.values),
            build_sync_chip(
                SyncState.FAILED,
                reason="The API server refused ClusterQueue root-research: borrowingLimit must not be negative.",
                since=now - timedelta(minutes=3),
                facts=(("attempts", "4"),),
                url="#",
            ),
        ),
        findings=(
            Finding(rule="child-min-sum", message="root: Min GPU 12 is less than the sum of its children's Min, 16."),
            Finding(
                rule="late", message="No capacity was observed yet: the check against it is left out.", is_warning=True
            ),
        ),
        table=table,
        columns=table.columns(
            (Column(label="Name", key="name"), Column(label="GPUs", key="gpus", is_number=True), Column(label="State"))
        ),
        filter_chips=table.chips("state", {"pending": "Pending", "failed": "Failed"}, {"pending": 7, "failed": 1}),
        confirmation=TypedNameForm(name="research", undone="nothing was deleted"),
        moment=now - timedelta(hours=2, minutes=11),
    )
