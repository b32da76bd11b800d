"""The files that set-up puts in place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from frontend import assets
from frontend.icons import ICONS

ROOT = Path(__file__).resolve().parents[3]


def test_a_sprite_has_one_symbol_per_icon_in_the_colour_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "plus.svg").write_text('<svg width="24" stroke="red">\n  <path d="M12 5v14" />\n</svg>\n')
    sprite = assets.build_sprite(tmp_path, ["plus"])
    assert '<symbol id="plus"' in sprite
    assert 'stroke="currentColor"' in sprite
    assert '<path d="M12 5v14" />' in sprite


def test_an_icon_that_the_set_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(assets.AssetError, match="'nope'"):
        assets.build_sprite(tmp_path, ["nope"])


def test_icons_are_listed_once_and_in_order() -> None:
    assert list(ICONS) == sorted(set(ICONS))


def test_every_icon_that_templates_name_is_in_the_sprite() -> None:
    named = {
        match
        for path in (ROOT / "frontend" / "templates").rglob("*.html")
        for match in re.findall(r"{% icon \"([a-z0-9-]+)\"", path.read_text())
    }
    assert named <= set(ICONS)


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (ROOT / "package-lock.json").read_text()
    assert "omit-lockfile-registry-resolved=true" in (ROOT / ".npmrc").read_text()


def test_source_map_comments_are_left_out() -> None:
    text = "a{}\n/*# sourceMappingURL=x.css.map */\n"
    assert "sourceMappingURL" not in assets.strip_source_map(text)
    assert "sourceMappingURL" not in assets.strip_source_map("f();\n//# sourceMappingURL=x.js.map")
