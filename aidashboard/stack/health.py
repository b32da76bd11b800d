"""Whether a web process serves: `python -m aidashboard.stack.health HOST PORT` exits 0 or 1. The image's health check."""

from __future__ import annotations

import http
import http.client
import sys
from typing import Final

from aidashboard.stack.options import WILDCARD_HOSTS

PATH: Final = "/healthz"
SECONDS: Final = 2.0


def answers(host: str, port: int) -> bool:
    """Any answer but a server error counts: a 400 only says that the probe's host name is not among the allowed ones."""
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=SECONDS)
    try:
        connection.request("GET", PATH)
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reachable(host: str) -> str:
    if host not in WILDCARD_HOSTS:
        return host
    return "::1" if ":" in host else "127.0.0.1"


if __name__ == "__main__":
    sys.exit(0 if answers(sys.argv[1], int(sys.argv[2])) else 1)
