"""How a view answers: the whole page, or the fragment of it that htmx asked for.

One view, one template, one frozen dataclass as `page`. When the id of htmx's target is the name of a partial in the template, that
partial alone is rendered; anything else gets the whole page, so a link opened in a new tab always works.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import chain, islice

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import TemplateDoesNotExist
from django.template.loader import get_template, render_to_string
from django.utils.cache import patch_vary_headers

from frontend.htmx import find_target, is_refresh

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def render_page(request: HttpRequest, template: str, page: object, *, status: int = 200) -> HttpResponse:
    """Render `template` with `page`, or only its partial named like the element that htmx will replace.

    A fragment also carries the messages of the request, to be swapped in out of band. An element that refreshes itself and is no
    longer part of the page (the first cluster came, the last one went) has the whole window loaded anew instead.
    """
    fragment = find_fragment(request, template)
    html = render_to_string(fragment or template, {"page": page}, request=request)
    if fragment is not None:
        html += render_to_string("shell/messages_out_of_band.html", {}, request=request)
    response = HttpResponse(html, status=status)
    if fragment is None and is_refresh(request):
        response["HX-Refresh"] = "true"
    # Without Vary a cache would hand out a fragment as the page of that address; private pages are kept by no one.
    patch_vary_headers(response, ("HX-Request", "HX-Target", "Cookie"))
    response["Cache-Control"] = "no-cache, private"
    return response


def find_fragment(request: HttpRequest, template: str) -> str | None:
    """`template#partial` when htmx asks for an element that the template has a partial of."""
    target = find_target(request)
    if not target:
        return None
    name = f"{template}#{target}"
    try:
        get_template(name)
    except TemplateDoesNotExist:
        return None
    return name


class _Echo:
    """A file whose lines are what was written: csv.writer wants one."""

    def write(self, line: str) -> str:
        return line


def render_csv(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    """The whole list as a CSV download. Text that a spreadsheet would run as a formula is made plain.

    The first row is read at once: what is wrong with the query then is a page with its status, not a download that breaks off.
    """
    coming = iter(rows)
    first = list(islice(coming, 1))
    write: Callable[[Sequence[object]], str] = csv.writer(_Echo()).writerow

    def stream() -> Iterable[str]:
        yield write(header)
        for row in chain(first, coming):
            yield write([_defuse(cell) for cell in row])

    response = StreamingHttpResponse(stream(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _defuse(cell: object) -> object:
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return "'" + cell
    return "" if cell is None else cell
