"""The build where it meets the machine: programs that are there already, and two builders at once."""

import fcntl
from pathlib import Path

import pytest

from sandbox import build
from sandbox.build import BuildProgress
from sandbox.programs import PROGRAMS

ETCD = next(program for program in PROGRAMS if program.name == "etcd")
KUEUE = next(program for program in PROGRAMS if program.name == "kueue")


class WaitingError(Exception):
    """Ends a build that would wait for ever."""


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


@pytest.mark.parametrize(("version", "is_used"), [("3.6.12", True), ("3.4.23", False), ("13.6.1", False)])
def test_an_installed_program_is_used_when_its_version_suits(tmp_path, monkeypatch, version, is_used):
    program = _install(tmp_path / "assets", "etcd", f"etcd Version: {version}")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    assert build.find_installed(ETCD) == (program if is_used else None)


def test_a_program_that_cannot_tell_its_version_is_always_built(tmp_path):
    _install(tmp_path / "path", "kueue", "v0.19.2")
    assert build.find_installed(KUEUE) is None


def test_a_program_that_does_not_run_is_not_used(tmp_path):
    broken = _install(tmp_path / "path", "etcd", "")
    broken.write_text("#!/nowhere/sh\n")
    assert build.find_installed(ETCD) is None


def test_a_second_builder_waits_and_says_so():
    folder = build.cache_folder()
    folder.mkdir(parents=True)
    heard: list[BuildProgress] = []

    def listen(progress: BuildProgress) -> None:
        heard.append(progress)
        raise WaitingError

    with (folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(WaitingError):
            build.build(listen)
    assert [progress.index for progress in heard] == [0]
    assert heard[0].seconds_left == pytest.approx(sum(program.weight for program in PROGRAMS))


def _install(folder: Path, name: str, answer: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    return program
