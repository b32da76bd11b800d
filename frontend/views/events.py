"""The one stream of server-sent events: it tells open pages which kinds of things changed, never what they are now.

A page that hears of a change asks for its own fragment again, through the same permission checks as the page itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import orjson
from asgiref.sync import sync_to_async
from django.db import connection
from django.http import StreamingHttpResponse

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from aidashboard.kit.events import Event, subscribe

HEARTBEAT_SECONDS: Final = 15.0
# A stream ends now and then and the browser opens the next: so a person who was locked out is, soon, out.
LIFE_SECONDS: Final = 600.0
RETRY_MILLISECONDS: Final = 2000


@require_permission(Permission.SIGNED_IN)
async def event_stream(request: SignedInRequest) -> StreamingHttpResponse:
    """Events for as long as the page is open. Admins learn the cluster of a change; researchers only that something moved."""
    user = await request.auser()
    tells_cluster = bool(getattr(user, "is_admin", False))
    # The stream may live for minutes and needs no row: holding a database connection per open page would exhaust the server.
    await sync_to_async(_release_database)()
    response = StreamingHttpResponse(stream_events(tells_cluster=tells_cluster), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    # Proxies of the nginx family hold replies back to fill a buffer; this one would never fill it.
    response["X-Accel-Buffering"] = "no"
    return response


async def stream_events(
    *, tells_cluster: bool, heartbeat_seconds: float = HEARTBEAT_SECONDS, life_seconds: float = LIFE_SECONDS
) -> AsyncGenerator[bytes, None]:
    """The stream's text. A comment goes out when nothing happens, so that a dead connection is noticed on both sides."""
    loop = asyncio.get_running_loop()
    end = loop.time() + life_seconds
    yield f"retry: {RETRY_MILLISECONDS}\nevent: hello\ndata: {{}}\n\n".encode()
    async with aclosing(subscribe()) as events:
        following = asyncio.ensure_future(anext(events))
        try:
            while loop.time() < end:
                # Not wait_for: it would cancel the generator itself at the first quiet moment.
                done, _ = await asyncio.wait({following}, timeout=min(heartbeat_seconds, max(0.0, end - loop.time())))
                if not done:
                    yield b": still here\n\n"
                    continue
                yield encode_event(following.result(), tells_cluster=tells_cluster)
                following = asyncio.ensure_future(anext(events))
        finally:
            following.cancel()
            await asyncio.wait({following})


def encode_event(event: Event, *, tells_cluster: bool) -> bytes:
    """One event in the stream's format."""
    data = {"topics": sorted(event.topics), **({"cluster": event.cluster_id} if tells_cluster else {})}
    return b"event: change\ndata: " + orjson.dumps(data) + b"\n\n"


def _release_database() -> None:
    if not connection.in_atomic_block:
        connection.close()
