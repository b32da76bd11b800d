"""The quota bar as text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from frontend.svg.quota_bar import BarPart, BarSize, QuotaBar, describe_bar, draw_quota_bar

TRACK = 240 / 1.08


def build_bar(**changes: object) -> QuotaBar:
    values: dict[str, object] = {"name": "research", "resource": "GPU", "min": 16, "max": 40, "used": 24, "borrowed": 8}
    return QuotaBar(**{**values, **changes})  # type: ignore[arg-type]  # a test's shorthand


def find_spans(bar: QuotaBar, kind: str) -> list[tuple[float, float]]:
    """Start and end of the rectangles of a class, in the unit of the bar."""
    spans = []
    for shape in ElementTree.fromstring(draw_quota_bar(bar)).iter("rect"):  # noqa: S314  (our own text)
        if shape.get("class", "").split()[0] == kind:
            start = float(shape.get("x", "0")) / TRACK * bar.end
            spans.append((start, start + float(shape.get("width", "0")) / TRACK * bar.end))
    return spans


def test_what_is_within_min_is_solid_and_what_is_above_is_striped() -> None:
    bar = build_bar()
    assert find_spans(bar, "quota-bar-used") == [pytest.approx((0, 16), abs=0.01)]
    assert find_spans(bar, "quota-bar-borrowed") == [pytest.approx((16, 24), abs=0.01)]
    assert 'fill="url(#aid-borrowed)"' in draw_quota_bar(bar)


def test_what_waits_stands_behind_what_is_used() -> None:
    (start, end), *_ = find_spans(build_bar(pending=4), "quota-bar-pending")
    assert start == pytest.approx(24, abs=0.6)
    assert end == pytest.approx(28, abs=0.6)


def test_what_waits_beyond_max_sticks_out_and_is_cut_at_the_edge() -> None:
    (start, end), *_ = find_spans(build_bar(max=24, pending=500), "quota-bar-pending")
    assert start == pytest.approx(24, abs=0.6)
    assert 24 < end <= 24 * 1.08


def test_lent_is_the_upper_end_of_min() -> None:
    bar = build_bar(name="serving", max=24, used=6, borrowed=0, lent=10)
    (start, end), *_ = find_spans(bar, "quota-bar-lent")
    assert start == pytest.approx(6, abs=0.1)
    assert end == pytest.approx(16, abs=0.1)


def test_a_parent_is_stacked_from_its_children() -> None:
    bar = build_bar(parts=(BarPart(name="nlp", used=10), BarPart(name="idle", used=0), BarPart(name="vision", used=14)))
    assert find_spans(bar, "quota-bar-used") == [pytest.approx((0, 10), abs=0.01), pytest.approx((10, 16), abs=0.01)]
    assert find_spans(bar, "quota-bar-borrowed") == [pytest.approx((16, 24), abs=0.01)]
    assert "<title>vision: 14</title>" in draw_quota_bar(bar)


def test_the_text_says_the_same_as_the_shapes() -> None:
    words = "research, GPU: 24 used of at most 40, 16 guaranteed, 8 borrowed, 4 pending"
    assert describe_bar(build_bar(pending=4)) == words
    assert f'aria-label="{words}"' in draw_quota_bar(build_bar(pending=4))


def test_an_unlimited_quota_has_no_stop() -> None:
    svg = draw_quota_bar(build_bar(max=None))
    assert "quota-bar-max" not in svg
    assert "without a Max" in svg


def test_the_large_bar_carries_its_scale() -> None:
    svg = draw_quota_bar(build_bar(), size=BarSize.HEADER, write=lambda amount: f"{amount} cores")
    assert re.findall(r">(M(?:in|ax) [^<]+)<", svg) == ["Min 16 cores", "Max 40 cores"]


def test_names_are_escaped() -> None:
    svg = draw_quota_bar(build_bar(name='<b> & "x"'))
    assert "<b>" not in svg
    ElementTree.fromstring(svg)  # noqa: S314  (our own text)


def test_no_style_attribute_since_the_policy_would_drop_it() -> None:
    assert "style=" not in draw_quota_bar(build_bar(lent=3, pending=3))


@pytest.mark.parametrize("size", list(BarSize))
def test_an_empty_quota_draws_without_dividing_by_zero(size: BarSize) -> None:
    ElementTree.fromstring(draw_quota_bar(build_bar(min=0, max=0, used=0, borrowed=0), size=size))  # noqa: S314
