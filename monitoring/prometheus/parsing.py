"""Prometheus' JSON as small frozen values. An untyped reply goes no further than this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from monitoring.prometheus.errors import UnreachableError

NOT_PROMETHEUS = "it answers, but not as a Prometheus does"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of an instant query. The value may be NaN or infinite."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a range query: `(time, value)` in order of time, gaps left out."""

    labels: Mapping[str, str]
    points: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What an error answer says: Prometheus' own error type and text."""

    error_type: str
    error: str


def parse_vector(body: bytes) -> Vector:
    """Raises: UnreachableError when the body is not that of an instant query."""
    document = _load(body)
    try:
        if document["data"]["resultType"] != "vector":
            raise UnreachableError(NOT_PROMETHEUS)
        samples = tuple(
            Sample(labels=item["metric"], value=float(item["value"][1])) for item in document["data"]["result"]
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UnreachableError(NOT_PROMETHEUS) from error
    return Vector(samples=samples, warnings=_warnings(document))


def parse_matrix(body: bytes) -> Matrix:
    """Raises: UnreachableError when the body is not that of a range query."""
    document = _load(body)
    try:
        if document["data"]["resultType"] != "matrix":
            raise UnreachableError(NOT_PROMETHEUS)
        series = tuple(
            Series(
                labels=item["metric"],
                points=tuple((datetime.fromtimestamp(at, UTC), float(value)) for at, value in item["values"]),
            )
            for item in document["data"]["result"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreachableError(NOT_PROMETHEUS) from error
    return Matrix(series=series, warnings=_warnings(document))


def parse_version(body: bytes) -> str:
    """The version that `/api/v1/status/buildinfo` tells; empty when it does not, as with some compatible servers."""
    document = _load(body)
    data = document.get("data")
    return str(data.get("version", "")) if isinstance(data, dict) else ""


def parse_failure(body: bytes) -> Failure | None:
    """What Prometheus says went wrong; None when the body is not its own."""
    try:
        document = orjson.loads(body)
        return Failure(error_type=str(document["errorType"]), error=str(document["error"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _load(body: bytes) -> dict[str, Any]:  # Any: JSON, for the functions above only
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreachableError(NOT_PROMETHEUS) from error
    if not isinstance(document, dict) or document.get("status") != "success":
        raise UnreachableError(NOT_PROMETHEUS)
    return document


def _warnings(document: dict[str, Any]) -> tuple[str, ...]:  # Any: JSON
    # "infos" are about the style of a query, "warnings" about an answer that is not complete.
    return tuple(str(warning) for warning in document.get("warnings") or ())
