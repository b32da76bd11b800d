"""The stream of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from django.test import AsyncClient, Client

from aidashboard.kit.events import Event, Topic, publish
from frontend.views.events import encode_event, stream_events
from tests.factories.people import make_admin


async def collect(
    count: int, *, tells_cluster: bool, heartbeat_seconds: float = 5, life_seconds: float = 20
) -> list[str]:
    """The first chunks of a stream, with a change of cluster 3 told after the first."""
    chunks: list[str] = []
    stream = stream_events(tells_cluster=tells_cluster, heartbeat_seconds=heartbeat_seconds, life_seconds=life_seconds)
    async with aclosing(stream) as lines:
        async for chunk in lines:
            chunks.append(chunk.decode())
            if len(chunks) == count:
                break
            if len(chunks) == 1:
                telling = asyncio.create_task(tell_until_heard(chunks))
        telling.cancel()
    return chunks


async def tell_until_heard(chunks: list[str]) -> None:
    """The subscription begins a moment after the stream."""
    while not any("change" in chunk for chunk in chunks):
        await asyncio.to_thread(publish, {Topic.QUOTAS, Topic.SYNC}, cluster_id=3)
        await asyncio.sleep(0.1)


def test_a_change_reaches_the_stream() -> None:
    hello, change = asyncio.run(collect(2, tells_cluster=True))
    assert hello == "retry: 2000\nevent: hello\ndata: {}\n\n"
    assert change == 'event: change\ndata: {"topics":["quotas","sync"],"cluster":3}\n\n'


def test_a_quiet_stream_says_that_it_is_there_and_ends_by_itself() -> None:
    async def listen() -> list[bytes]:
        return [chunk async for chunk in stream_events(tells_cluster=False, heartbeat_seconds=0.05, life_seconds=0.2)]

    chunks = asyncio.run(listen())
    assert chunks[1] == b": still here\n\n"
    assert 2 <= len(chunks) <= 6


def test_a_researcher_learns_that_something_moved_and_not_where() -> None:
    event = Event(cluster_id=3, topics=frozenset({Topic.WORKLOADS}))
    assert encode_event(event, tells_cluster=False) == b'event: change\ndata: {"topics":["workloads"]}\n\n'


@pytest.mark.django_db
def test_a_visitor_gets_no_stream(client: Client) -> None:
    assert client.get("/live/events")["Location"].startswith("/login")


@pytest.mark.django_db(transaction=True)
def test_a_stream_is_neither_kept_nor_held_back_on_its_way() -> None:
    user = make_admin()

    async def ask() -> tuple[int, dict[str, str], bytes]:
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get("/live/events", headers={"Accept-Encoding": "gzip"})
        chunks: AsyncIterator[bytes] = response.streaming_content  # type: ignore[attr-defined]  # the client's stubs know no streams
        first = await anext(chunks)
        return response.status_code, dict(response.headers), first

    status, headers, first = asyncio.run(ask())
    assert status == 200
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["X-Accel-Buffering"] == "no"
    assert "no-store" in headers["Cache-Control"]
    assert "Content-Encoding" not in headers
    assert first.startswith(b"retry:")
