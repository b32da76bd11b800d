"""From usage to the quota bar."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.safestring import SafeString

from frontend.resources import name_resource, show_amount, unit_of
from frontend.svg.quota_bar import BarPart, BarSize, QuotaBar, draw_quota_bar
from quotas.domain.usage import ResourceUsage


def draw_usage(
    name: str, usage: ResourceUsage, *, parts: Sequence[BarPart] = (), size: BarSize = BarSize.ROW
) -> SafeString:
    """The bar of one node and resource. An unlimited quota is drawn up to what its work can ever reach."""
    resource = usage.resource
    unit = unit_of(resource)
    bar = QuotaBar(
        name=name,
        resource=name_resource(resource),
        min=usage.min,
        max=usage.effective_max if usage.effective_max is not None else usage.reachable,
        used=usage.used,
        borrowed=usage.borrowed,
        lent=usage.lent,
        pending=usage.pending,
        parts=parts,
    )
    return draw_quota_bar(bar, size=size, write=lambda amount: f"{show_amount(resource, amount)} {unit}".rstrip())
