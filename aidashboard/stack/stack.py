"""The whole product on one machine: PostgreSQL, Valkey, web, worker, beat and observer on one data folder.

In the data folder lie `lock`, `secrets/`, `postgres/`, `valkey/`, `beat/`, `logs/` and, while the stack runs, `running.json` with
what another command needs to join in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from aidashboard.stack import product
from aidashboard.stack.journal import Journal
from aidashboard.stack.keys import ensure_key
from aidashboard.stack.listening import check_answers, check_port
from aidashboard.stack.locking import DataDirLock
from aidashboard.stack.options import WILDCARD_HOSTS, StackOptions
from aidashboard.stack.ports import free_port
from aidashboard.stack.postgres import EmbeddedPostgres
from aidashboard.stack.running import forget_running, record_running
from aidashboard.stack.servers import EmbeddedServer, make_private_folder
from aidashboard.stack.supervision import Supervisor
from aidashboard.stack.valkey import EmbeddedValkey

POSTGRES_FOLDER: Final = "postgres"
VALKEY_FOLDER: Final = "valkey"
BEAT_FOLDER: Final = "beat"


class Stack:
    """One run of the product: `start`, `run_until_stopped`, and `stop` in any case; or a `with` block, which does the first and last.

    `report` gets a line whenever something happens that a person at the terminal should know. Whoever has more processes, as the
    demo has, gives them to `supervisor` or to `run_module`; `stop` ends them first.
    """

    def __init__(self, options: StackOptions, *, report: Callable[[str], None] = print) -> None:
        self.options = options
        self.port = options.port
        self._journal = Journal(options.logs_dir / "stack.log", report=report)
        self._lock = DataDirLock(options.data_dir)
        self._servers: list[EmbeddedServer] = []
        self._environment: dict[str, str] = {}
        self._supervisor: Supervisor | None = None

    @property
    def supervisor(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("start() comes first")
        return self._supervisor

    @property
    def url(self) -> str:
        """Where a browser finds the pages."""
        environment = self.options.environment
        return environment.text("PUBLIC_URL") if environment.is_set("PUBLIC_URL") else self.local_url

    @property
    def local_url(self) -> str:
        """The same without a proxy in front, from this machine."""
        host = "localhost" if self.options.host in WILDCARD_HOSTS else self.options.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def child_environment(self) -> dict[str, str]:
        """The variables by which a process of the product finds database, broker and keys."""
        return {**product.COMMON_ENVIRONMENT, **self._environment}

    # --- starting -----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything, and return when pages are served.

        Raises: EnvironmentValueError, DataDirBusyError, ServerSetUpError, ProcessStartError; nothing is left running then.
        """
        try:
            self.options.check()
            self._take_folder_and_port()
            self._start_servers()
            self._start_product()
            record_running(self.options.data_dir, url=self.url, environment=self.child_environment())
        except BaseException:
            self.stop()
            raise

    def _take_folder_and_port(self) -> None:
        for folder in (self.options.data_dir, self.options.logs_dir):
            make_private_folder(folder)
        self._lock.acquire()
        self.port = self.options.port or free_port()
        check_port(self.options.host, self.port)
        self._supervisor = Supervisor(on_event=self._journal.note, keep_open=[self._lock.descriptor])

    def _start_servers(self) -> None:
        """Make the environment of the product, with servers of our own for what it does not name."""
        folder, logs_dir, given = self.options.data_dir, self.options.logs_dir, self.options.environment
        values = dict(self.options.variables)
        for name in ("SECRET_KEY", "ENCRYPTION_KEY"):
            if not given.is_set(name):
                has_data = (folder / POSTGRES_FOLDER).exists()
                values[f"AIDASHBOARD_{name}_FILE"] = str(ensure_key(name, data_dir=folder, has_data=has_data))
        # Valkey first: what starts together is asked to end in this order, and PostgreSQL shall be the last.
        if given.is_set("REDIS_URL"):
            check_answers("REDIS_URL", given.text("REDIS_URL"))
        else:
            valkey = EmbeddedValkey(folder / VALKEY_FOLDER, log_path=logs_dir / "valkey.log")
            self._servers.append(valkey)
            valkey.prepare()
            values["AIDASHBOARD_REDIS_URL"] = valkey.url
        if not given.is_set("DATABASE_URL"):
            postgres = EmbeddedPostgres(folder / POSTGRES_FOLDER, log_path=logs_dir / "postgresql.log")
            self._servers.append(postgres)
            postgres.prepare()
            values["AIDASHBOARD_DATABASE_URL"] = postgres.url
        if not given.is_set("PUBLIC_URL"):
            values["AIDASHBOARD_PUBLIC_URL"] = self.local_url
        self._environment = values
        self.supervisor.start_all(server.build_spec() for server in self._servers)

    def _start_product(self) -> None:
        common = product.Common(environment=self._environment, logs_dir=self.options.logs_dir)
        # The web process takes as long to load as the migrations do; nobody is told its address before both are done.
        finish_web = self.supervisor.launch([product.build_web(common, host=self.options.host, port=self.port)])
        self.supervisor.run(product.build_migrate(common))
        finish_web()
        schedule_path = self.options.data_dir / BEAT_FOLDER / "schedule"
        schedule_path.parent.mkdir(exist_ok=True)
        finish_rest = self.supervisor.launch(
            [
                product.build_beat(common, schedule_path=schedule_path),
                product.build_worker(common),
                product.build_observer(common),
            ],
            together_with="web",
        )
        finish_rest()

    def run_module(self, name: str, *arguments: str) -> None:
        """`python -m ARGUMENTS` in the product's environment, to its end; its output goes to the log called `name`.

        Raises: ProcessStartError when it fails; the message ends with its last lines.
        """
        common = product.Common(environment=self._environment, logs_dir=self.options.logs_dir)
        self.supervisor.run(product.build_module_run(common, name, arguments))

    # --- running and stopping ---------------------------------------------------------------------------------------------------

    def run_until_stopped(self) -> None:
        """Restart what crashes, until an exception ends it: `stop_signals` turns Ctrl-C and the like into one."""
        self.supervisor.watch(threading.Event())

    def stop(self) -> None:
        """Stop everything in order: what was added last first, then web, beat, worker and observer, then Valkey and PostgreSQL.

        Safe to repeat. A further Ctrl-C only makes it quicker.
        """
        if self._supervisor is not None:
            self._supervisor.stop_all()
            forget_running(self.options.data_dir)
        for server in self._servers:
            server.clean_up()
        self._servers.clear()
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
