"""What can go wrong between us and Prometheus. No exception of the HTTP library leaves this package."""

from __future__ import annotations

from typing import ClassVar

from monitoring.domain.telemetry import Unavailable, UnavailableReason


class PrometheusError(Exception):
    """Root of the family. `is_retryable` says whether the same request may succeed at once."""

    reason: ClassVar[UnavailableReason] = UnavailableReason.UNREACHABLE
    is_retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def as_unavailable(self) -> Unavailable:
        return Unavailable(reason=self.reason, message=self.message)


class UnreachableError(PrometheusError):
    """Nothing answers at the address, or what answers is no Prometheus."""

    is_retryable = True


class UnauthorizedError(PrometheusError):
    """It wants a bearer token, or refuses ours."""

    reason = UnavailableReason.UNAUTHORIZED


class QueryTimeoutError(PrometheusError):
    """The answer did not come within the deadline."""

    reason = UnavailableReason.TIMEOUT


class BadQueryError(PrometheusError):
    """Prometheus could not evaluate the query: ours to mend, never retried at once."""

    reason = UnavailableReason.QUERY_FAILED


class TooManySamplesError(PrometheusError):
    """The query reads or gives more samples than Prometheus, or we, allow."""

    reason = UnavailableReason.TOO_MANY_SAMPLES


class NoTelemetryError(PrometheusError):
    """Prometheus answers, and has nothing of what was asked for."""

    reason = UnavailableReason.NO_TELEMETRY
