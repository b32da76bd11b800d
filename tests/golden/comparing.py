"""Golden files: the expected text lies beside the test, `make golden` (UPDATE_GOLDEN=1) writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent


def assert_golden(name: str, text: str) -> None:
    """Compare with tests/golden/`name`. A difference is to be read, not to be waved through."""
    assert_golden_file(FOLDER / name, text)


def assert_golden_file(path: Path, text: str) -> None:
    """Compare with any file that is written from the code."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} differs: read the difference, then run `make golden`"
