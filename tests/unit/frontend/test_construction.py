"""The progress of the sandbox's construction, read from a file that another process writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontend.construction import read_construction


def test_progress_is_read(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    path.write_text(
        '{"phase":"build","program":"kueue","index":3,"count":9,"seconds_left":95,"message":"","done":false}'
    )
    construction = read_construction(str(path))
    assert construction is not None
    assert (construction.program, construction.index, construction.count) == ("kueue", 3, 9)
    assert construction.minutes_left == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"done": true}'])
def test_nothing_is_under_way_without_a_readable_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "progress.json"
    path.write_text(text)
    assert read_construction(str(path)) is None
    assert read_construction(str(tmp_path / "missing.json")) is None
    assert read_construction("") is None


def test_values_of_other_types_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    path.write_text('{"phase": null, "index": "x", "count": -1, "seconds_left": "soon"}')
    construction = read_construction(str(path))
    assert construction is not None
    assert (construction.index, construction.count, construction.minutes_left) == (0, 0, None)
