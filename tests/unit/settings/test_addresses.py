"""The addresses of the servers: what each may say, and that nothing of it gets lost on the way to the driver."""

from __future__ import annotations

import pytest

from aidashboard.settings.database import CONNECT_SECONDS, LIMITS, build_database
from aidashboard.settings.env import Environment, EnvironmentValueError


def test_an_address_is_taken_apart():
    database = build_database("postgresql://ada:hush@db.example.org:5433/lab")
    place = {name: database[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    assert place == {"NAME": "lab", "USER": "ada", "PASSWORD": "hush", "HOST": "db.example.org", "PORT": "5433"}
    assert database["OPTIONS"] == {"connect_timeout": CONNECT_SECONDS, "options": LIMITS}


def test_what_else_the_address_says_reaches_the_driver():
    """A certificate that is left out means: trust any, or trust none."""
    database = build_database("postgresql://db/lab?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=20")
    options = database["OPTIONS"]
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
    assert options["connect_timeout"] == "20"


def test_settings_of_the_address_win_over_ours():
    options = build_database("postgresql://db/lab?options=-c%20statement_timeout%3D1s")["OPTIONS"]["options"]
    assert options == f"{LIMITS} -c statement_timeout=1s"


def test_an_address_may_name_a_socket_and_no_database():
    database = build_database("postgresql://ada@/?host=/run/pg")
    assert (database["HOST"], database["NAME"]) == ("/run/pg", "aidashboard")


@pytest.mark.parametrize(
    "url", ["redis://h:6379", "redis://h:6379/", "rediss://:hush@h:6379", "unix:///run/valkey.sock"]
)
def test_an_address_of_redis_names_a_server(url):
    assert Environment({"AIDASHBOARD_REDIS_URL": url}).redis_url("REDIS_URL") == url.rstrip("/")


@pytest.mark.parametrize("url", ["redis://h:6379/0", "redis://h:6379?db=1", "unix:///run/valkey.sock?db=1", "http://h"])
def test_an_address_of_redis_with_a_database_is_refused(url):
    with pytest.raises(EnvironmentValueError, match="AIDASHBOARD_REDIS_URL: expected redis://HOST:PORT"):
        Environment({"AIDASHBOARD_REDIS_URL": url}).redis_url("REDIS_URL")
