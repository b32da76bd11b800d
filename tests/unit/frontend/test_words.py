"""Numbers, times and resources in words."""

from __future__ import annotations

import pytest

from frontend.resources import GPU, choose_resource, count_amount, show_amount
from frontend.words import count_of, describe_age, describe_duration, format_number


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "just now"), (4, "4 s ago"), (119, "1 min ago"), (7500, "2 h ago"), (-5, "just now")]
)
def test_an_age_has_one_unit(seconds: int, words: str) -> None:
    assert describe_age(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (45, "45 s"), (11400, "3 h 10 min"), (3600, "1 h"), (90000, "1 d 1 h")]
)
def test_a_duration_has_at_most_two_units(seconds: int, words: str) -> None:
    assert describe_duration(seconds) == words


def test_thousands_are_parted_by_a_thin_space() -> None:
    assert format_number(1234567) == "1\u202f234\u202f567"
    assert format_number(2.0) == "2"
    assert format_number(2.25) == "2.2"


def test_counts_carry_their_noun() -> None:
    assert count_of(1, "job") == "1 job"
    assert count_of(2, "job waits", "jobs wait") == "2 jobs wait"


@pytest.mark.parametrize(
    ("resource", "amount", "words"),
    [("cpu", 1500, "1.5"), ("memory", 3 * 1024**3, "3"), (GPU, 8, "8"), ("cpu", None, "unlimited"), (GPU, 0, "0")],
)
def test_amounts_are_shown_in_the_unit_of_their_header(resource: str, amount: int | None, words: str) -> None:
    assert show_amount(resource, amount) == words


def test_amounts_in_sentences_carry_their_unit() -> None:
    assert count_amount(GPU, 1) == "1 GPU"
    assert count_amount(GPU, 24) == "24 GPUs"
    assert count_amount("memory", 64 * 1024**3) == "64 GiB of memory"


def test_gpus_are_shown_first() -> None:
    assert choose_resource("", ("cpu", "memory", GPU)) == GPU
    assert choose_resource("memory", ("cpu", "memory", GPU)) == "memory"
    assert choose_resource("bogus", ("cpu", "amd.com/gpu")) == "amd.com/gpu"
