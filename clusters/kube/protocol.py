"""What reading, applying and watching need of a connection; `client.KubeClient` is the one implementation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

JsonObject = dict[str, Any]  # Any: JSON as it comes; parsed into dataclasses before it leaves the gateway
Query = Sequence[tuple[str, str]]


class KubeStream(Protocol):
    """An answer that is read line by line while the server writes it."""

    def lines(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """End it from any thread: a blocked reader gets the end of the stream."""
        ...


class KubeApi(Protocol):
    """One authenticated connection to one API server. Raises members of the `KubeError` family and nothing else."""

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: JsonObject | None = None,
        content_type: str = "application/json",
        read_seconds: float | None = None,
    ) -> JsonObject: ...

    def call_text(self, path: str, *, query: Query = ()) -> str: ...

    def stream(self, path: str, *, query: Query = (), read_seconds: float) -> KubeStream: ...
