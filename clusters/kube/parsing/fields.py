"""Reading single fields of raw JSON. What is missing or of another type gives the empty value: an odd object must not stop the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from aidashboard.kit.quantity import QuantityError, parse_quantity

JsonObject = Mapping[str, Any]  # Any: JSON as it comes
Amounts = dict[str, int]
_NOTHING: Final[JsonObject] = {}
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What every object has."""

    uid: str
    name: str
    namespace: str
    resource_version: str
    created_at: datetime
    owner_kind: str
    owner_name: str
    owner_uid: str


def read_metadata(item: JsonObject) -> Metadata:
    """Raises: KeyError when the object has no uid or creation time: then it is no object of an API server."""
    metadata = item["metadata"]
    owner = next((entry for entry in items(metadata, "ownerReferences") if entry.get("controller")), _NOTHING)
    return Metadata(
        uid=metadata["uid"],
        name=metadata["name"],
        namespace=text(metadata, "namespace"),
        resource_version=text(metadata, "resourceVersion"),
        created_at=parse_moment(metadata["creationTimestamp"]),
        owner_kind=text(owner, "kind"),
        owner_name=text(owner, "name"),
        owner_uid=text(owner, "uid"),
    )


def mapping(item: JsonObject, *path: str) -> JsonObject:
    """The mapping at `path`, empty when there is none."""
    for key in path:
        item = item.get(key) or _NOTHING
        if not isinstance(item, Mapping):
            return _NOTHING
    return item


def items(item: JsonObject, *path: str) -> list[JsonObject]:
    """The mappings in the list at `path`."""
    found = mapping(item, *path[:-1]).get(path[-1])
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def text(item: JsonObject, *path: str, longest: int = 0) -> str:
    found = mapping(item, *path[:-1]).get(path[-1])
    if not isinstance(found, str):
        return ""
    # PostgreSQL's text can't hold a NUL.
    found = found.replace("\x00", "") if "\x00" in found else found
    return found[:longest] if longest else found


def number(item: JsonObject, *path: str, default: int = 0) -> int:
    found = mapping(item, *path[:-1]).get(path[-1])
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def flag(item: JsonObject, *path: str, default: bool = False) -> bool:
    found = mapping(item, *path[:-1]).get(path[-1])
    return found if isinstance(found, bool) else default


def moment(item: JsonObject, *path: str) -> datetime | None:
    found = text(item, *path)
    return parse_moment(found) if found else None


@lru_cache(maxsize=4096)
def parse_moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def find_condition(item: JsonObject, type_: str) -> JsonObject | None:
    """The condition of a type in `status.conditions`."""
    return next((entry for entry in items(item, "status", "conditions") if entry.get("type") == type_), None)


def amounts(quantities: JsonObject) -> Amounts:
    """`{resource: amount}`. A quantity finer than the unit is rounded up, as the scheduler does; a malformed one is left out."""
    found: Amounts = {}
    for resource, value in quantities.items():
        amount = ceil_amount(resource, str(value))
        if amount is not None:
            found[resource] = amount
    return found


@lru_cache(maxsize=8192)
def ceil_amount(resource: str, quantity: str) -> int | None:
    try:
        value = parse_quantity(quantity)
    except QuantityError:
        return None
    return max(0, min(math.ceil(value * 1000 if resource == "cpu" else value), _LARGEST))


def add_amounts(parts: Iterable[Amounts]) -> Amounts:
    """The sums, held at the largest amount there is: anybody may ask for 8Ei in each of three containers."""
    total: Amounts = {}
    for part in parts:
        for resource, amount in part.items():
            total[resource] = min(total.get(resource, 0) + amount, _LARGEST)
    return total


def multiply_amounts(part: Amounts, count: int) -> Amounts:
    """The amounts of `count` equal parts, held like sums."""
    return {resource: min(amount * count, _LARGEST) for resource, amount in part.items()}


def max_amounts(first: Amounts, second: Amounts) -> Amounts:
    return {resource: max(first.get(resource, 0), second.get(resource, 0)) for resource in first.keys() | second.keys()}


def subtract_amounts(total: Amounts, part: Amounts) -> Amounts:
    """What is left of `total`: its own resources only, never below zero."""
    return {resource: max(0, amount - part.get(resource, 0)) for resource, amount in total.items()}
