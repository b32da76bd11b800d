from pathlib import Path

import pytest

from aidashboard.settings.env import PREFIX, VARIABLES, EnvironmentValueError
from aidashboard.stack.options import CHECKS, StackOptions, default_data_dir, own_variables


def options(**variables: str) -> StackOptions:
    return StackOptions(data_dir=Path("/data"), variables={PREFIX + name: value for name, value in variables.items()})


def test_every_variable_is_checked():
    assert set(CHECKS) == {variable.name for variable in VARIABLES}


def test_every_example_has_the_expected_form():
    # Keys have no example: one that everybody knows is none.
    options(**{variable.name: variable.example for variable in VARIABLES if variable.example}).check()


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_default_has_the_expected_form(variable):
    if variable.default is not None:
        options(**{variable.name: variable.default}).check()


def test_nothing_has_to_be_set():
    options().check()


def test_value_and_file_at_once_are_refused():
    with pytest.raises(EnvironmentValueError, match="not both"):
        options(SECRET_KEY="x" * 32, SECRET_KEY_FILE="/dev/null").check()


def test_data_folder_follows_the_xdg_rules():
    assert default_data_dir({"XDG_DATA_HOME": "/somewhere"}) == Path("/somewhere/aidashboard")
    assert default_data_dir({}) == Path.home() / ".local" / "share" / "aidashboard"
    assert default_data_dir({"XDG_DATA_HOME": "relative"}) == default_data_dir({})


def test_only_own_variables_are_taken_over():
    assert own_variables({"AIDASHBOARD_DEBUG": "true", "DEBUG": "1"}) == {"AIDASHBOARD_DEBUG": "true"}
