"""Every integration test may use the cache and the broker."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def started_valkey(valkey: str) -> str:
    return valkey
