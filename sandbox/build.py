"""Makes the programs of the sandbox from locked Go modules, once per lock, flags and platform.

Everything lands in the user's cache folder under a name that is the hash of what it was made from, so a second checkout
builds nothing, and a file that is there is complete (written beside, then renamed). Also takes Kueue's manifests and
KWOK's stages out of the module cache: starting a sandbox needs neither Go nor a network.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from . import toolchain
from .errors import BuildError
from .programs import CONTROLPLANE, MODULES, PROGRAMS, LockedModule, Program, Programs

# Raise when what is extracted below changes without any lock file changing.
_LAYOUT = "1"

KWOK_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/general/pod-create.yaml",
    "pod/general/pod-init-container-running.yaml",
    "pod/general/pod-init-container-completed.yaml",
    "pod/general/pod-ready.yaml",
    "pod/general/pod-delete.yaml",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """How far a build is. `program` is what is being made (number `index` of `count`, from 1), times in seconds.

    `seconds_left` is an estimate from the weights and the speed so far. `index` 0 means: another process is building.
    """

    program: str
    index: int
    count: int
    elapsed: float
    seconds_left: float


Report = Callable[[BuildProgress], None]


def ignore_progress(_: BuildProgress) -> None:
    """A report for callers who show none."""


def build(report: Report = ignore_progress) -> Programs:
    """Return the programs, after building what is missing. Blocks while another process builds the same.

    Raises: BuildError naming the program or the modules that could not be had.
    """
    found = find_programs()
    if found is not None:
        return found
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _one_builder(folder, report):
        missing = _list_missing(folder)
        if missing:
            _run_steps(_plan(folder, missing), report)
    return _programs_in(folder)


def find_programs() -> Programs | None:
    """What is built already, or None. Takes milliseconds; use it to decide whether to announce a build."""
    folder = cache_folder()
    return None if _list_missing(folder) else _programs_in(folder)


def cache_root() -> Path:
    """The part of the user's cache folder that belongs to sandboxes of every checkout."""
    # The one variable read here is a convention of the desktop, not a setting of ours.
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "aidashboard" / "sandbox"


def cache_folder() -> Path:
    return cache_root() / lock_hash()


def lock_hash() -> str:
    """Names a build: the same lock files, flags and platform give the same programs."""
    digest = hashlib.sha256()
    digest.update(f"{_LAYOUT} {platform.system()} {platform.machine()} {' '.join(KWOK_STAGES)}\n".encode())
    for module in MODULES:
        digest.update(f"{module.name} {' '.join(module.build_flags)}\n".encode())
        for name in ("go.mod", "go.sum"):
            digest.update((module.directory / name).read_bytes())
    for program in PROGRAMS:
        digest.update(f"{program.name} {program.tool}\n".encode())
    return digest.hexdigest()[:16]


# --- what is there


def _programs_in(folder: Path) -> Programs:
    at = {program.name: folder / "bin" / program.name for program in PROGRAMS}
    return Programs(
        etcd=at["etcd"],
        kube_apiserver=at["kube-apiserver"],
        kube_controller_manager=at["kube-controller-manager"],
        kube_scheduler=at["kube-scheduler"],
        kwok=at["kwok"],
        kueue=at["kueue"],
        kubectl=at["kubectl"],
        kube_state_metrics=at["kube-state-metrics"],
        prometheus=at["prometheus"],
        promtool=at["promtool"],
        kueue_manifests=_manifests_path(folder),
        kwok_stages=_stages_path(folder),
    )


def _manifests_path(folder: Path) -> Path:
    return folder / "kueue.json"


def _stages_path(folder: Path) -> Path:
    return folder / "stages"


def _list_missing(folder: Path) -> list[Program | str]:
    """Programs, and the names of extracted parts, that `folder` lacks."""
    missing: list[Program | str] = [program for program in PROGRAMS if not (folder / "bin" / program.name).exists()]
    if not _manifests_path(folder).exists():
        missing.append("manifests")
    if not _stages_path(folder).is_dir():
        missing.append("stages")
    return missing


