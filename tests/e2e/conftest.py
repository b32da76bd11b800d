"""One demo for all journeys; and a browser that fails a test on any error in its console."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.running_demo import Login, RunningDemo, start_demo, stop_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    running = start_demo(tmp_path_factory.mktemp("demo") / "data")
    yield running
    stop_demo(running)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing: run .ci/setup browser"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium)
        yield launched
        launched.close()


SignIn = Callable[[Login], Page]


@pytest.fixture
def sign_in(browser: Browser, demo: RunningDemo) -> Iterator[SignIn]:
    """Open a page of one's own, signed in. Afterwards no error may stand in any console: CSP breaches show up only there."""
    complaints: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def open_page(login: Login) -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=demo.url)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/login")
        page.fill("input[name=login]", login.username)
        page.fill("input[name=password]", login.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
