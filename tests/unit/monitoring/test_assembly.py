"""From samples to values: units, gaps, what is missing."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from monitoring.assembly import build_history, build_snapshot, build_totals
from monitoring.prometheus.parsing import Matrix, Sample, Series
from monitoring.promql import FIGURE

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
DEVICE = {"node": "node-a", "UUID": "GPU-a0", "gpu": "0"}


def history(*series: Series, steps: int = 3) -> dict[str, tuple[float | None, ...]]:
    matrix = Matrix(series=series)
    end = START + timedelta(seconds=60 * (steps - 1))
    built = build_history(
        matrix,
        start=START,
        end=end,
        step_seconds=60,
        name_line=lambda labels: labels.get("line"),
        convert=lambda line, value: value,
    )
    assert len(built.at) == steps
    return dict(built.lines)


def at(step: int, value: float) -> tuple[datetime, float]:
    return START + timedelta(seconds=60 * step), value


def test_gaps_stay_gaps_and_never_become_zero() -> None:
    lines = history(Series(labels={"line": "used"}, points=(at(0, 1.0), at(2, 0.0))))
    assert lines == {"used": (1.0, None, 0.0)}


def test_infinity_and_nan_are_gaps() -> None:
    lines = history(Series(labels={"line": "max"}, points=(at(0, math.inf), at(1, math.nan), at(2, 8.0))))
    assert lines == {"max": (None, None, 8.0)}


def test_series_of_one_line_are_added_and_nameless_ones_left_out() -> None:
    lines = history(
        Series(labels={"line": "a"}, points=(at(0, 1.0),)),
        Series(labels={"line": "a"}, points=(at(0, 2.0), at(1, 5.0))),
        Series(labels={}, points=(at(0, 9.0),)),
    )
    assert lines == {"a": (3.0, 5.0, None)}


def test_points_outside_the_range_are_dropped() -> None:
    assert history(Series(labels={"line": "a"}, points=(at(-1, 1.0), at(7, 1.0)))) == {"a": (None, None, None)}


def test_a_device_without_memory_figures_has_none() -> None:
    snapshot = build_snapshot([Sample(labels={**DEVICE, FIGURE: "used"}, value=50.0)])
    (device,) = snapshot.devices
    assert (device.used_ratio, device.memory_used_bytes, device.memory_total_bytes, device.memory_used_ratio) == (
        0.5,
        None,
        None,
        None,
    )


def test_devices_are_ordered_by_number_and_not_by_text() -> None:
    samples = [
        Sample(labels={**DEVICE, "UUID": f"GPU-{index}", "gpu": str(index), FIGURE: "used"}, value=1.0)
        for index in (10, 2, 0)
    ]
    assert [device.gpu for device in build_snapshot(samples).devices] == ["0", "2", "10"]


def test_no_xid_is_none_and_not_zero() -> None:
    readings = [Sample(labels={**DEVICE, FIGURE: "used"}, value=1.0)]
    conditions = [Sample(labels={**DEVICE, FIGURE: "xid"}, value=0.0)]
    assert build_snapshot(readings, conditions=conditions).devices[0].last_xid is None


def test_totals_that_are_missing_are_none() -> None:
    snapshot = build_snapshot([Sample(labels={**DEVICE, FIGURE: "used"}, value=math.nan)])
    totals = build_totals(snapshot, [Sample(labels={FIGURE: "total"}, value=8.0)])
    assert (totals.used_ratio, totals.memory_used_ratio, totals.memory_allocated_bytes) == (None, None, None)
    assert (totals.gpus_total, totals.gpus_allocated) == (8, None)