def find_installed(program: Program) -> Path | None:
    """A program of the same name and a suitable version on PATH or in KUBEBUILDER_ASSETS, a convention of envtest."""
    if program.version_pattern is None:
        return None
    folders = os.pathsep.join(filter(None, (os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("PATH", ""))))
    found = shutil.which(program.name, path=folders)
    if found is None:
        return None
    try:
        answer = subprocess.run(
            [found, *program.version_command], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = answer.stdout + answer.stderr
    return Path(found).resolve() if program.version_pattern.search(text) else None


# --- the steps of a build


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    name: str
    weight: float
    run: Callable[[Callable[[], None]], None]


@dataclass(slots=True)
class _GoTool:
    """The toolchain of this build, looked for when the first step asks, because fetching it is a step of its own."""

    path: Path | None = field(default=None)

    def find(self) -> Path | None:
        self.path = self.path or toolchain.find_go(cache=cache_root())
        return self.path

    def get(self) -> Path:
        go = self.find()
        if go is None:
            raise BuildError("There is no Go toolchain.", hint="Put `go` on PATH.")
        return go

    def run(self, *arguments: str, module: LockedModule, tick: Callable[[], None], about: str) -> str:
        """Run `go` in the folder of a module.

        Raises: BuildError with the last lines of the output and a hint fitting them.
        """
        environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOFLAGS": "",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }
        code, output, errors = _run(
            (str(self.get()), *arguments), environment=environment, directory=module.directory, tick=tick
        )
        if code != 0:
            raise explain_failure(about, errors)
        return output


def _plan(folder: Path, missing: Sequence[Program | str]) -> list[_Step]:
    go = _GoTool()
    steps: list[_Step] = []
    to_build: list[Program] = []
    for program in (item for item in missing if isinstance(item, Program)):
        installed = find_installed(program)
        if installed is None:
            to_build.append(program)
        else:
            _link(installed, folder / "bin" / program.name)
    if go.find() is None:
        steps.append(_Step(name="Go toolchain", weight=15, run=lambda _: _fetch_go(go)))
    needs_kueue_module = len(missing) > sum(isinstance(item, Program) for item in missing)
    for module in MODULES:
        programs = [program for program in to_build if program.module == module]
        if programs or (needs_kueue_module and module == CONTROLPLANE):
            steps.append(_download_step(go, module))
        steps.extend(_build_step(go, program, folder) for program in programs)
    if "manifests" in missing:
        steps.append(_Step(name="Kueue's manifests", weight=3, run=lambda tick: _extract_manifests(go, folder, tick)))
    if "stages" in missing:
        steps.append(_Step(name="KWOK's stages", weight=1, run=lambda tick: _extract_stages(go, folder, tick)))
    return steps


def _run_steps(steps: Sequence[_Step], report: Report) -> None:
    pace = Pace(started=time.monotonic(), weights=tuple(step.weight for step in steps))
    for index, step in enumerate(steps, start=1):
        pace.begin(index - 1)

        def tick(index: int = index, step: _Step = step) -> None:
            report(
                BuildProgress(
                    program=step.name,
                    index=index,
                    count=len(steps),
                    elapsed=pace.elapsed(),
                    seconds_left=pace.seconds_left(),
                )
            )

        tick()
        step.run(tick)


@dataclass(slots=True)
class Pace:
    """Estimates the time left: the weights are seconds on the reference machine, the speed so far scales them."""

    started: float
    weights: tuple[float, ...]
    current: int = 0
    current_started: float = 0.0

    # The scale starts at 1 and is trusted as if this many seconds of work had confirmed it, so that one quick step
    # (a download that was cached) does not turn twelve minutes into one.
    PRIOR_SECONDS = 60.0

    def begin(self, index: int) -> None:
        self.current, self.current_started = index, time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def seconds_left(self) -> float:
        done_weight = sum(self.weights[: self.current])
        done_seconds = self.current_started - self.started
        scale = (done_seconds + self.PRIOR_SECONDS) / (done_weight + self.PRIOR_SECONDS)
        in_this = time.monotonic() - self.current_started
        rest_of_this = max(self.weights[self.current] * scale - in_this, 1.0)
        return rest_of_this + scale * sum(self.weights[self.current + 1 :])


def _fetch_go(go: _GoTool) -> None:
    go.path = toolchain.fetch_go(cache=cache_root())


def _download_step(go: _GoTool, module: LockedModule) -> _Step:
    def run(tick: Callable[[], None]) -> None:
        go.run("mod", "download", module=module, tick=tick, about=f"the Go modules of {module.name}")

    return _Step(name=f"modules of {module.name}", weight=module.download_weight, run=run)


def _build_step(go: _GoTool, program: Program, folder: Path) -> _Step:
    def run(tick: Callable[[], None]) -> None:
        target = folder / "bin" / program.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="building-") as scratch:
            output = Path(scratch) / program.name
            arguments = ("build", *program.module.build_flags, "-o", str(output), program.tool)
            go.run(*arguments, module=program.module, tick=tick, about=program.name)
            output.replace(target)

    return _Step(name=program.name, weight=program.weight, run=run)


