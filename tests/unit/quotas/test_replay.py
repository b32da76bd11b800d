"""The engine takes the decisions that Kueue took, on every recording."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quotas.domain.engine import Engine, Options
from quotas.domain.replay import main
from quotas.domain.vectors import Replay, read_forest, read_work, replay_arrivals

RECORDINGS = Path(__file__).parent / "kueue"
SCENARIOS = {"named": 25, "classical": 200, "fair-sharing": 197}

# Begun afresh in every pass these go on for ever, in Kueue as here. In the product's mode all of them come to rest: the preemptor stays
# first in its queue, and what was set aside is released only after it, and the work that it evicted, have been tried again. Without
# the latter cl-195 would not: the head of q0, older and as high in priority, would take back the room that q1/s3a0-1 evicted for.
RESTLESS = [f"cl-{number}" for number in (15, 32, 40, 87, 90, 94, 189, 195)] + [
    f"fs-{number}" for number in (7, 17, 22, 81, 106, 124, 131, 157)
]


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("name", "count"), SCENARIOS.items())
def test_every_cycle_admission_and_victim_is_that_of_kueue(name: str, count: int):
    recordings = read(name)
    assert len(recordings) == count
    for recording in recordings:
        assert Replay(recording["scenario"]).run() == recording["decisions"], recording["scenario"]["name"]


def test_after_every_arrival_the_engine_rests_where_kueue_rested():
    recordings = read("arrivals")
    assert len(recordings) == 66
    for recording in recordings:
        assert replay_arrivals(recording) == recording["admitted"], recording["scenario"]["name"]


def test_after_every_single_event_the_engine_rests_where_kueue_rested():
    recordings = read("events")
    assert len(recordings) == 18
    for recording in recordings:
        assert replay_arrivals(recording) == recording["admitted"], recording["scenario"]["name"]


def test_a_recording_may_hold_several_events_and_begin_with_nothing():
    queue = {"name": "q", "groups": [{"flavors": [{"name": "f", "res": {"cpu": ["2"]}}]}]}
    wider = {**queue, "groups": [{"flavors": [{"name": "f", "res": {"cpu": ["3"]}}]}]}
    work = [{"name": name, "cq": "q", "req": {"cpu": "2"}, "created": 1, "uid": name} for name in ("a", "b")]
    small = {"name": "c", "cq": "q", "req": {"cpu": "1"}, "created": 2, "uid": "c"}
    recording = {
        "scenario": {"name": "several", "cqs": [queue], "steps": []},
        "events": [
            {"submit": work[0]},
            {"submit": work[1]},
            {"submit": small},
            {"change": {"cqs": [wider]}},
            {"finish": "a"},
            {"finish": "b"},
        ],
    }
    assert replay_arrivals(recording) == [["a"], ["a"], ["a"], ["a", "c"], ["b", "c"], ["c"]]


def test_quantities_may_be_written_as_kubernetes_allows():
    queue = {"name": "q", "groups": [{"flavors": [{"name": "f", "res": {"cpu": ["1500m"], "memory": ["1Gi", "0"]}}]}]}
    add = [
        {"cq": "q", "prefix": "a", "count": 1, "req": {"cpu": "0.5", "memory": "512Mi"}},
        {"cq": "q", "prefix": "b", "count": 1, "req": {"cpu": "1", "memory": "0.5Gi"}},
        {"cq": "q", "prefix": "c", "count": 1, "req": {"cpu": "1m"}},
    ]
    (step,) = Replay({"name": "fine", "cqs": [queue], "steps": [{"add": add}]}).run()
    assert [cycle["admit"] for cycle in step["cycles"]] == [["q/a-1"], ["q/b-1"]]


def test_the_recordings_hold_sixteen_scenarios_without_rest():
    restless = [
        recording["scenario"]["name"].rsplit("-", 1)[0]
        for name in SCENARIOS
        for recording in read(name)
        if any(len(step["cycles"]) == 200 for step in recording["decisions"])
    ]
    assert restless == RESTLESS


def test_with_sticky_preemptors_and_late_releases_all_of_them_rest():
    moving = []
    for recording in (recording for name in SCENARIOS for recording in read(name)):
        short = recording["scenario"]["name"].rsplit("-", 1)[0]
        if short in RESTLESS and not _rests(recording["scenario"]):
            moving.append(short)
    assert moving == []


def _rests(scenario: dict[str, Any]) -> bool:
    engine = Engine(read_forest(scenario), Options(fair_sharing=scenario["fairSharing"]))
    number = 0
    for step in scenario["steps"]:
        for entry in step["add"]:
            for index in range(1, entry["count"] + 1):
                number += 1
                engine.submit(read_work(entry, name=f"{entry['cq']}/{entry['prefix']}-{index}", number=number))
        if not engine.settle(500).is_settled:
            return False
    return True


def test_the_command_prints_a_line_per_scenario(capsys: pytest.CaptureFixture[str]):
    assert main([str(RECORDINGS / "named.jsonl")]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        {"name": recording["scenario"]["name"], "decisions": recording["decisions"]} for recording in read("named")
    ]


def test_the_command_needs_nothing_but_python():
    """No Django, no database, no package: the interpreter is started without site-packages."""
    command = [sys.executable, "-S", "-m", "quotas.domain.replay", "--arrivals", "--check"]
    with (RECORDINGS / "arrivals.jsonl").open() as recordings:
        done = subprocess.run(command, stdin=recordings, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "66 scenarios agree\n", "")


def test_a_difference_is_told_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recording = read("named")[0]
    recording["decisions"][0]["cycles"][1]["admit"] = ["a1/other"]
    path = tmp_path / "wrong.jsonl"
    path.write_text(json.dumps(recording))
    assert main(["--check", str(path)]) == 1
    told = capsys.readouterr().out
    assert recording["scenario"]["name"] in told
    assert '[0].cycles[1].admit[0]: "a1/acpu-2" here, "a1/other" recorded' in told


def test_a_missing_cycle_is_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recording = read("named")[0]
    recording["decisions"][0]["cycles"].pop()
    path = tmp_path / "short.jsonl"
    path.write_text(json.dumps(recording))
    assert main(["--check", str(path)]) == 1
    assert "[0].cycles: 4 entries here, 3 recorded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "line 1 is not JSON"),
        ('{"a": 1}', "line 1 is not a scenario: KeyError 'scenario'"),
        ('\n{"scenario": {"name": "x", "cqs": [{"name": "q", "reclaim": "Sometimes"}], "steps": []}}', "line 2 is not"),
    ],
)
def test_a_line_that_is_no_scenario_is_named(
    text: str, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["--check"]) == 2
    assert complaint in capsys.readouterr().err


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]):
    assert main(["nowhere.jsonl"]) == 2
    assert "nowhere.jsonl" in capsys.readouterr().err
