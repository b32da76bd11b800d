"""What the heat strip draws."""

import re
import time

import pytest

from frontend.svg.heat_strip import HeatCell, HeatRow, describe_cells, draw_cells, draw_heat_strip
from monitoring.domain.gpus import GpuState


def cells(*states: GpuState) -> tuple[HeatCell, ...]:
    return tuple(HeatCell(state=state) for state in states)


def test_each_state_has_a_shape_of_its_own():
    drawings = [draw_cells(cells(state)).split(">", 1)[1] for state in GpuState]
    assert len({re.sub('class="[^"]*"', "", drawing) for drawing in drawings}) == len(GpuState)


def test_a_busy_cell_is_as_high_as_its_duty_cycle():
    half, full = (draw_cells([HeatCell(state=GpuState.BUSY, duty_ratio=ratio)]) for ratio in (0.5, 1.0))
    assert "M1 7h9v6h-9z" in half
    assert "M1 1h9v12h-9z" in full


def test_a_busy_cell_never_vanishes():
    assert "h9v2h-9z" in draw_cells([HeatCell(state=GpuState.BUSY, duty_ratio=0.0)])


def test_the_words_say_what_the_cells_show_with_trouble_first():
    states = [GpuState.BUSY] * 5 + [GpuState.FREE, GpuState.UNHEALTHY, GpuState.NO_TELEMETRY]
    assert describe_cells(cells(*states)) == "1 unhealthy, 5 busy, 1 free, 1 no telemetry"
    assert describe_cells(()) == "no GPU"


def test_a_node_with_many_cards_breaks_into_lines():
    assert 'height="28"' in draw_cells(cells(*[GpuState.FREE] * 20))


def test_names_are_escaped():
    row = HeatRow(name="<b>", url='/nodes/"x"/', cells=(), note="a&b")
    drawn = draw_heat_strip([row])
    assert "<b>" not in drawn
    assert "&lt;b&gt;" in drawn
    assert "a&amp;b" in drawn


@pytest.mark.slow
def test_eight_thousand_cells_stay_small_and_quick():
    row_cells = cells(*[GpuState.BUSY] * 4, *[GpuState.FREE] * 2, GpuState.IDLE, GpuState.UNHEALTHY)
    rows = [
        HeatRow(name=f"node-{number:04}", url=f"/nodes/node-{number:04}/", cells=row_cells) for number in range(1000)
    ]
    started = time.process_time()
    drawn = draw_heat_strip(rows)
    assert time.process_time() - started < 0.5
    assert len(drawn) < 1_200_000
    assert drawn.count("<path") <= 8 * len(rows)
