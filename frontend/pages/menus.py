"""Menus above a table: each chooses one value of a filter; together they are one form that keeps everything else of the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontend.tables import TableQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    value: str
    label: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A choice of one value of the filter `name`; `label` stands for "any"."""

    name: str
    label: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuForm:
    """`fields` are what the form must send along."""

    path: str
    fields: tuple[tuple[str, str], ...]
    menus: tuple[Menu, ...]


def build_menu(table: TableQuery, name: str, label: str, values: Sequence[str | tuple[str, str]]) -> Menu:
    """`values` are the values, or pairs of value and label. A value that is chosen stays offered, whether or not it still occurs."""
    pairs = [(value, value) if isinstance(value, str) else value for value in values]
    current = table.get(name)
    if current and current not in {value for value, _ in pairs}:
        pairs.append((current, current))
    return Menu(
        name=name,
        label=label,
        choices=tuple(Choice(value=value, label=text, is_current=value == current) for value, text in pairs),
    )


def build_menu_form(table: TableQuery, menus: Sequence[Menu]) -> MenuForm:
    """Menus without a choice to make are left out."""
    shown = tuple(menu for menu in menus if len(menu.choices) > 1 or any(choice.is_current for choice in menu.choices))
    names = {menu.name for menu in shown} | {"page", "format"}
    fields = tuple(
        (name, value)
        for name, values in table.parameters.lists()
        for value in values
        if name not in names and isinstance(value, str)
    )
    return MenuForm(path=table.path, fields=fields, menus=shown)
