"""What a sandbox leaves in its folder when a start fails halfway."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import preparing
from sandbox.cluster import Sandbox
from sandbox.errors import NotRunningError
from sandbox.kueue import KueueManifests
from sandbox.prometheus import kueue_token_path


def test_a_token_that_could_not_be_had_leaves_no_empty_file(tmp_path: Path):
    """It would be taken for a token at every later start, and Kueue would never be scraped."""
    sandbox = Sandbox(tmp_path)
    sandbox.layout.create()
    nothing = KueueManifests(definitions=(), objects=(), webhooks=(), api_services=())
    sandbox.layout.applied.write_text(preparing.hash_manifests(preparing.build_grants()), encoding="utf-8")
    with pytest.raises(NotRunningError):
        sandbox._prepare(nothing)
    assert not kueue_token_path(sandbox.layout).exists()
