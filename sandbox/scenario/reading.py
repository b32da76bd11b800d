"""Typed reading of a scenario file: every wrong value is refused with file, path, value and the rule it breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aidashboard.kit.errors import Finding, InvalidError
from aidashboard.kit.quantity import QuantityError, parse_amount

NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
NAME_RULE: Final = "must be lower-case letters, digits and dashes, at most 40, starting with a letter"


class ScenarioError(InvalidError):
    """A scenario file breaks a rule; nothing was created."""

    default_code = "scenario"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the file and where it stands."""

    file: Path
    path: str
    raw: object

    def refuse(self, rule: str) -> ScenarioError:
        """The error to raise: `demo.yaml: pools[2].count is -1: must be a whole number of 1 or more`."""
        shown = "missing" if self.raw is None else _shorten(repr(self.raw))
        message = f"{self.file}: {self.path or 'the file'} is {shown}: {rule}"
        finding = Finding(rule="scenario", field=self.path, value=shown, message=message)
        return ScenarioError(message, findings=(finding,))

    def text(
        self, pattern: re.Pattern[str] | None = None, rule: str = "must be text", *, default: str | None = None
    ) -> str:
        if self.raw is None and default is not None:
            return default
        if not isinstance(self.raw, str) or not self.raw or (pattern and not pattern.fullmatch(self.raw)):
            raise self.refuse(rule)
        return self.raw

    def name(self) -> str:
        return self.text(NAME, NAME_RULE)

    def integer(self, *, minimum: int, maximum: int = 10**9, default: int | None = None) -> int:
        if self.raw is None and default is not None:
            return default
        if isinstance(self.raw, bool) or not isinstance(self.raw, int) or not minimum <= self.raw <= maximum:
            upper = f" and at most {maximum}" if maximum < 10**9 else ""
            raise self.refuse(f"must be a whole number of {minimum} or more{upper}")
        return self.raw

    def number(self, *, minimum: float, maximum: float, default: float | None = None) -> float:
        if self.raw is None and default is not None:
            return default
        if isinstance(self.raw, bool) or not isinstance(self.raw, int | float) or not minimum <= self.raw <= maximum:
            raise self.refuse(f"must be a number from {minimum:g} to {maximum:g}")
        return float(self.raw)

    def flag(self) -> bool:
        """True or false; false when absent."""
        if not isinstance(self.raw, bool | None):
            raise self.refuse("must be true or false")
        return bool(self.raw)

    def choice(self, *choices: str, default: str | None = None) -> str:
        if self.raw is None and default is not None:
            return default
        if self.raw not in choices:
            raise self.refuse(f"must be one of {', '.join(choices)}")
        return str(self.raw)

    def range(self, *, minimum: float, maximum: float) -> tuple[float, float]:
        """`[low, high]`, both within the bounds."""
        low, high = self.items(2, "must be a list of two numbers, low and high")
        pair = low.number(minimum=minimum, maximum=maximum), high.number(minimum=minimum, maximum=maximum)
        if pair[0] > pair[1]:
            raise self.refuse("the low number must not be above the high one")
        return pair

    def quantity(self, resource: str) -> str:
        """A Kubernetes quantity of `resource`, as text."""
        text = str(self.raw) if isinstance(self.raw, str | int) and not isinstance(self.raw, bool) else ""
        try:
            if not text:
                raise QuantityError("must be a Kubernetes quantity")
            parse_amount(resource, text)
        except QuantityError as error:
            raise self.refuse(str(error)) from error
        return text

    def quantities(self) -> dict[str, str]:
        """`{resource: quantity}`."""
        return {key: value.quantity(key) for key, value in self.entries()}

    def items(self, length: int | None = None, rule: str = "must be a list") -> list[Value]:
        if self.raw is None and length is None:
            return []
        if not isinstance(self.raw, list) or (length is not None and len(self.raw) != length):
            raise self.refuse(rule)
        return [Value(self.file, f"{self.path}[{index}]", item) for index, item in enumerate(self.raw)]

    def entries(self) -> Iterator[tuple[str, Value]]:
        """The entries of a mapping; none when it is absent."""
        if self.raw is None:
            return
        if not isinstance(self.raw, dict):
            raise self.refuse("must be a mapping")
        for key, raw in self.raw.items():
            if not isinstance(key, str):
                raise self.refuse(f"the key {key!r} must be text (put it in quotes)")
            yield key, Value(self.file, f"{self.path}.{key}" if self.path else key, raw)

    def fields(self, *required: str, optional: tuple[str, ...] = ()) -> dict[str, Value]:
        """The named entries of a mapping; an optional one that is absent has the raw value None, others are refused."""
        if self.raw is None:
            raise self.refuse("must be a mapping")
        found = dict(self.entries())
        known = (*required, *optional)
        for key, value in found.items():
            if key not in known:
                raise value.refuse(f"is not known here; known are {', '.join(known)}")
        absent = {key: Value(self.file, f"{self.path}.{key}" if self.path else key, None) for key in known}
        for key in required:
            if key not in found or found[key].raw is None:
                raise absent[key].refuse("is required")
        return absent | found


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
