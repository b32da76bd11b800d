"""What the sparkline draws."""

from frontend.svg.sparkline import draw_sparkline


def test_a_missing_value_leaves_a_gap():
    drawn = draw_sparkline([0.1, 0.2, None, 0.4, 0.5], top=1.0, words="utilisation")
    assert drawn.count("M") == 3  # the base line and two pieces


def test_no_values_leave_the_base_line_alone():
    assert "sparkline-line" not in draw_sparkline([None, None], top=1.0, words="no telemetry")
    assert "sparkline-line" not in draw_sparkline([], top=1.0, words="no telemetry")


def test_values_beyond_the_top_are_drawn_at_the_edge():
    assert " 1.0" in draw_sparkline([5.0, 5.0], top=1.0, words="too much")


def test_a_single_value_is_a_dot():
    assert "M0.0 10.0h0" in draw_sparkline([0.5], top=1.0, words="half")
