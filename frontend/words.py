"""Numbers and times in the words of the pages."""

from __future__ import annotations

from typing import Final

THIN_SPACE: Final = "\u202f"
_STEPS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def format_number(value: int | float) -> str:
    """With thin separators from 1,000 on; at most one decimal."""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")
    return text.replace(",", THIN_SPACE)


def format_bytes(value: int) -> str:
    """GiB with one decimal, without the unit: that stands in the header."""
    return format_number(round(value / 1024**3, 1))


def describe_duration(seconds: int) -> str:
    """The two largest units.

    Example: 11400 -> `3 h 10 min`, 45 -> `45 s`.
    """
    left = max(0, seconds)
    parts: list[str] = []
    for size, unit in _STEPS:
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2 and unit != "s"):
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0 s"


def describe_age(seconds: int) -> str:
    """How long ago.

    Example: 4 -> `4 s ago`, 7500 -> `2 h ago`.
    """
    left = max(0, seconds)
    for size, unit in _STEPS:
        if left >= size:
            return f"{left // size} {unit} ago"
    return "just now"


def count_of(number: int, one: str, many: str = "") -> str:
    """A count with its noun.

    Example: (1, "job") -> `1 job`; (3, "job") -> `3 jobs`.
    """
    return f"{format_number(number)} {one if number == 1 else many or one + 's'}"
