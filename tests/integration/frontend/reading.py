"""Reads pages as tests look at them."""

from __future__ import annotations

import csv
import html
import re
from io import StringIO

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import User


def sign_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def read(client: Client, url: str) -> str:
    """The text of a page without tags, spaces made single."""
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return strip(response.content.decode())


def strip(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def sentence_of(client: Client, url: str) -> str:
    """The sentence at the top of a page."""
    markup = client.get(url).content.decode()
    found = re.search(r'<p class="page-sentence">(.*?)</p>', markup, re.DOTALL)
    assert found, url
    return re.sub(r" ([,.;])", r"\1", strip(found[1]))


def links_in(client: Client, url: str, pattern: str) -> list[str]:
    markup = client.get(url).content.decode()
    return [html.unescape(link) for link in re.findall(rf'href="({pattern})"', markup)]


def numbers_in(client: Client, url: str) -> list[tuple[int, str]]:
    """The linked numbers of a page's sentence, each with the address that it leads to."""
    markup = client.get(url).content.decode()
    found = re.search(r'<p class="page-sentence">(.*?)</p>', markup, re.DOTALL)
    assert found, url
    links = re.findall(r'<a href="([^"]*)">(\d+)[^<]*</a>', found[1])
    return [(int(number), html.unescape(address)) for address, number in links]


def count_rows(client: Client, url: str) -> int:
    """How many rows the tables of a page have in their bodies."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", client.get(url).content.decode(), re.DOTALL)
    return sum(body.count("<tr>") for body in bodies)


def read_csv(client: Client, url: str) -> list[dict[str, str]]:
    response: HttpResponseBase = client.get(url)
    assert isinstance(response, StreamingHttpResponse)
    return list(csv.DictReader(StringIO(response.getvalue().decode())))
