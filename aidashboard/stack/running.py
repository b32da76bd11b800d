"""The record that a running stack leaves in its data folder, so that management commands can join it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aidashboard.stack.locking import DataDirLock
from aidashboard.stack.servers import ServerSetUpError

NAME: Final = "running.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that runs: its address and the environment of its processes."""

    url: str
    environment: Mapping[str, str]


def record_running(data_dir: Path, *, url: str, environment: Mapping[str, str]) -> None:
    """Write the record in one step, for the owner alone: the environment may hold passwords."""
    draft = data_dir / f"{NAME}.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"pid": os.getpid(), "url": url, "environment": dict(environment)}, file, indent=2)
    draft.replace(data_dir / NAME)


def forget_running(data_dir: Path) -> None:
    (data_dir / NAME).unlink(missing_ok=True)


def read_running(data_dir: Path) -> Running:
    """The stack on this data folder.

    Raises: ServerSetUpError when none runs. One that was killed has left its record behind, but not its lock.
    """
    not_running = ServerSetUpError(
        f"No stack runs on {data_dir}; start one with `aidashboard up --data-dir {data_dir}`."
    )
    try:
        record = json.loads((data_dir / NAME).read_text())
    except (OSError, ValueError) as error:
        raise not_running from error
    if record["pid"] != DataDirLock(data_dir).find_holder():
        raise not_running
    return Running(url=record["url"], environment=record["environment"])
