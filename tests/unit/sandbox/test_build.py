"""The build: what is locked, how long it says it takes, and what it tells a person when it fails."""

import re
import time
from pathlib import Path

import pytest

from sandbox import build, programs, toolchain
from sandbox.build import Pace, explain_failure
from sandbox.programs import MODULES, PROGRAMS, LockedModule


@pytest.fixture(scope="module")
def lock_texts() -> dict[str, str]:
    return {module.name: (module.directory / "go.mod").read_text() for module in MODULES}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_every_program_is_a_tool_of_its_locked_module(program, lock_texts):
    assert re.search(rf"^\s*(tool )?{re.escape(program.tool)}$", lock_texts[program.module.name], re.MULTILINE)


@pytest.mark.parametrize(
    ("lock", "module", "version"),
    [
        ("controlplane", "k8s.io/kubernetes", programs.KUBERNETES_VERSION),
        ("controlplane", "sigs.k8s.io/kueue", programs.KUEUE_VERSION),
        ("controlplane", "sigs.k8s.io/kwok", programs.KWOK_VERSION),
    ],
)
def test_stamped_versions_are_the_locked_ones(lock, module, version, lock_texts):
    assert re.search(rf"{re.escape(module)} v{re.escape(version)}\b", lock_texts[lock])


def test_the_staging_modules_of_kubernetes_are_replaced_by_its_own_version(lock_texts):
    minor, patch = programs.KUBERNETES_VERSION.split(".")[1:]
    replaced = set(re.findall(r"k8s\.io/\S+ => k8s\.io/\S+ (v\S+)", lock_texts["controlplane"]))
    assert replaced == {f"v0.{minor}.{patch}"}


def test_the_toolchain_is_new_enough_for_every_lock(lock_texts):
    lines = [re.search(r"^go (\S+)$", text, re.MULTILINE) for text in lock_texts.values()]
    needed = max(toolchain.parse_go_version(f"go{line.group(1)}") for line in lines if line)
    assert needed == toolchain.MINIMUM_GO
    wheel = toolchain.parse_go_version(f"go{toolchain.wheel_name().partition('==')[2]}")
    assert wheel >= needed


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.7\n", (1, 26, 7)),
        ("go1.27", (1, 27)),
        ("go1.28rc1", (0,)),
        ("gccgo 12", (0,)),
        ("", (0,)),
        ("go1.26.8 X:nodwarf5", (1, 26, 8)),
    ],
)
def test_versions_of_go_are_read_as_numbers(text, version):
    assert toolchain.parse_go_version(text) == version


def test_programs_are_built_without_cgo_paths_or_changes_to_the_lock():
    for module in MODULES:
        assert {"-mod=readonly", "-trimpath", "-buildvcs=false"} <= set(module.build_flags)


def test_the_hash_changes_with_a_lock_file(tmp_path: Path, monkeypatch):
    for module in MODULES:
        (tmp_path / module.name).mkdir()
        for name in ("go.mod", "go.sum"):
            (tmp_path / module.name / name).write_bytes((module.directory / name).read_bytes())
    before = build.lock_hash()
    monkeypatch.setattr(programs, "LOCK_ROOT", tmp_path)
    assert build.lock_hash() == before, "where the checkout lies does not matter"
    with (tmp_path / "prometheus" / "go.sum").open("a") as lock:
        lock.write("\n")
    assert build.lock_hash() != before


def test_the_hash_changes_with_a_flag(monkeypatch):
    before = build.lock_hash()
    stamped = LockedModule(name="prometheus", stamps=("a.b=c",), download_weight=1)
    monkeypatch.setattr(build, "MODULES", (*MODULES[:-1], stamped))
    assert build.lock_hash() != before


def test_the_cache_follows_the_desktop_convention(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build.cache_folder().parent == tmp_path / "aidashboard" / "sandbox"
    assert build.find_programs() is None, "an empty cache holds nothing"


def test_the_first_estimate_is_the_sum_of_the_weights():
    pace = Pace(started=time.monotonic(), weights=(60, 200, 40))
    pace.begin(0)
    assert pace.seconds_left() == pytest.approx(300, abs=1)


def test_a_machine_half_as_fast_takes_about_twice_as_long():
    pace = Pace(started=time.monotonic() - 600, weights=(300, 100))
    pace.begin(1)
    # 660 s for a weight of 360 (with the prior of 60 s) is a factor of 1.83.
    assert pace.seconds_left() == pytest.approx(183, abs=2)


def test_one_quick_step_does_not_make_the_rest_look_instant():
    pace = Pace(started=time.monotonic(), weights=(20, 400))
    pace.begin(1)
    assert pace.seconds_left() > 250


def test_the_estimate_never_reaches_zero_while_something_is_built():
    pace = Pace(started=time.monotonic() - 500, weights=(10,))
    pace.current_started = pace.started
    assert pace.seconds_left() >= 1


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("go: module k8s.io/x@v1: reading y: 403 Forbidden", "GOPROXY"),
        ("dial tcp: lookup proxy: no such host", "network"),
        ("verifying x@v1: checksum mismatch", "checksum"),
        ("write /tmp/x: no space left on device", "disk"),
        ("compile: signal: killed", "memory"),
        ("x.go:1: undefined: y", "again"),
    ],
)
def test_a_failure_says_what_to_do(output, hint):
    error = explain_failure("kueue", f"go: downloading noise v1\n{output}\n")
    assert "kueue" in error.message
    assert output in error.message
    assert "noise" not in error.message
    assert hint in error.hint
