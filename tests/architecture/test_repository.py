"""What holds for the files of the repository: links lead somewhere, nothing names this machine, migrations are whole."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
# Places that only one machine has, and hosts that tie the repository to one registry. Split, so that this file does not match.
MACHINE_PATHS = re.compile(
    "|".join([r"/" + r"work/(main|shared)", r"/" + r"root/(\.|go/)", r"/home/(?!aidashboard)[a-z]+/"])
)
REGISTRIES = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in [
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("registry", "npmjs", "org"),
            ("proxy", "golang", "org"),
        ]
    )
)


def list_tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def read_texts() -> Iterator[tuple[Path, str]]:
    for path in list_tracked_files():
        try:
            yield path.relative_to(ROOT), path.read_text()
        except UnicodeDecodeError:
            continue


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [f"{path}: {match.group()}" for path, text in read_texts() for match in MACHINE_PATHS.finditer(text)]
    assert not found


def test_no_file_names_the_host_of_a_registry() -> None:
    found = [f"{path}: {match.group()}" for path, text in read_texts() for match in REGISTRIES.finditer(text)]
    assert not found


def test_links_between_documents_lead_to_files() -> None:
    broken = []
    for path, text in read_texts():
        if path.suffix != ".md":
            continue
        for match in LINK.finditer(text):
            target = (match.group(1) or match.group(2)).split("#")[0]
            is_local = bool(target) and "://" not in target and not target.startswith("mailto:")
            if is_local and not ((ROOT / path).parent / target).exists():
                broken.append(f"{path} -> {target}")
    assert not broken


@pytest.mark.django_db
def test_the_migrations_are_those_of_the_models() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=1)


def test_no_module_is_called_what_says_nothing() -> None:
    empty_names = {"utils", "common", "misc", "manager", "helpers"}
    assert not [path for path, _ in read_texts() if path.suffix == ".py" and path.stem in empty_names]
