"""Change events over a real Valkey: heard by every listener, merged for slow ones, and never a reason to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from aidashboard.kit import events
from aidashboard.kit.events import Event, Topic, decode_event, publish, subscribe

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    async def bounded() -> Result:
        return await asyncio.wait_for(work, timeout=15)

    return asyncio.run(bounded())


async def listen(count: int, into: list[Event]) -> None:
    feed = subscribe()
    try:
        async for event in feed:
            into.append(event)
            if len(into) >= count:
                return
    finally:
        await feed.aclose()


async def publish_until(task: asyncio.Task[None], *topics: Topic, cluster_id: int = 7) -> None:
    """The subscription takes a moment to stand, and what is published before is not heard: as designed."""
    while not task.done():
        await asyncio.to_thread(publish, set(topics), cluster_id=cluster_id)
        await asyncio.sleep(0.02)
    await task


@pytest.fixture(autouse=True)
def fresh_publisher():
    events._publisher.cache_clear()
    yield
    events._publisher.cache_clear()


def test_every_listener_hears_what_is_published():
    async def work() -> list[list[Event]]:
        heard: list[list[Event]] = [[], []]
        tasks = [asyncio.create_task(listen(1, into)) for into in heard]
        await publish_until(asyncio.create_task(_all(tasks)), Topic.NODES, Topic.SYNC)
        return heard

    assert run(work()) == [[Event(cluster_id=7, topics=frozenset({Topic.NODES, Topic.SYNC}))]] * 2


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks)


def test_a_busy_listener_gets_one_event_per_cluster():
    async def work() -> list[Event]:
        listener = events._Listener()
        listener.tell(1, {Topic.NODES})
        listener.tell(1, {Topic.PODS})
        listener.tell(2, {Topic.NODES})
        return await listener.take()

    assert run(work()) == [
        Event(cluster_id=1, topics=frozenset({Topic.NODES, Topic.PODS})),
        Event(cluster_id=2, topics=frozenset({Topic.NODES})),
    ]


def test_publishing_without_redis_is_no_error(settings, tmp_path):
    settings.EVENTS_REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    with capture_logs() as logs:
        publish({Topic.NODES}, cluster_id=1)
    assert [entry["event"] for entry in logs] == ["event_not_published"]


def test_publishing_nothing_sends_nothing(settings, tmp_path):
    settings.EVENTS_REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    with capture_logs() as logs:
        publish(set(), cluster_id=1)
    assert logs == []


def test_after_an_interruption_everything_may_have_changed(settings, tmp_path, monkeypatch):
    address = settings.EVENTS_REDIS_URL
    settings.EVENTS_REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    monkeypatch.setattr(events, "_FIRST_PAUSE_SECONDS", 0.05)

    async def work() -> Event:
        feed = subscribe()
        task = asyncio.ensure_future(anext(feed))
        await asyncio.sleep(0.2)
        settings.EVENTS_REDIS_URL = address
        event = await task
        await feed.aclose()
        return event

    with capture_logs():
        event = run(work())
    assert event == Event(cluster_id=events.EVERY_CLUSTER, topics=frozenset(Topic))


def test_a_connection_that_died_without_a_word_is_made_anew(settings, tmp_path, monkeypatch):
    """A power cut or a firewall closes nothing: the socket stays open and silent for ever."""
    valkey = urlsplit(settings.EVENTS_REDIS_URL)
    settings.EVENTS_REDIS_URL = f"unix://{tmp_path}/relay.sock?{valkey.query}"
    monkeypatch.setattr(events, "_QUIET_SECONDS", 0.2)
    relays: list[asyncio.Task[None]] = []
    ends: list[asyncio.StreamWriter] = []

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(4096):
            target.write(data)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_valkey, to_valkey = await asyncio.open_unix_connection(valkey.path)
        ends.extend((to_valkey, writer))
        relays.extend(asyncio.create_task(carry(*way)) for way in ((reader, to_valkey), (from_valkey, writer)))

    async def work() -> Event:
        async with await asyncio.start_unix_server(relay, f"{tmp_path}/relay.sock"):
            feed = subscribe()
            task = asyncio.ensure_future(anext(feed))
            await asyncio.sleep(1)
            assert not task.done(), "a quiet connection that answers is left alone"
            for carrying in relays:
                carrying.cancel()
            event = await task
            await feed.aclose()
            for end in ends:
                end.close()
            return event

    with capture_logs() as logs:
        event = run(work())
    assert event == Event(cluster_id=events.EVERY_CLUSTER, topics=frozenset(Topic))
    assert [entry["error"] for entry in logs] == ["TimeoutError"]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"cluster_id": 1, "topics": ["new"]}', b'{"cluster_id": "x", "topics": []}']
)
def test_a_message_that_is_no_event_is_ignored(data):
    assert decode_event(data) is None
