"""Kubernetes quantities, exactly.

Vocabulary: a *quantity* is the text that people and manifests write (`1500m`, `1.5Gi`, `1e3`); an *amount* is an integer,
milli-units for cpu and base units (bytes, cards) for everything else; `None` stands for *unlimited*.

Source: k8s.io/apimachinery, pkg/api/resource, Quantity; the sentinel 2147483647 is that of the ElasticQuotaTree.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

UNLIMITED_SENTINEL: Final = 2147483647
UNLIMITED_WORDS: Final = frozenset({"", "unlimited", "n/a"})

_BINARY = {suffix: 1024**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)}
_DECIMAL: dict[str, Fraction] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
}
_WHOLE_DECIMAL = [("k", 10**3), ("M", 10**6), ("G", 10**9), ("T", 10**12), ("P", 10**15), ("E", 10**18)]
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?\d{1,2}))?",
    re.ASCII,  # Kubernetes knows no other digits, and would refuse what we took
)
_LARGEST = 2**63 - 1
_LONGEST = 64  # characters; nobody writes more, and huge numbers cost time to convert


class QuantityError(ValueError):
    """The text is no Kubernetes quantity, or not one that this resource can have. The message says which and why."""


def parse_quantity(text: str) -> Fraction:
    """The exact value of a Kubernetes quantity, negative ones included.

    Example: `1.5Gi` -> 1610612736; `1e3` -> 1000; `100m` -> 1/10.
    Raises: QuantityError for anything else, `10Gb` or `5 Gi` for instance.
    """
    match = _match(text)
    if match is None:
        raise QuantityError(
            f"{text[:_LONGEST]!r} is not a Kubernetes quantity: write a number, if needed with one of m k M G T P E Ki Mi Gi Ti Pi Ei"
        )
    number = Fraction(match["number"])
    if match["exponent"] is not None:
        return number * Fraction(10) ** int(match["exponent"])
    suffix = match["suffix"] or ""
    return number * _BINARY[suffix] if suffix in _BINARY else number * _DECIMAL[suffix]


@lru_cache(maxsize=4096)
def parse_amount(resource: str, text: str) -> int:
    """The amount of `resource` that `text` stands for: not negative, and whole in the resource's own unit.

    A unit of bytes on something that is counted (`1.5Gi` of nvidia.com/gpu) is a slip of the pen: formally 1.6 billion cards.

    Units: milli-units for cpu, base units otherwise.
    Raises: QuantityError naming the value and the rule.
    """
    value = parse_quantity(text)
    if text.strip()[-1] == "i" and is_counted(resource):
        raise QuantityError(f"{text!r} has a unit of bytes: {resource} is counted in {_unit_of(resource)}")
    if value < 0:
        raise QuantityError(f"{text!r} is negative: {resource} must be 0 or more")
    scaled = value * 1000 if resource == "cpu" else value
    if scaled.denominator != 1:
        grain = "thousandths of a core (1m)" if resource == "cpu" else "whole numbers"
        raise QuantityError(f"{text!r} is too fine: {resource} is counted in {grain}")
    if scaled > _LARGEST:
        raise QuantityError(f"{text!r} is too large: {resource} may be at most {_LARGEST} in its base unit")
    return int(scaled)


def is_unlimited(text: str) -> bool:
    """Whether a ceiling says unlimited: empty, `unlimited`, `N/A`, or the sentinel 2147483647 with or without a unit.

    The sentinel is recognised before any unit is applied; a larger number is a number.
    """
    if text.strip().lower() in UNLIMITED_WORDS:
        return True
    match = _match(text)
    return match is not None and match["exponent"] is None and Fraction(match["number"]) == UNLIMITED_SENTINEL


@lru_cache(maxsize=4096)
def parse_ceiling(resource: str, text: str) -> int | None:
    """Like `parse_amount`, for a ceiling: what `is_unlimited` gives None."""
    return None if is_unlimited(text) else parse_amount(resource, text)


def format_amount(resource: str, amount: int) -> str:
    """The canonical quantity of an amount: exact, and as short as Kubernetes writes it.

    Example: cpu 1500 -> `1500m`, cpu 2000 -> `2`, memory 1610612736 -> `1536Mi`, nvidia.com/gpu 8 -> `8`.
    """
    if resource == "cpu":
        return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
    if amount and is_counted_in_bytes(resource):
        for suffix, factor in reversed(_BINARY.items()):
            if amount % factor == 0:
                return f"{amount // factor}{suffix}"
    return str(amount)


def canonical_quantity(resource: str, amount: int) -> str:
    """The spelling that the API server itself gives an amount, so that a manifest and its stored copy agree letter by letter.

    Like `format_amount`, but with decimal suffixes: nvidia.com/gpu 2000 -> `2k`, memory 1000000000 -> `1G`.
    Source: k8s.io/apimachinery, pkg/api/resource, Quantity.CanonicalizeBytes.
    """
    text = format_amount(resource, amount)
    if amount == 0 or not text.isdigit():
        return text
    number = int(text)
    for suffix, factor in reversed(_WHOLE_DECIMAL):
        if number % factor == 0:
            return f"{number // factor}{suffix}"
    return text


def is_counted(resource: str) -> bool:
    """Whether the amounts of a resource are surely cores or cards, never bytes."""
    return resource in {"cpu", "pods"} or resource.endswith("/gpu")


def is_counted_in_bytes(resource: str) -> bool:
    """Whether the amounts of a resource are bytes (memory, storage, huge pages, GPU memory)."""
    return (
        resource in {"memory", "ephemeral-storage", "storage"}
        or resource.startswith("hugepages-")
        or resource.endswith("/gpu-mem")
    )


def _match(text: str) -> re.Match[str] | None:
    stripped = text.strip()
    return _QUANTITY.fullmatch(stripped) if len(stripped) <= _LONGEST else None


def _unit_of(resource: str) -> str:
    return "cores" if resource == "cpu" else "whole pieces"
