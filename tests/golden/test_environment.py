"""`.env.example` lists exactly the variables that the settings read, with their meaning and form."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from aidashboard.settings.env import PREFIX, VARIABLES, Environment, EnvironmentValueError, Variable
from tests.golden.comparing import assert_golden_file

ROOT = Path(__file__).parents[2]

HEAD = """\
# Every variable that the processes of AI Dashboard read. A bad value stops the start with the variable's name and the expected form.
# Each may also be given as NAME_FILE, the path of a file that holds the value: for secrets.
"""


def render() -> str:
    return "\n".join([HEAD, *(_render_variable(variable) for variable in VARIABLES)])


def _render_variable(variable: Variable) -> str:
    meaning = textwrap.fill(variable.meaning, 120, initial_indent="# ", subsequent_indent="# ")
    line = f"{PREFIX}{variable.name}={variable.example}"
    if variable.default is None:
        return f"{meaning}\n# Required: {variable.expected}.\n{line}\n"
    default = f"default: {variable.default}" if variable.default else "unset by default"
    return f"{meaning}\n# Optional: {variable.expected}; {default}.\n#{line}\n"


def test_the_example_lists_every_variable() -> None:
    assert_golden_file(ROOT / ".env.example", render())


def test_every_example_is_a_value_that_the_settings_accept() -> None:
    given = {PREFIX + variable.name: variable.example or (variable.default or "") for variable in VARIABLES}
    environment = Environment(given)
    assert environment.url("DATABASE_URL", "postgresql", "postgres")
    assert environment.redis_url("REDIS_URL")
    assert environment.names("ALLOWED_HOSTS")
    assert environment.url("PUBLIC_URL", "http", "https")
    assert environment.flag("DEBUG") is False


def test_a_copied_example_does_not_start_with_keys_that_everybody_knows() -> None:
    environment = Environment({PREFIX + variable.name: variable.example for variable in VARIABLES})
    with pytest.raises(EnvironmentValueError, match="AIDASHBOARD_SECRET_KEY: expected at least 32 characters"):
        environment.secret("SECRET_KEY", shortest=32)
    with pytest.raises(EnvironmentValueError, match="AIDASHBOARD_ENCRYPTION_KEY"):
        environment.fernet_key("ENCRYPTION_KEY")
