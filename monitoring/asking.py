"""Asks the metrics source of a cluster, through the cache: a named query goes out, a reading of what is built from it comes back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from clusters.models import Cluster
from monitoring import single_flight
from monitoring.assembly import build_history
from monitoring.credentials import open_token
from monitoring.domain.gpus import History
from monitoring.domain.ranges import SECONDS, STEPS, TimeRange
from monitoring.domain.sources import Exporter, read_detected
from monitoring.domain.telemetry import Reading, Unavailable, UnavailableReason
from monitoring.errors import TokenUnreadableError
from monitoring.models import PrometheusSource
from monitoring.prometheus.client import PrometheusClient
from monitoring.prometheus.errors import NoTelemetryError, UnauthorizedError
from monitoring.promql import Query, Scheme
from monitoring.single_flight import Answer

Value = TypeVar("Value")

SCRAPE_SECONDS: Final = 15
NO_SOURCE: Final = Unavailable(
    reason=UnavailableReason.NO_SOURCE,
    message="This cluster has no metrics source: an administrator can connect a Prometheus.",
)
NO_EXPORTER: Final = "no GPU exporter reports to this Prometheus"
NOTHING_FOUND: Final = "the metrics source has nothing of this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source ready to be asked: the client, how its series are labelled, and what its readings are cached under."""

    client: PrometheusClient
    scheme: Scheme
    key: str
    nothing: str

    def no_telemetry(self) -> NoTelemetryError:
        """What an empty answer means here, with the probable reason."""
        return NoTelemetryError(self.nothing)


def find_source(cluster: Cluster) -> PrometheusSource | None:
    return PrometheusSource.objects.filter(cluster=cluster).first()


def build_client(source: PrometheusSource) -> PrometheusClient:
    """Raises: UnauthorizedError when the stored token can't be read."""
    try:
        return PrometheusClient(url=source.url, bearer_token=open_token(source))
    except TokenUnreadableError as error:
        raise UnauthorizedError(error.message) from error


def ask(
    cluster: Cluster,
    name: str,
    *,
    now: datetime,
    fetch: Callable[[Source], Answer[Value]],
    variant: str = "",
    fresh_seconds: int = SCRAPE_SECONDS,
) -> Reading[Value]:
    """A reading of what `fetch` gets from the cluster's source. `variant` tells apart readings of one name with other arguments."""
    row = find_source(cluster)
    if row is None:
        return NO_SOURCE
    detected = read_detected(row.detected)
    scheme = Scheme(hosts_are_pods=detected is not None and detected.hosts_are_pods)
    has_no_exporter = detected is not None and detected.exporter == Exporter.NONE
    identity = f"{cluster.pk}:{row.url}:{scheme.hosts_are_pods}:{name}:{variant}"
    key = hashlib.sha256(identity.encode()).hexdigest()

    def fetch_now() -> Answer[Value]:
        nothing = NO_EXPORTER if has_no_exporter else NOTHING_FOUND
        return fetch(Source(client=build_client(row), scheme=scheme, key=key, nothing=nothing))

    return single_flight.read_once(key, now=now, fresh_seconds=fresh_seconds, fetch=fetch_now, about=name)


def ask_range(
    cluster: Cluster,
    *,
    span: TimeRange,
    now: datetime,
    query: Callable[[Scheme], Query],
    name: str,
    name_line: Callable[[Mapping[str, str]], str | None],
    variant: str = "",
    convert: Callable[[str, float], float | None] = lambda line, value: value,
) -> Reading[History]:
    """A history over `span`. `name_line` names the line of a series by its labels (None leaves it out), `convert` its unit.

    The ends are multiples of the step: neighbouring requests then share one cache entry, and lines don't jitter.
    """
    step = STEPS[span]
    end = datetime.fromtimestamp(now.timestamp() // step * step, tz=now.tzinfo)
    start = end - timedelta(seconds=SECONDS[span])

    def fetch(source: Source) -> Answer[History]:
        matrix = source.client.query_range(query(source.scheme).text, start=start, end=end, step_seconds=step)
        history = build_history(matrix, start=start, end=end, step_seconds=step, name_line=name_line, convert=convert)
        if history.is_empty:
            raise source.no_telemetry()
        return Answer(value=history, warnings=matrix.warnings)

    return ask(
        cluster,
        name,
        now=now,
        fetch=fetch,
        variant=f"{span}:{variant}",
        fresh_seconds=min(max(step, SCRAPE_SECONDS), 60),
    )
