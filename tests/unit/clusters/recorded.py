"""Objects as a real API server with Kueue served them, recorded from the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

_DATA = Path(__file__).parent / "data"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((_DATA / f"{name}.json").read_bytes())
    return found
