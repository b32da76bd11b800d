"""The strict Content Security Policy holds for every template: no inline style, no inline script, no handler in an attribute."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "frontend" / "templates").rglob("*.html"))
FORBIDDEN = {
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.I),
    "a style element": re.compile(r"<style\b", re.I),
    "an event handler attribute": re.compile(r"<[^>]*\son[a-z]+\s*=", re.I),
    "a javascript address": re.compile(r"(href|src|action)\s*=\s*[\"']\s*javascript:", re.I),
    "an inline script": re.compile(
        r"<script\b(?![^>]*\bsrc\s*=)(?![^>]*\btype\s*=\s*[\"']application/json[\"'])", re.I
    ),
    "code for htmx to evaluate": re.compile(r"\shx-on\b|\shx-vals\s*=\s*[\"']js:|\shx-headers\s*=\s*[\"']js:", re.I),
    "an address of another host": re.compile(r"(src|href)\s*=\s*[\"'](https?:)?//", re.I),
}
COMMENTS = re.compile(r"{#.*?#}|{%\s*comment\b.*?%}.*?{%\s*endcomment\s*%}|<!--.*?-->", re.S)


@pytest.mark.parametrize("path", TEMPLATES, ids=[str(path.relative_to(ROOT)) for path in TEMPLATES])
def test_a_template_holds_nothing_that_the_policy_forbids(path: Path) -> None:
    text = COMMENTS.sub("", path.read_text())
    assert not [name for name, pattern in FORBIDDEN.items() if pattern.search(text)]
