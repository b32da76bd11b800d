"""Kubernetes quantities are read and written exactly."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidashboard.kit.quantity import (
    QuantityError,
    canonical_quantity,
    format_amount,
    is_unlimited,
    parse_amount,
    parse_ceiling,
    parse_quantity,
)

RESOURCES = ["cpu", "memory", "nvidia.com/gpu", "example.com/licences", "ephemeral-storage"]


@pytest.mark.parametrize(
    ("resource", "text", "amount"),
    [
        ("cpu", "40", 40_000),
        ("cpu", "4000m", 4_000),
        ("cpu", "0.1", 100),
        ("cpu", "1e3", 1_000_000),
        ("memory", "1.5Gi", 1_610_612_736),
        ("memory", "128Gi", 137_438_953_472),
        ("memory", "0M", 0),
        ("memory", "1E", 10**18),
        ("memory", "1E3", 1_000),
        ("memory", " 5Gi ", 5_368_709_120),
        ("memory", "3221225472", 3_221_225_472),
        ("memory", "2147483648", 2_147_483_648),
        ("nvidia.com/gpu", "8", 8),
        ("nvidia.com/gpu", "1e3", 1_000),
        ("nvidia.com/gpu", "1k", 1_000),
        ("nvidia.com/gpu", "8000m", 8),
        ("nvidia.com/gpu", "+8", 8),
    ],
)
def test_a_quantity_has_one_exact_amount(resource, text, amount):
    assert parse_amount(resource, text) == amount


@pytest.mark.parametrize(
    ("resource", "text", "part"),
    [
        ("nvidia.com/gpu", "-1", "negative"),
        ("memory", "-1Gi", "negative"),
        ("memory", "10Gb", "not a Kubernetes quantity"),
        ("cpu", "\N{ARABIC-INDIC DIGIT THREE}", "not a Kubernetes quantity"),
        ("memory", "10 Gi", "not a Kubernetes quantity"),
        ("memory", "10KI", "not a Kubernetes quantity"),
        ("memory", "", "not a Kubernetes quantity"),
        ("memory", "ten", "not a Kubernetes quantity"),
        ("memory", "1e", "not a Kubernetes quantity"),
        ("memory", "NaN", "not a Kubernetes quantity"),
        ("memory", "9" * 5000, "not a Kubernetes quantity"),
        ("nvidia.com/gpu", "0.5", "whole numbers"),
        ("nvidia.com/gpu", "500m", "whole numbers"),
        ("nvidia.com/gpu", "1.5Gi", "unit of bytes"),
        ("cpu", "1.5Gi", "unit of bytes"),
        ("cpu", "0.0001", "thousandths"),
        ("memory", "1e30", "too large"),
        ("memory", "9223372036854775808", "too large"),
    ],
)
def test_a_bad_quantity_is_refused_with_its_value_and_the_rule(resource, text, part):
    with pytest.raises(QuantityError, match=part) as caught:
        parse_amount(resource, text)
    assert text[:20] in str(caught.value)


@pytest.mark.parametrize(
    "text", ["2147483647", "2147483647Gi", "2147483647G", " 2147483647 ", "unlimited", "N/A", "n/a", ""]
)
def test_the_sentinel_means_unlimited_before_any_unit_is_applied(text):
    assert is_unlimited(text)
    assert parse_ceiling("memory", text) is None


@pytest.mark.parametrize("text", ["2147483648", "2147483646", "3221225472", "2147483647e0", "21474836470"])
def test_any_other_large_number_is_a_number(text):
    assert not is_unlimited(text)
    assert parse_ceiling("memory", text) == int(parse_quantity(text))


@pytest.mark.parametrize(
    ("resource", "amount", "shown", "canonical"),
    [
        ("cpu", 1500, "1500m", "1500m"),
        ("cpu", 2_000_000, "2000", "2k"),
        ("memory", 1_610_612_736, "1536Mi", "1536Mi"),
        ("memory", 1_000_000_000, "1000000000", "1G"),
        ("memory", 0, "0", "0"),
        ("nvidia.com/gpu", 1000, "1000", "1k"),
        ("nvidia.com/gpu", 1500, "1500", "1500"),
        ("nvidia.com/gpu", 8, "8", "8"),
    ],
)
def test_an_amount_is_written_for_people_and_as_the_api_server_stores_it(resource, amount, shown, canonical):
    assert format_amount(resource, amount) == shown
    assert canonical_quantity(resource, amount) == canonical


@given(resource=st.sampled_from(RESOURCES), amount=st.integers(min_value=0, max_value=2**62))
def test_what_is_written_reads_as_the_same_amount(resource, amount):
    assert parse_amount(resource, format_amount(resource, amount)) == amount
    scale = 1000 if resource == "cpu" else 1
    assert parse_quantity(canonical_quantity(resource, amount)) * scale == amount


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(text):
    with suppress(QuantityError):
        assert isinstance(parse_quantity(text), Fraction)
