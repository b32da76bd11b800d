"""What somebody chose for one run of the stack, and whether it makes sense. Everything is checked before anything is started."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aidashboard.settings.env import PREFIX, VARIABLES, Environment

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080
WILDCARD_HOSTS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  (compared with, not bound to)
LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})

# How each variable is read when it is set. The same forms as in aidashboard.settings.base; a test goes through all variables.
CHECKS: Final[Mapping[str, Callable[[Environment], object]]] = {
    "DATABASE_URL": lambda values: values.url("DATABASE_URL", "postgresql", "postgres"),
    "REDIS_URL": lambda values: values.redis_url("REDIS_URL"),
    "SECRET_KEY": lambda values: values.secret("SECRET_KEY", shortest=32),
    "ENCRYPTION_KEY": lambda values: values.fernet_key("ENCRYPTION_KEY"),
    "ALLOWED_HOSTS": lambda values: values.names("ALLOWED_HOSTS"),
    "PUBLIC_URL": lambda values: values.url("PUBLIC_URL", "http", "https"),
    "PROMETHEUS_URL": lambda values: values.optional_url("PROMETHEUS_URL", "http", "https"),
    "DEBUG": lambda values: values.flag("DEBUG"),
    "LOG_LEVEL": lambda values: values.choice("LOG_LEVEL", "DEBUG", "INFO", "WARNING", "ERROR"),
    "LOG_FORMAT": lambda values: values.choice("LOG_FORMAT", "json", "console"),
    "PROGRESS_FILE": lambda values: values.text("PROGRESS_FILE", accept=lambda value: True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """`variables` are the AIDASHBOARD_* variables of the caller; `port` 0 stands for any free one."""

    data_dir: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def environment(self) -> Environment:
        return Environment(self.variables)

    def check(self) -> None:
        """Raises: EnvironmentValueError for the first variable that is set to something of the wrong form."""
        environment = self.environment
        for variable in VARIABLES:
            if environment.is_set(variable.name):
                CHECKS[variable.name](environment)


def own_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The product's variables among all of them."""
    return {name: value for name, value in environment.items() if name.startswith(PREFIX)}


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """Where a person's data lies by the XDG rules."""
    base = environment.get("XDG_DATA_HOME", "")
    # The rules say to ignore a relative path.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share") / "aidashboard"
