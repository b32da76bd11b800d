"""What templates need to show values: icons, numbers, times. Pure text in, text out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.domain.roles import Permission
from accounts.permissions import has_permission
from clusters.models import Cluster
from frontend.chosen_cluster import PARAMETER
from frontend.words import describe_age, describe_duration, format_bytes, format_number

register = template.Library()
Context = dict[str, Any]  # Any: a template context


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon of the sprite; with a label it means something by itself, without one it is decoration."""
    sprite = static("vendor/icons.svg")
    if label:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}" focusable="false"><use href="{}#{}"></use></svg>',
            label,
            sprite,
            name,
        )
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>', sprite, name
    )


@register.simple_tag(takes_context=True)
def live(
    context: Context, topics: str, *, cluster: Cluster | None = None, url: str = "", is_unsettled: bool = False
) -> SafeString:
    """Attributes that make an element refresh itself when one of the topics changes on its cluster, without one on any.

    The element needs an id that is also the name of its partial. `url` is where it comes from, by default this very address.
    While `is_unsettled`, it also asks again by itself: the event that it waits for may have come before it listened.
    """
    return format_html(
        'data-aid-topics="{}" data-aid-cluster="{}" hx-get="{}" hx-trigger="aid-refresh" hx-target="this" hx-swap="outerHTML"{}',
        topics,
        cluster.pk if cluster else "",
        url or _name_cluster(context["request"], cluster),
        " data-aid-unsettled" if is_unsettled else "",
    )


def _name_cluster(request: HttpRequest, cluster: Cluster | None) -> str:
    """This very address, with the cluster said in it: another tab may choose another one meanwhile."""
    if cluster is None or PARAMETER in request.GET:
        return request.get_full_path()
    query = request.GET.copy()
    query[PARAMETER] = cluster.name
    return f"{request.path}?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def may(context: Context, permission: str) -> bool:
    """Whether the person who looks holds the permission: `{% may "cluster.change" as may_change %}`."""
    return has_permission(context["request"].user, Permission(permission))


@register.filter
def number(value: int | float | None) -> str:
    """An amount with thin separators; a dash for none."""
    return "–" if value is None else format_number(value)


@register.filter
def percent(ratio: float | None) -> str:
    """A ratio 0..1 as a whole percent."""
    return "–" if ratio is None else f"{round(ratio * 100)}%"


@register.filter
def gib(value: int | None) -> str:
    """Bytes in GiB with one decimal."""
    return "–" if value is None else format_bytes(value)


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago, in words."""
    return "never" if moment is None else describe_age(int((timezone.now() - moment).total_seconds()))


@register.filter
def age(seconds: int | None) -> str:
    """A number of seconds in words."""
    return "never" if seconds is None else describe_age(seconds)


@register.filter
def duration(seconds: int | None) -> str:
    """A span in its two largest units; a dash for none."""
    return "–" if seconds is None else describe_duration(seconds)
