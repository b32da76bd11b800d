"""What the histogram draws."""

from frontend.svg.histogram import HistogramBar, draw_histogram


def bar(count: int, label: str = "8") -> HistogramBar:
    return HistogramBar(label=label, count=count, url="/nodes/?free=8", words=f"{count} nodes with {label} free")


def test_the_tallest_bar_takes_the_full_height_and_the_others_their_share():
    drawn = draw_histogram([bar(4), bar(2)], title="Free cards")
    assert 'height="56" rx="2"' in drawn
    assert 'height="28" rx="2"' in drawn


def test_every_bar_with_a_count_leads_to_its_list():
    drawn = draw_histogram([bar(3), bar(0)], title="Free cards")
    assert drawn.count("<a href") == 1
    assert "is-empty" in drawn


def test_a_small_bar_next_to_a_tall_one_stays_visible():
    assert 'height="3" rx="2"' in draw_histogram([bar(1000), bar(1)], title="Free cards")


def test_texts_are_escaped():
    assert "<script>" not in draw_histogram([bar(1, label="<script>")], title="<script>")
