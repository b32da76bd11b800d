"""What every table's address can say - search, filters, sort, page - and the pieces that the table components draw from it.

Reads text out of the query string and nothing else: what may be sorted or filtered by is said by the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar  # Any: the model behind a QuerySet, which its rows need not be
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

Item = TypeVar("Item")
PAGE_SIZE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column header. `key` is what `?sort=` says, empty when the column can't be sorted by."""

    label: str
    key: str = ""
    is_number: bool = False
    unit: str = ""
    help: str = ""
    sort_url: str = ""
    direction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChip:
    """A filter to switch on or off by following `url`."""

    label: str
    url: str
    is_on: bool
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging(Generic[Item]):
    """One page of a list: its rows, which they are, and the way to the neighbours."""

    rows: Sequence[Item]
    number: int
    first: int
    last: int
    total: int
    previous_url: str
    next_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableQuery:
    """The state of one table as its address says it. `path` and `parameters` make the addresses of neighbouring states."""

    path: str
    parameters: QueryDict
    search: str
    sort: str
    page_number: int
    is_csv: bool

    @property
    def ordering(self) -> tuple[str, ...]:
        """For `QuerySet.order_by`, ties broken by the key so that pages do not overlap."""
        return (self.sort, "pk") if self.sort else ("pk",)

    def get(self, name: str) -> str:
        return self.parameters.get(name, "")

    def url(self, **changes: str | int | None) -> str:
        """This address with some parameters changed; None takes one away. Everything but `page` itself goes back to page 1."""
        parameters = self.parameters.copy()
        for gone in ("page", "format"):
            parameters.pop(gone, None)
        for name, value in changes.items():
            if value is None or value == "":
                parameters.pop(name, None)
            else:
                parameters[name] = str(value)
        query = parameters.urlencode()
        return f"{self.path}?{query}" if query else self.path

    @property
    def csv_url(self) -> str:
        return self.url(format="csv")

    @property
    def clear_url(self) -> str:
        """The same table without search and filters; the cluster stays."""
        cluster = self.parameters.get("cluster")
        return f"{self.path}?{urlencode({'cluster': cluster})}" if cluster else self.path

    @property
    def hidden_fields(self) -> list[tuple[str, str]]:
        """What a search form must send along so that it keeps the filters."""
        return [
            (name, value)
            for name, values in self.parameters.lists()
            for value in values
            if name not in {"search", "page", "format"} and isinstance(value, str)
        ]

    def columns(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        """The columns with the addresses that sort by them: first ascending (numbers descending), then the other way."""
        return tuple(self._with_sort(column) for column in columns)

    def _with_sort(self, column: Column) -> Column:
        if not column.key:
            return column
        ascending, descending = column.key, f"-{column.key}"
        first, second = (descending, ascending) if column.is_number else (ascending, descending)
        direction = {ascending: "ascending", descending: "descending"}.get(self.sort, "")
        return replace(column, sort_url=self.url(sort=second if self.sort == first else first), direction=direction)

    def chips(
        self, name: str, choices: Mapping[str, str], counts: Mapping[str, int] | None = None
    ) -> tuple[FilterChip, ...]:
        """One chip per choice (`{value: label}`) of the filter `name`; following the one that is on switches it off."""
        current = self.get(name)
        return tuple(
            FilterChip(
                label=label,
                url=self.url(**{name: None if value == current else value}),
                is_on=value == current,
                count=None if counts is None else counts.get(value, 0),
            )
            for value, label in choices.items()
        )

    def paginate(self, rows: QuerySet[Any, Item] | Sequence[Item], *, size: int = PAGE_SIZE) -> Paging[Item]:
        """The page that the address asks for; the last one when there are not so many."""
        total = rows.count() if isinstance(rows, QuerySet) else len(rows)
        number = min(self.page_number, max(1, -(-total // size)))
        start = (number - 1) * size
        shown = list(rows[start : start + size])
        return Paging(
            rows=shown,
            number=number,
            first=start + 1 if shown else 0,
            last=start + len(shown),
            total=total,
            previous_url=self.url(page=number - 1) if number > 1 else "",
            next_url=self.url(page=number + 1) if start + size < total else "",
        )


def read_table_query(request: HttpRequest, *, sortable: Sequence[str] = (), default_sort: str = "") -> TableQuery:
    """The table's state as the request's address says it; what is unknown or malformed counts as not said."""
    parameters = _read_parameters(request)
    sort, page = parameters.get("sort", ""), parameters.get("page", "")
    return TableQuery(
        path=request.path,
        parameters=parameters,
        search=parameters.get("search", "").strip()[:200],
        sort=sort if sort.removeprefix("-") in sortable else default_sort,
        page_number=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 and int(page) > 0 else 1,
        is_csv=parameters.get("format") == "csv",
    )


def _read_parameters(request: HttpRequest) -> QueryDict:
    """The query string without NULs: no name holds one, and PostgreSQL refuses to compare with one."""
    parameters = QueryDict(mutable=True)
    for name, values in request.GET.lists():
        parameters.setlist(name, [str(value).replace("\x00", "") for value in values])
    return parameters
