"""The live parts of a page in a browser, on a server that is nothing but two replies: what replacing them must not take away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

STATIC = Path(__file__).parents[2] / "frontend" / "static"
PAGE = """<!doctype html><title>Live</title>
<meta name="htmx-config" content='{"allowEval":false,"responseHandling":[{"code":"...","swap":true}]}'>
<script defer src="/static/vendor/htmx/htmx.min.js"></script><script type="module" src="/static/js/live.js"></script>
<aid-live src="/no-events"></aid-live><div id="toasts"></div>"""
GONE = '<div id="part"><h1>There is nothing here</h1></div>'


class _Server(ThreadingHTTPServer):
    """`asked` counts how often the part was asked for; `is_gone` is whether its subject went away."""

    asked = 0
    is_gone = False

    def make_part(self) -> str:
        return (
            '<div id="part" data-aid-topics="x" data-aid-unsettled hx-get="/part" hx-trigger="aid-refresh" hx-target="this"'
            f' hx-swap="outerHTML"><p>answer {self.asked}</p><table><tr><td><a href="/one">one</a></td></tr>'
            '<tr><td><a href="/two">two</a></td></tr></table></div>'
        )


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path, status = self.path, 200
        if path == "/":
            body, kind = PAGE + self.server.make_part(), "text/html"
        elif path == "/part":
            self.server.asked += 1
            body, kind = (GONE if self.server.is_gone else self.server.make_part()), "text/html"
            status = 404 if self.server.is_gone else 200
        elif path.startswith("/static/"):
            body, kind = (STATIC / path.removeprefix("/static/")).read_text(), "text/javascript"
        else:
            body, kind, status = "", "text/plain", 404
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test tells by failing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    serving = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield serving
    serving.shutdown()
    serving.server_close()
    thread.join()


@pytest.fixture
def page(browser: Browser, server: _Server) -> Iterator[Page]:
    opened = browser.new_page()
    opened.goto(f"http://127.0.0.1:{server.server_port}/")
    yield opened
    opened.close()


def test_the_keyboard_keeps_its_place_when_a_part_is_replaced(page: Page, server: _Server) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="two")).to_be_focused()
    server.asked = 0
    expect(page.get_by_text("answer 2")).to_be_visible()
    expect(page.get_by_role("link", name="two")).to_be_focused()


def test_a_part_whose_subject_is_gone_asks_no_more(page: Page, server: _Server) -> None:
    server.is_gone = True
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    asked = server.asked
    page.wait_for_timeout(2500)
    assert server.asked == asked
