"""The pictures in the README, taken from a demo of its own."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from aidashboard.stack.ports import free_port
from bench.demo_session import DemoSession, run_demo, scratch_folder

IMAGES: Final = Path(__file__).resolve().parent.parent / "docs" / "images"
# Until queues have formed and something was borrowed and reclaimed.
WARM_UP_SECONDS: Final = 150
PAGES: Final = {
    "admin": {
        "overview": "/overview/",
        "nodes": "/nodes/",
        "quotas": "/quotas/",
        "workloads": "/workloads/?state=waiting",
    },
    "researcher": {"home": "/home/"},
}


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with scratch_folder() as folder, run_demo(folder / "data", port=free_port()) as session:
        time.sleep(WARM_UP_SECONDS)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            for role, pages in PAGES.items():
                take(browser, session, role=role, pages=pages)
            browser.close()


def take(browser: Browser, session: DemoSession, *, role: str, pages: dict[str, str]) -> None:
    page = browser.new_context(base_url=session.url, viewport={"width": 1440, "height": 900}).new_page()
    login = session.summary[role]
    page.goto("/login")
    page.fill("input[name=login]", login["username"])
    page.fill("input[name=password]", login["password"])
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    for name, path in pages.items():
        page.goto(path)
        page.wait_for_timeout(2_000)
        page.screenshot(path=IMAGES / f"{name}.png")
        print(IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
