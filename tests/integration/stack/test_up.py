"""`aidashboard up`, started as a person would start it."""

import os
import pwd
import shutil
import signal
import socket
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aidashboard.stack.ports import free_port
from aidashboard.stack.postgres import SETTINGS, EmbeddedPostgres
from aidashboard.stack.running import record_running
from aidashboard.stack.valkey import EmbeddedValkey
from aidashboard.stack.waiting import wait_until
from tests.integration.stack.upping import Up, find_holders, run_cli, running, starting

pytestmark = pytest.mark.slow

COUNT_USERS = ("shell", "--verbosity", "0", "-c", "from accounts.models import User; print(User.objects.count())")
ADD_USER = ("shell", "-c", "from accounts.models import User; User.objects.create_superuser('ada')")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One stack for all tests that leave it as it was."""
    with running(tmp_path_factory.mktemp("up") / "data") as up:
        yield up


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_fresh_start_serves_and_says_where(up):
    assert up.get("/healthz").status == 200
    assert up.get("/readyz").status == 200
    assert str(up.data_dir / "logs") in up.output


def test_keys_and_data_are_for_their_owner_alone(up):
    keys = sorted((up.data_dir / "secrets").iterdir())

    assert [key.name for key in keys] == ["encryption_key", "secret_key"]
    assert {mode_of(key) for key in keys} == {0o600}
    assert mode_of(up.data_dir / "running.json") == 0o600
    assert mode_of(up.data_dir) == mode_of(up.data_dir / "logs") == 0o700


def test_more_requests_than_the_database_has_connections_are_all_answered(up):
    # Each asks the database, in a thread of its own: a connection kept after its request would be lost.
    with ThreadPoolExecutor(max_workers=8) as people:
        statuses = set(people.map(lambda _: up.get("/readyz").status, range(int(SETTINGS["max_connections"]) + 20)))

    assert statuses == {200}


def test_second_start_on_the_same_folder_is_refused(up):
    result = run_cli("up", "--data-dir", str(up.data_dir), "--port", "0")

    assert result.returncode == 1
    assert result.stderr == f"aidashboard: {up.data_dir} is in use by process {up.process.pid}.\n"
    assert up.get("/readyz").status == 200


def test_management_commands_join_the_running_stack(up):
    before = int(up.manage(*COUNT_USERS))
    up.manage(*ADD_USER)

    assert int(up.manage(*COUNT_USERS)) == before + 1


@pytest.mark.parametrize("name", ["web", "worker", "valkey", "postgresql"])
def test_crashed_process_is_started_again_and_said_so(up, name):
    pid = up.find_pid(name)
    os.kill(pid, signal.SIGKILL)

    wait_until(lambda: up.find_pid(name) != pid, seconds=30, describe=f"{name} to be started again")
    wait_until(lambda: f"{name} runs again" in up.output, seconds=60, describe=lambda: f"the notice in {up.output}")

    assert f"{name} crashed (signal SIGKILL; starting again in" in up.output
    wait_until(lambda: up.get("/readyz").status == 200, seconds=30, describe="the web process to be ready")


def test_kill_9_leaves_no_process_behind_and_loses_nothing(tmp_path):
    with running(tmp_path / "data") as up:
        up.manage(*ADD_USER)
        up.process.kill()
        up.process.wait()
        wait_until(lambda: not find_holders(up.data_dir), seconds=20, describe="the end of all processes")

    with running(tmp_path / "data") as up:
        assert int(up.manage(*COUNT_USERS)) == 1
        assert up.stop(signal.SIGTERM) == 0
        assert not find_holders(up.data_dir)
        assert not (up.data_dir / "running.json").exists()
        assert up.output.endswith("AI Dashboard has stopped.\n")


@pytest.mark.parametrize("moment", ["postgresql", "web", "worker"])
def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path, moment):
    with starting(tmp_path / "data") as up:
        wait_until(lambda: up.has_started(moment), seconds=60, describe=lambda: f"{moment} in {up.output}")
        assert up.stop() == 0
        assert not find_holders(up.data_dir)
        assert up.output.endswith("AI Dashboard has stopped.\n")


def test_impatient_ctrl_c_still_stops_in_order(tmp_path):
    with running(tmp_path / "data") as up:
        for pause in (0, 0.1, 0.7, 0.3):
            time.sleep(pause)
            up.process.send_signal(signal.SIGINT)
        assert up.process.wait(timeout=60) == 0
        assert not find_holders(up.data_dir)
        assert "database system is shut down" in (up.data_dir / "logs" / "postgresql.log").read_text()
        assert "Traceback" not in up.output


def test_external_servers_are_used_instead_of_own_ones(tmp_path):
    with EmbeddedPostgres(tmp_path / "postgres") as postgres, EmbeddedValkey(tmp_path / "valkey") as valkey:
        (tmp_path / "database-url").write_text(postgres.url)
        variables = {
            "AIDASHBOARD_DATABASE_URL_FILE": str(tmp_path / "database-url"),
            "AIDASHBOARD_REDIS_URL": valkey.url,
        }
        with running(tmp_path / "data", variables=variables) as up:
            assert up.get("/readyz").status == 200
            assert not (up.data_dir / "postgres").exists()
            assert not (up.data_dir / "valkey").exists()


# Not skipped for others but absent: what only root does differently is no part that an ordinary user's machine lacks.
if os.getuid() == 0:

    def test_ordinary_user_can_run_everything(tmp_path):
        nobody = pwd.getpwnam("nobody")
        home = tmp_path / "home"
        home.mkdir()
        shutil.chown(home, nobody.pw_uid, nobody.pw_gid)
        # An ordinary user in all but one respect: the Python of this run may lie in root's closed home.
        prefix = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
        reach = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")

        with running(home / "data", prefix=(*prefix, *reach)) as up:
            assert up.get("/readyz").status == 200
            owners = {Path(f"/proc/{pid}").stat().st_uid for pid in find_holders(up.data_dir)}

        assert owners == {nobody.pw_uid}


# --- refusals, before anything is started ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AIDASHBOARD_DATABASE_URL": "mysql://x"}, "AIDASHBOARD_DATABASE_URL: expected postgresql://USER:PASSWORD@HOST:PORT/NAME"),
        ({"AIDASHBOARD_REDIS_URL": "here"}, "AIDASHBOARD_REDIS_URL: expected redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"),
        ({"AIDASHBOARD_REDIS_URL": "redis://localhost:6379/0"}, "AIDASHBOARD_REDIS_URL: expected redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"),
        ({"AIDASHBOARD_SECRET_KEY": "short"}, "AIDASHBOARD_SECRET_KEY: expected at least 32 characters"),
        ({"AIDASHBOARD_SECRET_KEY_FILE": "/no/such/file"}, "AIDASHBOARD_SECRET_KEY_FILE: expected a readable file"),
        ({"AIDASHBOARD_DEBUG": "perhaps"}, "AIDASHBOARD_DEBUG: expected true or false"),
    ],
)  # fmt: skip
def test_bad_value_stops_the_start_with_the_name_and_the_expected_form(tmp_path, variables, message):
    result = run_cli("up", "--data-dir", str(tmp_path / "data"), "--port", "0", variables=variables)

    assert result.returncode == 1
    assert result.stderr.startswith(f"aidashboard: {message}")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "data").exists()


def test_busy_port_is_named_with_the_option_that_changes_it(tmp_path):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        result = run_cli("up", "--data-dir", str(tmp_path / "data"), "--port", str(port))

    assert result.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use" in result.stderr
    assert "--port" in result.stderr


def test_external_server_that_does_not_answer_is_named_without_its_password(tmp_path):
    port = free_port()
    variables = {"AIDASHBOARD_REDIS_URL": f"redis://:hush@127.0.0.1:{port}"}
    result = run_cli("up", "--data-dir", str(tmp_path / "data"), "--port", "0", variables=variables)

    assert result.returncode == 1
    assert f"AIDASHBOARD_REDIS_URL: no server answers at 127.0.0.1 port {port}" in result.stderr
    assert "hush" not in result.stderr


def test_lost_encryption_key_is_not_silently_replaced(tmp_path):
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    result = run_cli("up", "--data-dir", str(tmp_path / "data"), "--port", "0")

    assert result.returncode == 1
    assert "encryption_key is missing" in result.stderr


def test_management_command_does_not_join_a_stack_that_was_killed(tmp_path):
    # Its record stays behind, with the addresses of servers that are no more.
    record_running(tmp_path, url="http://localhost:1", environment={})
    result = run_cli("manage", "--data-dir", str(tmp_path), "check")

    assert result.returncode == 1
    assert "aidashboard up --data-dir" in result.stderr


def test_scenario_that_is_none_is_refused_without_a_traceback(tmp_path):
    result = run_cli("demo", "--data-dir", str(tmp_path / "data"), "--scenario", "nonsense")

    assert result.returncode == 1
    assert "nonsense.yaml: cannot be read" in result.stderr
    assert "Traceback" not in result.stderr


def test_management_command_without_a_running_stack_says_how_to_start_one(tmp_path):
    result = run_cli("manage", "--data-dir", str(tmp_path), "check")

    assert result.returncode == 1
    assert "aidashboard up --data-dir" in result.stderr
