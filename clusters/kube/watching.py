"""Following a kind of object: list once, then watch, for ever.

A watch resumes at the resource version it has reached, which bookmarks keep fresh; a version that the server has forgotten (410)
means listing again. Faults are told to the consumer and tried again with growing, jittered pauses; it decides what to make of them.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from clusters.kube.answers import build_error
from clusters.kube.errors import GoneError, KubeError, UnexpectedAnswerError
from clusters.kube.kinds import Kind
from clusters.kube.protocol import JsonObject, KubeApi, KubeStream
from clusters.kube.reading import list_pages

# The server ends a watch after this; each stream gets its own, so that they do not all come back at once.
_SERVER_SECONDS: Final = (240, 360)
# Bookmarks come about every minute: silence for longer means that the connection is dead without having been closed.
SILENCE_SECONDS: Final = 150.0
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 15.0
SHORTEST_STREAM_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page of a fresh list. After the last page, what was not in any of them is gone."""

    objects: list[JsonObject]
    is_first: bool
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One object was added, modified or deleted."""

    item: JsonObject
    is_deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """The cluster does not let us follow this kind right now; after `pause_seconds` it is tried again."""

    error: KubeError
    pause_seconds: float


class Watch:
    """The changes of one kind. Iterate in one thread; `wake` and `close` may be called from any."""

    def __init__(self, api: KubeApi, kind: Kind) -> None:
        self._api = api
        self._kind = kind
        self._stream: KubeStream | None = None
        self._is_closed = threading.Event()
        self._woken = threading.Event()
        self._version = ""

    def close(self) -> None:
        """End the iteration soon."""
        self._is_closed.set()
        self.wake()

    def wake(self) -> None:
        """Drop the current stream, or the pause before the next try: the cluster is known to be back."""
        self._woken.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def __iter__(self) -> Iterator[Listed | Changed | Troubled]:
        version = ""
        failures = 0
        while not self._is_closed.is_set():
            self._woken.clear()
            begun_at = time.monotonic()
            try:
                if not version:
                    yield from self._list()
                    version = self._version
                for change in self._follow(version):
                    failures = 0
                    yield change
                version, failures = self._version, 0
            except GoneError:
                version = ""
            except KubeError as error:
                # Resumed where it was, but for what a person has to mend (a right, a kind): that is shown until the next list.
                version = self._version if version and error.is_retryable else ""
                failures += 1
                pause = self._find_pause(error, failures)
                yield Troubled(error=error, pause_seconds=pause)
                self._wait(pause)
                continue
            if time.monotonic() - begun_at < SHORTEST_STREAM_SECONDS:
                # Something ends every stream at once; asking again without a pause would be a busy loop.
                self._wait(SHORTEST_STREAM_SECONDS)

    def _wait(self, seconds: float) -> None:
        if not self._is_closed.is_set():
            self._woken.wait(seconds)

    def _list(self) -> Iterator[Listed]:
        is_first = True
        for page in list_pages(self._api, self._kind):
            self._version = page.resource_version
            yield Listed(objects=page.objects, is_first=is_first, is_last=page.is_last)
            is_first = False

    def _follow(self, version: str) -> Iterator[Changed]:
        """The changes after `version`, until the server ends the stream. Keeps `_version` at what was reached."""
        self._version = version
        seconds = random.randint(*_SERVER_SECONDS)  # noqa: S311  (not a secret)
        query = [
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(seconds)),
        ]
        stream = self._api.stream(self._kind.path(), query=query, read_seconds=SILENCE_SECONDS)
        self._stream = stream
        try:
            if self._is_closed.is_set():
                return
            for line in stream.lines():
                if line:
                    yield from self._read_line(line)
        finally:
            self._stream = None
            stream.close()

    def _read_line(self, line: bytes) -> Iterator[Changed]:
        try:
            event = orjson.loads(line)
            type_, item = event["type"], event["object"]
            version = "" if type_ == "ERROR" else str(item["metadata"]["resourceVersion"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise UnexpectedAnswerError("The stream of changes holds something that is not a change.") from error
        if type_ == "ERROR":
            code = item.get("code") if isinstance(item, dict) else None
            raise build_error(code if isinstance(code, int) else 500, orjson.dumps(item))
        self._version = version
        if type_ != "BOOKMARK":
            yield Changed(item=item, is_deleted=type_ == "DELETED")

    def _find_pause(self, error: KubeError, failures: int) -> float:
        pause = (
            min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
            if failures < 10
            else LONGEST_PAUSE_SECONDS
        )
        if not error.is_retryable:
            # A missing right or kind: somebody has to act, but then it should show soon.
            pause = max(pause, 5.0)
        return max(pause * random.uniform(0.5, 1.5), error.retry_after_seconds or 0)  # noqa: S311  (not a secret)
