"""`/healthz` (the process lives) and `/readyz` (it can serve: database and broker answer)."""

from __future__ import annotations

import redis
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse

from accounts.permissions import public


@public
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@public
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part answers, 503 otherwise, with a word per part."""
    parts = {"database": _ask_database(), "redis": _ask_redis()}
    is_ready = all(word == "ok" for word in parts.values())
    return JsonResponse({"status": "ok" if is_ready else "unavailable", **parts}, status=200 if is_ready else 503)


def _ask_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unavailable"
    return "ok"


def _ask_redis() -> str:
    try:
        cache.get("readyz")
    except redis.RedisError:
        return "unavailable"
    return "ok"
