"""The OpenAPI document against the golden file: whoever writes a client sees here what changes for them."""

from __future__ import annotations

from pathlib import Path

from django.core.management import call_command

from tests.golden.comparing import assert_golden


def test_the_api_is_that_of_the_golden_file(tmp_path: Path) -> None:
    path = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(path))
    assert_golden("openapi.yaml", path.read_text())
