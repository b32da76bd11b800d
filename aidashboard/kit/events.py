"""News for open pages: which kinds of things changed on which cluster.

An event says only *that* something changed; whoever hears it reads the rows again. So a lost event costs a late page and never a
wrong one, several events may be merged into one, and after a gap in the connection everybody is told to read everything again.
Travels over one Redis pub/sub channel. A process has one subscription, shared by all its listeners.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final
from weakref import WeakKeyDictionary

import orjson
import redis
import redis.asyncio
import structlog
from django.conf import settings

CHANNEL: Final = "aidashboard:events"
EVERY_CLUSTER: Final = 0
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 15.0

log = structlog.get_logger(__name__)


class Topic(StrEnum):
    """What a page can depend on."""

    NODES = "nodes"
    PODS = "pods"
    WORKLOADS = "workloads"
    QUOTAS = "quotas"
    SYNC = "sync"
    CLUSTERS = "clusters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something about `topics` changed on a cluster; `EVERY_CLUSTER` when it may be any of them."""

    cluster_id: int
    topics: frozenset[Topic]


def publish(topics: Collection[Topic], *, cluster_id: int) -> None:
    """Tell every open page. Never raises: when Redis is away, pages are late and everything else goes on."""
    if not topics:
        return
    try:
        _publisher().publish(CHANNEL, orjson.dumps({"cluster_id": cluster_id, "topics": sorted(topics)}))
    except redis.RedisError as error:
        log.warning("event_not_published", topics=sorted(topics), cluster_id=cluster_id, error=type(error).__name__)


async def subscribe() -> AsyncGenerator[Event, None]:
    """Every event from now on, those of one cluster merged while the listener is busy. Ends when the listener does."""
    feed = _feeds.setdefault(asyncio.get_running_loop(), _Feed())
    listener = feed.add()
    try:
        while True:
            for event in await listener.take():
                yield event
    finally:
        feed.remove(listener)


def decode_event(data: bytes) -> Event | None:
    """The event in a message; None for a message that is none, which a newer version of the product may send."""
    try:
        fields = orjson.loads(data)
        return Event(cluster_id=int(fields["cluster_id"]), topics=frozenset(Topic(topic) for topic in fields["topics"]))
    except (KeyError, TypeError, ValueError):
        return None


class _Listener:
    """What one listener has not heard yet."""

    def __init__(self) -> None:
        self._pending: dict[int, set[Topic]] = {}
        self._has_news = asyncio.Event()

    def tell(self, cluster_id: int, topics: Iterable[Topic]) -> None:
        self._pending.setdefault(cluster_id, set()).update(topics)
        self._has_news.set()

    async def take(self) -> list[Event]:
        await self._has_news.wait()
        self._has_news.clear()
        pending, self._pending = self._pending, {}
        return [Event(cluster_id=cluster_id, topics=frozenset(topics)) for cluster_id, topics in pending.items()]


class _Feed:
    """The one subscription of an event loop; it lives as long as it has listeners."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._reader: asyncio.Task[None] | None = None

    def add(self) -> _Listener:
        listener = _Listener()
        self._listeners.add(listener)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read(), name="events")
        return listener

    def remove(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners and self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _tell_all(self, cluster_id: int, topics: Iterable[Topic]) -> None:
        for listener in self._listeners:
            listener.tell(cluster_id, topics)

    async def _read(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        is_first = True
        while True:
            try:
                async with self._connect() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    if not is_first:
                        # What was published while we were away is lost: everything may have changed.
                        self._tell_all(EVERY_CLUSTER, Topic)
                    is_first, pause = False, _FIRST_PAUSE_SECONDS
                    await self._forward(pubsub)
            except (redis.RedisError, OSError) as error:
                log.warning("events_interrupted", error=type(error).__name__, retry_seconds=pause)
            is_first = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncIterator[redis.asyncio.client.PubSub]:
        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(settings.EVENTS_REDIS_URL, socket_connect_timeout=2)
        try:
            async with client.pubsub() as pubsub:
                yield pubsub
        finally:
            await client.aclose()

    async def _forward(self, pubsub: redis.asyncio.client.PubSub) -> None:
        """Until the connection breaks. One that is dead without having been closed is as quiet as an idle one: it is asked."""
        is_asked = False
        while True:
            message = await pubsub.get_message(timeout=_QUIET_SECONDS)
            if message is None:
                if is_asked:
                    raise redis.TimeoutError("the server does not answer a ping")
                await pubsub.ping()
            elif message["type"] == "message":
                event = decode_event(message["data"])
                if event is not None:
                    self._tell_all(event.cluster_id, event.topics)
            is_asked = message is None


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, _Feed] = WeakKeyDictionary()


@cache
def _publisher() -> redis.Redis:
    return redis.Redis.from_url(settings.EVENTS_REDIS_URL, socket_connect_timeout=0.5, socket_timeout=1)
