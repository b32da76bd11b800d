"""The audit trail."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from accounts import selectors
from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from frontend.pages import audit as pages
from frontend.rendering import render_csv, render_page
from frontend.tables import read_table_query


@require_permission(Permission.AUDIT_VIEW)
def event_list(request: SignedInRequest) -> HttpResponseBase:
    table = read_table_query(request, sortable=pages.SORTABLE, default_sort="-at")
    if table.is_csv:
        return render_csv("audit", pages.CSV_HEADER, pages.list_csv_rows(table, now=timezone.now()))
    return render_page(request, "audit/event_list.html", pages.build_audit_list(table, now=timezone.now()))


@require_permission(Permission.AUDIT_VIEW)
def event_detail(request: SignedInRequest, event_id: int) -> HttpResponseBase:
    event = selectors.get_audit_event(event_id=event_id)
    page = pages.build_audit_detail(event, list_url=reverse("audit:event-list"))
    return render_page(request, "audit/event_detail.html", page)
