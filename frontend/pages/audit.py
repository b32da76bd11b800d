"""What the audit pages show: who changed what, when, and from which value to which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.db.models import QuerySet

from accounts import selectors
from accounts.models import AuditEvent
from frontend.pages.menus import MenuForm, build_menu, build_menu_form
from frontend.tables import Column, FilterChip, Paging, TableQuery
from frontend.words import count_of

SPANS: Final = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
SPAN_LABELS: Final = {"1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
SPAN_WORDS: Final = {
    "1h": "in the last hour",
    "24h": "in the last 24 hours",
    "7d": "in the last 7 days",
    "30d": "in the last 30 days",
}
SORTABLE: Final = ("at", "actor_name", "kind", "subject_name")
CSV_HEADER: Final = ("at", "kind", "person", "subject_type", "subject_name", "summary", "request_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One event; each of the three addresses narrows the list to what it names."""

    pk: int
    at: datetime
    actor_name: str
    kind: str
    subject_name: str
    summary: str
    actor_url: str
    kind_url: str
    subject_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditList:
    """The list. `sentence` counts what is shown; the menus choose kind and person."""

    sentence: str
    table: TableQuery
    columns: tuple[Column, ...]
    paging: Paging[AuditEvent]
    rows: tuple[AuditRow, ...]
    span_chips: tuple[FilterChip, ...]
    menus: MenuForm
    has_events: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of an event: what it was (empty when the event knows only the outcome) and what it became."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditDetail:
    event: AuditEvent
    sentence: str
    changes: tuple[Change, ...]
    has_before: bool
    actor_url: str
    kind_url: str
    same_subject_url: str


def build_audit_list(table: TableQuery, *, now: datetime) -> AuditList:
    paging = table.paginate(_list_events(table, now=now))
    return AuditList(
        sentence=_describe(paging.total, table),
        table=table,
        columns=table.columns(
            (
                Column(label="When", key="at"),
                Column(label="Who", key="actor_name"),
                Column(label="What", key="kind"),
                Column(label="Subject", key="subject_name"),
                Column(label="Summary"),
            )
        ),
        paging=paging,
        rows=tuple(_build_row(event, table) for event in paging.rows),
        span_chips=table.chips("since", SPAN_LABELS),
        menus=build_menu_form(
            table,
            [
                build_menu(table, "kind", "All kinds", selectors.list_audit_kinds()),
                build_menu(table, "actor", "Everybody", selectors.list_audit_actors()),
            ],
        ),
        has_events=bool(paging.total) or selectors.list_audit_events().exists(),
    )


def list_csv_rows(table: TableQuery, *, now: datetime) -> Iterator[tuple[object, ...]]:
    """Every event that the list's filters leave, not only the page of it."""
    for event in _list_events(table, now=now).iterator(chunk_size=500):
        yield (
            event.at.isoformat(),
            event.kind,
            event.actor_name,
            event.subject_type,
            event.subject_name,
            event.summary,
            event.request_id,
        )


def build_audit_detail(event: AuditEvent, *, list_url: str) -> AuditDetail:
    changes = tuple(_read_changes(event.details))
    return AuditDetail(
        event=event,
        sentence=f"{event.actor_name} did this on {event.at:%Y-%m-%d} at {event.at:%H:%M:%S} UTC.",
        changes=changes,
        actor_url=f"{list_url}?{urlencode({'actor': event.actor_name})}",
        kind_url=f"{list_url}?{urlencode({'kind': event.kind})}",
        has_before=any(change.before for change in changes),
        same_subject_url=f"{list_url}?{urlencode({'subject_type': event.subject_type, 'subject': event.subject_id})}",
    )


def _build_row(event: AuditEvent, table: TableQuery) -> AuditRow:
    return AuditRow(
        pk=event.pk,
        at=event.at,
        actor_name=event.actor_name,
        kind=event.kind,
        subject_name=event.subject_name,
        summary=event.summary,
        actor_url=table.url(actor=event.actor_name),
        kind_url=table.url(kind=event.kind),
        subject_url=table.url(subject_type=event.subject_type, subject=event.subject_id),
    )


def _list_events(table: TableQuery, *, now: datetime) -> QuerySet[AuditEvent]:
    span = SPANS.get(table.get("since"))
    return selectors.list_audit_events(
        search=table.search,
        kind=table.get("kind"),
        actor=table.get("actor"),
        subject_type=table.get("subject_type"),
        subject_id=table.get("subject"),
        since=now - span if span else None,
    ).order_by(*(("-at", "-pk") if table.sort == "-at" else table.ordering))


def _read_changes(details: dict[str, object]) -> Iterator[Change]:
    before, after = details.get("before"), details.get("after")
    if isinstance(before, dict) or isinstance(after, dict):
        old = before if isinstance(before, dict) else {}
        new = after if isinstance(after, dict) else {}
        for field in dict.fromkeys((*old, *new)):
            yield from _compare(str(field), old.get(field), new.get(field))
    for field, value in details.items():
        if field not in {"before", "after"} or not isinstance(value, dict | None):
            yield from _compare(str(field), None, value)


def _compare(field: str, old: object, new: object) -> Iterator[Change]:
    """Nested values side by side down to the leaves: `max.nvidia.com/gpu: 16 -> 24`."""
    if isinstance(old, dict) or isinstance(new, dict):
        olds = old if isinstance(old, dict) else {}
        news = new if isinstance(new, dict) else {}
        for key in dict.fromkeys((*olds, *news)):
            yield from _compare(f"{field} · {key}", olds.get(key), news.get(key))
    elif old != new or old is None:
        yield Change(field=field, before=_show(old), after=_show(new))


def _show(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_show(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_show(item)}" for key, item in value.items())
    return str(value)


def _describe(total: int, table: TableQuery) -> str:
    parts = [count_of(total, "change")]
    if table.get("actor"):
        parts.append(f"by {table.get('actor')}")
    if table.get("kind"):
        parts.append(f"of kind {table.get('kind')}")
    parts.append(SPAN_WORDS.get(table.get("since"), "so far"))
    return " ".join(parts) + (f", matching “{table.search}”." if table.search else ".")
