"""What holds for every test: marks by folder, closed sockets for unit tests, and no skips where everything must run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    for name in ("unit", "integration", "lifecycle", "cluster", "e2e", "architecture", "golden"):
        config.addinivalue_line("markers", f"{name}: lies in tests/{name}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its folder. The cheap ones run first, so that a mistake shows early."""
    order = {"unit": 0, "architecture": 1, "golden": 2, "integration": 3, "lifecycle": 4, "cluster": 5, "e2e": 6}

    def folder_of(item: pytest.Item) -> str:
        return item.path.relative_to(_TESTS).parts[0]

    for item in items:
        folder = folder_of(item)
        item.add_marker(folder)
        if folder == "unit":
            item.add_marker(pytest.mark.disable_socket)
    items.sort(key=lambda item: order[folder_of(item)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With CI=true a skipped test is a failure: a part that should be there is missing."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI") == "true":
        terminalreporter.section("skipped tests fail with CI=true", red=True)
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: str) -> None:
    """pytest-django asks for this before it makes the test database."""
