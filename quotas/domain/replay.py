"""Replays recordings of Kueue: `python -m quotas.domain.replay [--arrivals] [--check] [FILE.jsonl]`, standard input without a file.

Prints one JSON line per scenario, `{"name", "decisions"}`, or `{"name", "admitted"}` for arrivals. With `--check` it compares with
what was recorded instead, prints the first difference and exits 1. A line that is no scenario ends it with 2 and says which.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from quotas.domain.vectors import JsonObject, Replay, name_of, replay_arrivals


class LineError(ValueError):
    """A line is not a scenario of the format; says which line and what is wrong with it."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m quotas.domain.replay", description="Replay recorded decisions of Kueue."
    )
    parser.add_argument("file", nargs="?", default="-", help="recordings, one JSON object a line; - is standard input")
    parser.add_argument(
        "--check", action="store_true", help="compare with the recorded decisions; 1 at the first difference"
    )
    parser.add_argument(
        "--arrivals", action="store_true", help="the recordings are single arrivals or events into a running Kueue"
    )
    options = parser.parse_args(arguments)
    try:
        if options.file == "-":
            return _replay(sys.stdin, is_arrivals=options.arrivals, is_check=options.check)
        with open(options.file, encoding="utf-8") as lines:
            return _replay(lines, is_arrivals=options.arrivals, is_check=options.check)
    except (OSError, LineError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2


def _replay(lines: TextIO, *, is_arrivals: bool, is_check: bool) -> int:
    key = "admitted" if is_arrivals else "decisions"
    count = 0
    for recording, result in _results(lines, is_arrivals=is_arrivals):
        name = name_of(recording)
        count += 1
        if not is_check:
            print(json.dumps({"name": name, key: result}, separators=(",", ":")))
        elif result != recording.get(key):
            print(f"{name}: {describe_difference(result, recording.get(key))}")
            return 1
    if is_check:
        print(f"{count} scenarios agree")
    return 0


def _results(lines: TextIO, *, is_arrivals: bool) -> Iterator[tuple[JsonObject, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            recording = json.loads(line)
            yield recording, replay_arrivals(recording) if is_arrivals else Replay(recording["scenario"]).run()
        except json.JSONDecodeError as error:
            raise LineError(f"line {number} is not JSON: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise LineError(f"line {number} is not a scenario: {type(error).__name__} {error}") from error


def describe_difference(ours: Any, recorded: Any, path: str = "") -> str:
    """The first place at which two JSON values differ. All behind it may follow from it."""
    if isinstance(ours, list) and isinstance(recorded, list):
        for index, (mine, theirs) in enumerate(zip(ours, recorded, strict=False)):
            if mine != theirs:
                return describe_difference(mine, theirs, f"{path}[{index}]")
        return f"{path}: {len(ours)} entries here, {len(recorded)} recorded; the first more is {_first_more(ours, recorded)}"
    if isinstance(ours, dict) and isinstance(recorded, dict):
        for key in [*recorded, *(key for key in ours if key not in recorded)]:
            if ours.get(key) != recorded.get(key):
                return describe_difference(ours.get(key), recorded.get(key), f"{path}.{key}".removeprefix("."))
    return f"{path}: {json.dumps(ours)} here, {json.dumps(recorded)} recorded"


def _first_more(ours: list[Any], recorded: list[Any]) -> str:
    longer = ours if len(ours) > len(recorded) else recorded
    return json.dumps(longer[min(len(ours), len(recorded))])


if __name__ == "__main__":
    sys.exit(main())
