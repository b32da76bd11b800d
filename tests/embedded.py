"""A pytest plugin, loaded before Django's settings: every run has a PostgreSQL and a Valkey of its own.

Their addresses are known at once, because they are unix sockets in a folder of this run. The servers start with the first test that
asks for the database or the broker, so a run of unit tests starts nothing. With AIDASHBOARD_DATABASE_URL and AIDASHBOARD_REDIS_URL
set, the run uses those instead.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aidashboard.stack.postgres import EmbeddedPostgres
from aidashboard.stack.valkey import EmbeddedValkey

_FOLDER = Path(tempfile.gettempdir()) / f"aid-test-{os.getpid()}"
# What a killed server loses here nobody misses.
_POSTGRES = EmbeddedPostgres(
    _FOLDER / "postgres", settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
)
_VALKEY = EmbeddedValkey(_FOLDER / "valkey")
_IS_OWN_POSTGRES = "AIDASHBOARD_DATABASE_URL" not in os.environ
_IS_OWN_VALKEY = "AIDASHBOARD_REDIS_URL" not in os.environ

os.environ.setdefault("AIDASHBOARD_DATABASE_URL", _POSTGRES.url)
os.environ.setdefault("AIDASHBOARD_REDIS_URL", _VALKEY.url)
os.environ.setdefault("AIDASHBOARD_SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests")
os.environ.setdefault("AIDASHBOARD_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
os.environ.setdefault("AIDASHBOARD_LOG_LEVEL", "WARNING")
# Hypothesis and Playwright run event loops of their own under tests that use the database from the same thread.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of the run's PostgreSQL, started."""
    if _IS_OWN_POSTGRES:
        _POSTGRES.start()
    yield os.environ["AIDASHBOARD_DATABASE_URL"]
    if _IS_OWN_POSTGRES:
        _POSTGRES.stop()


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The address of the run's Valkey, started."""
    if _IS_OWN_VALKEY:
        _VALKEY.start()
    yield os.environ["AIDASHBOARD_REDIS_URL"]
    if _IS_OWN_VALKEY:
        _VALKEY.stop()


def pytest_sessionfinish() -> None:
    shutil.rmtree(_FOLDER, ignore_errors=True)