def _extract_manifests(go: _GoTool, folder: Path, tick: Callable[[], None]) -> None:
    source = _module_folder(go, "sigs.k8s.io/kueue", tick) / "config" / "default"
    kubectl = folder / "bin" / "kubectl"
    code, output, errors = _run(
        (str(kubectl), "kustomize", str(source)), environment=dict(os.environ), directory=folder, tick=tick
    )
    if code != 0:
        raise explain_failure("Kueue's manifests", errors)
    # JSON, because reading 1.7 MB of YAML at every start would cost more than applying it.
    objects = [item for item in yaml.load_all(output, Loader=_yaml_loader()) if item]
    _write(_manifests_path(folder), json.dumps(objects, separators=(",", ":")))


def _extract_stages(go: _GoTool, folder: Path, tick: Callable[[], None]) -> None:
    source = _module_folder(go, "sigs.k8s.io/kwok", tick) / "kustomize" / "stage"
    with tempfile.TemporaryDirectory(dir=folder, prefix="stages-") as scratch:
        ready = Path(scratch) / "stages"
        ready.mkdir()
        for name in KWOK_STAGES:
            # Not copy2: files of the module cache are read-only, and a cache that cannot be deleted is a nuisance.
            (ready / Path(name).name).write_text((source / name).read_text(encoding="utf-8"), encoding="utf-8")
        ready.rename(_stages_path(folder))


def _module_folder(go: _GoTool, path: str, tick: Callable[[], None]) -> Path:
    output = go.run("list", "-m", "-f", "{{.Dir}}", path, module=CONTROLPLANE, tick=tick, about=f"the Go module {path}")
    return Path(output.strip())


def _yaml_loader() -> type[yaml.SafeLoader] | type[yaml.CSafeLoader]:
    """The C parser where PyYAML was built with it: 1 s instead of 10."""
    return yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


# --- small parts


@contextmanager
def _one_builder(folder: Path, report: Report) -> Iterator[None]:
    """Hold the lock of this build; the kernel frees it when the holder dies."""
    started = time.monotonic()
    with (folder / "build.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                report(
                    BuildProgress(
                        program="waiting for another build",
                        index=0,
                        count=len(PROGRAMS),
                        elapsed=time.monotonic() - started,
                        seconds_left=sum(program.weight for program in _missing_programs(folder)),
                    )
                )
                time.sleep(1)
        yield


def _missing_programs(folder: Path) -> list[Program]:
    return [item for item in _list_missing(folder) if isinstance(item, Program)]


def _run(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, tick: Callable[[], None]
) -> tuple[int, str, str]:
    """Run a command, calling `tick` once a second. Output goes to files, so no pipe can fill up and block it."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        try:
            while True:
                try:
                    process.wait(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    tick()
        finally:
            # Ctrl-C: the compiler must not go on behind the back of the person who stopped it.
            if process.poll() is None:
                process.terminate()
                process.wait()
        output.seek(0)
        errors.seek(0)
        return process.returncode, output.read(), errors.read()


def explain_failure(about: str, errors: str) -> BuildError:
    lines = [line for line in errors.splitlines() if line.strip() and not line.startswith("go: downloading")]
    tail = "\n".join(lines[-8:])
    lowered = tail.lower()
    if "checksum mismatch" in lowered or "security error" in lowered:
        hint = "A module differs from its checksum in go.sum. Do not go on; look at the Go module proxy in use."
    elif any(
        word in lowered
        for word in ("dial tcp", "no such host", "proxyconnect", "forbidden", "not available", "lookup disabled")
    ):
        hint = "The Go module proxy did not deliver. Check the network and the variable GOPROXY, then run this again."
    elif "no space left" in lowered:
        hint = "The disk is full: the build needs 7 GB for Go's caches and 0.6 GB for the programs."
    elif "signal: killed" in lowered:
        hint = "The compiler was killed, most likely for lack of memory: it needs 3 GB."
    else:
        hint = "Run `python -m sandbox build` again; what was built so far is kept."
    return BuildError(f"Could not make {about}:\n{tail}", hint=hint)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_suffix(".link")
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(source)
    scratch.replace(target)


def _write(path: Path, text: str) -> None:
    scratch = path.with_suffix(".partial")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
