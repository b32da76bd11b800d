"""What of a wanted object is not so in the live one.

Only what we state is compared: a mapping in the live object may hold more (defaults, status, labels of others). A list is ours as
a whole: Kueue's and RBAC's lists are replaced, not merged, so an item or a field more inside a list is a difference. A manifest
must therefore spell out, inside lists, what the server would fill in. Numbers and quantities are compared by value.

Example: wanted `{"nominalQuota": "20"}`, live `{"nominalQuota": 20, "lendingLimit": "0"}` -> none, but as items of a list: one, at
`lendingLimit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aidashboard.kit.quantity import QuantityError, parse_quantity

ABSENT: Final = "absent"
# The server owns these; and the API version a live object is shown in is not a property of it.
_IGNORED_PATHS: Final = frozenset({"apiVersion", "kind", "status"})
_KEY_FIELDS: Final = ("name", "key", "type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """At `path` we want `wanted` and found `found`, both as a person would read them."""

    path: str
    wanted: str
    found: str


def list_differences(wanted: Mapping[str, object], live: Mapping[str, object]) -> tuple[Difference, ...]:
    """Every place where `live` is not as `wanted`, in the order of the manifest."""
    return tuple(
        difference
        for key, value in wanted.items()
        if key not in _IGNORED_PATHS
        for difference in _compare(key, value, live.get(key), is_in_list=False)
    )


def _compare(path: str, wanted: object, live: object, *, is_in_list: bool) -> Iterator[Difference]:
    if isinstance(wanted, Mapping):
        yield from _compare_mappings(path, wanted, live if isinstance(live, Mapping) else {}, is_in_list=is_in_list)
        if not wanted and live is None:
            yield Difference(path=path, wanted="{}", found=ABSENT)
    elif isinstance(wanted, list | tuple):
        yield from _compare_lists(path, wanted, live if isinstance(live, list | tuple) else ())
    elif not _are_equal(wanted, live, is_exact=path.startswith("metadata")):
        yield Difference(path=path, wanted=_show(wanted), found=_show(live))


def _compare_mappings(
    path: str, wanted: Mapping[str, object], live: Mapping[str, object], *, is_in_list: bool
) -> Iterator[Difference]:
    for key, value in wanted.items():
        yield from _compare(_join(path, key), value, live.get(key), is_in_list=is_in_list)
    if is_in_list:
        for key, value in live.items():
            if key not in wanted:
                yield Difference(path=_join(path, key), wanted=ABSENT, found=_show(value))


def _compare_lists(path: str, wanted: Sequence[object], live: Sequence[object]) -> Iterator[Difference]:
    for index in range(max(len(wanted), len(live))):
        place = f"{path}[{_label(wanted if index < len(wanted) else live, index)}]"
        if index >= len(wanted):
            yield Difference(path=place, wanted=ABSENT, found=_show(live[index]))
        elif index >= len(live):
            yield Difference(path=place, wanted=_show(wanted[index]), found=ABSENT)
        else:
            yield from _compare(place, wanted[index], live[index], is_in_list=True)


def _label(items: Sequence[object], index: int) -> str:
    """What to call an item: its name where it has one, so that a path reads `flavors[default]`."""
    item = items[index]
    if isinstance(item, Mapping):
        for field in _KEY_FIELDS:
            if isinstance(item.get(field), str):
                return str(item[field])
    return str(index)


def _are_equal(wanted: object, live: object, *, is_exact: bool) -> bool:
    """Names, labels and annotations are texts and nothing else; elsewhere "1" and 1 and "1000m" are one quantity."""
    if wanted == live and isinstance(wanted, bool) == isinstance(live, bool):
        return True
    if is_exact or isinstance(wanted, bool) or isinstance(live, bool):
        return False
    if wanted in (None, "") and live in (None, ""):
        return True
    if isinstance(wanted, str | int | float) and isinstance(live, str | int | float):
        try:
            return parse_quantity(str(wanted)) == parse_quantity(str(live))
        except QuantityError:
            return False
    return False


def _join(path: str, key: str) -> str:
    return f"{path}[{key}]" if "." in key or "/" in key else f"{path}.{key}"


def _show(value: object) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
