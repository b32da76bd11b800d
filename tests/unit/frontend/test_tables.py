"""A table's state in its address, and CSV."""

from __future__ import annotations

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from frontend.rendering import render_csv
from frontend.tables import Column, TableQuery, read_table_query


def read(query: str) -> TableQuery:
    request: HttpRequest = RequestFactory().get(f"/workloads/?{query}")
    return read_table_query(request, sortable=("name", "gpus"), default_sort="name")


@pytest.mark.parametrize("page", ["", "0", "-1", "x", "9999999", "²", "1.5"])
def test_a_page_number_that_is_none_means_the_first(page: str) -> None:
    assert read(f"page={page}").page_number == 1


def test_only_what_the_page_allows_can_be_sorted_by() -> None:
    assert read("sort=-gpus").sort == "-gpus"
    assert read("sort=password").sort == "name"
    assert read("sort=-gpus").ordering == ("-gpus", "pk")


def test_a_changed_address_keeps_the_rest_and_starts_at_page_one() -> None:
    table = read("state=failed&page=3&search=bert")
    assert table.url(sort="gpus") == "/workloads/?state=failed&search=bert&sort=gpus"
    assert table.url(state=None) == "/workloads/?search=bert"
    assert table.url(page=4) == "/workloads/?state=failed&search=bert&page=4"


def test_numbers_sort_descending_first_and_then_turn() -> None:
    (column,) = read("").columns((Column(label="GPUs", key="gpus", is_number=True),))
    assert column.sort_url.endswith("sort=-gpus")
    (column,) = read("sort=-gpus").columns((Column(label="GPUs", key="gpus", is_number=True),))
    assert column.direction == "descending"
    assert column.sort_url.endswith("sort=gpus")


def test_following_a_chip_that_is_on_switches_it_off() -> None:
    on, off = read("state=failed").chips("state", {"failed": "Failed", "pending": "Pending"}, {"failed": 2})
    assert (on.is_on, on.url, on.count) == (True, "/workloads/", 2)
    assert (off.is_on, off.count) == (False, 0)
    assert off.url == "/workloads/?state=pending"


def test_a_page_beyond_the_end_is_the_last() -> None:
    paging = read("page=9").paginate(list(range(120)), size=50)
    assert (paging.number, paging.first, paging.last, paging.total) == (3, 101, 120, 120)
    assert paging.next_url == ""


def test_clearing_keeps_the_cluster() -> None:
    assert read("cluster=prod-a&search=x&state=y").clear_url == "/workloads/?cluster=prod-a"


def test_a_spreadsheet_runs_nothing_out_of_a_download() -> None:
    response = render_csv("jobs", ("name", "gpus"), [("=HYPERLINK(1)", 4), ("-x", None), ("plain, quoted", 1)])
    body = b"".join(response).decode()
    assert body == "name,gpus\r\n'=HYPERLINK(1),4\r\n'-x,\r\n\"plain, quoted\",1\r\n"
    assert response["Content-Disposition"] == 'attachment; filename="jobs.csv"'
