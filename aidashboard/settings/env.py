"""The one place that reads the environment.

Every variable is declared once in `VARIABLES`; each may be given as NAME or, for secrets kept in files, as NAME_FILE. A bad
value stops the process with the variable's name and the expected form. Holds no Django, so that the embedded stack can use it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

PREFIX: Final = "AIDASHBOARD_"


class EnvironmentValueError(ValueError):
    """A variable is missing or malformed; the message names it and the expected form, never its value."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"{PREFIX}{name}: expected {expected}")
        self.name = PREFIX + name


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable: `expected` is the form in words, `example` goes into .env.example."""

    name: str
    expected: str
    meaning: str
    example: str
    default: str | None = None


def _variable(name: str, expected: str, meaning: str, *, example: str, default: str | None = None) -> Variable:
    return Variable(name=name, expected=expected, meaning=meaning, example=example, default=default)


VARIABLES: Final[tuple[Variable, ...]] = (
    _variable(
        "DATABASE_URL",
        "postgresql://USER:PASSWORD@HOST:PORT/NAME",
        "PostgreSQL 15 or newer. `aidashboard up` starts one of its own when this is not set.",
        example="postgresql://aidashboard:change-me@postgres:5432/aidashboard",
    ),
    _variable(
        "REDIS_URL",
        "redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH",
        "Redis or Valkey: broker, cache and change events. `aidashboard up` starts one of its own when this is not set.",
        example="redis://redis:6379",
    ),
    _variable(
        "SECRET_KEY",
        "at least 32 characters",
        "Signs sessions and CSRF tokens. No example: a key that others know is none. `openssl rand -hex 32` makes one.",
        example="",
    ),
    _variable(
        "ENCRYPTION_KEY",
        "32 bytes in url-safe base64, as Fernet.generate_key() makes them",
        "Encrypts the credentials of registered clusters. `openssl rand -base64 32 | tr +/ -_` makes one; keep it, it can't be had again.",
        example="",
    ),
    _variable(
        "ALLOWED_HOSTS",
        "host names separated by commas",
        "Under which names the web process answers.",
        example="dashboard.example.org",
        default="localhost,127.0.0.1,[::1]",
    ),
    _variable(
        "PUBLIC_URL",
        "http://HOST[:PORT] or https://HOST[:PORT]",
        "The address in people's browsers. With https the cookies are secure and HSTS is on.",
        example="https://dashboard.example.org",
        default="http://localhost:8080",
    ),
    _variable(
        "PROMETHEUS_URL",
        "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]",
        "The Prometheus of clusters that are given none of their own: they are connected to it within a minute.",
        example="http://prometheus.example.org:9090",
        default="",
    ),
    _variable("DEBUG", "true or false", "Development only: tracebacks on pages.", example="false", default="false"),
    _variable("LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR", "How much is logged.", example="INFO", default="INFO"),
    _variable("LOG_FORMAT", "json or console", "How log lines look.", example="json", default="console"),
    _variable(
        "PROGRESS_FILE",
        "a path",
        "Set by `aidashboard demo`: where the progress of the sandbox's construction is written, for the page to show.",
        example="",
        default="",
    ),
)

_BY_NAME = {variable.name: variable for variable in VARIABLES}


class Environment:
    """Typed readers over one mapping of environment variables."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, *, accept: Callable[[str], bool] = bool) -> str:
        """The value of a declared variable, from NAME, NAME_FILE or its default.

        Raises: EnvironmentValueError when it is missing or `accept` says no.
        """
        variable = _BY_NAME[name]
        value = self._values.get(PREFIX + name)
        path = self._values.get(f"{PREFIX}{name}_FILE")
        if value is not None and path is not None:
            raise EnvironmentValueError(name, f"either {PREFIX}{name} or {PREFIX}{name}_FILE, not both")
        if path is not None:
            value = self._read_file(name, path)
        if value is None:
            if variable.default is None:
                raise EnvironmentValueError(name, variable.expected)
            return variable.default
        if not accept(value):
            raise EnvironmentValueError(name, variable.expected)
        return value

    def is_set(self, name: str) -> bool:
        return PREFIX + name in self._values or f"{PREFIX}{name}_FILE" in self._values

    def flag(self, name: str) -> bool:
        return self.text(name, accept=lambda value: value.lower() in {"true", "false"}).lower() == "true"

    def choice(self, name: str, *choices: str) -> str:
        return self.text(name, accept=lambda value: value in choices)

    def names(self, name: str) -> list[str]:
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    def url(self, name: str, *schemes: str) -> str:
        return self.text(name, accept=lambda value: _is_url(value, schemes)).rstrip("/")

    def optional_url(self, name: str, *schemes: str) -> str:
        """As `url`, or empty when the variable is not set or empty."""
        return self.text(name, accept=lambda value: value == "" or _is_url(value, schemes)).rstrip("/")

    def redis_url(self, name: str) -> str:
        """An address that names a server and no database: the product uses three of them."""
        return self.text(name, accept=_is_redis_url).rstrip("/")

    def secret(self, name: str, *, shortest: int) -> str:
        return self.text(name, accept=lambda value: len(value) >= shortest)

    def fernet_key(self, name: str) -> bytes:
        return self.text(name, accept=_is_fernet_key).encode()

    @staticmethod
    def _read_file(name: str, path: str) -> str:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise EnvironmentValueError(f"{name}_FILE", f"a readable file ({error.strerror})") from error


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    has_place = bool(parts.hostname) or bool(parts.path.strip("/")) or "host=" in parts.query
    return parts.scheme in schemes and has_place and port_is_valid


def _is_redis_url(value: str) -> bool:
    if not _is_url(value, ("redis", "rediss", "unix")):
        return False
    parts = urlsplit(value)
    return not parts.query and (parts.scheme == "unix" or not parts.path.strip("/"))


def _is_fernet_key(value: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(value)) == 32
    except (binascii.Error, ValueError):
        return False
