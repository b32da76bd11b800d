"""PostgreSQL's address as Django's setting, with the time limits that every connection has."""

from typing import Any, Final

from psycopg.conninfo import conninfo_to_dict

# A statement that waits longer than this hides a fault: pages have 100 ms, migrations take their own timeout.
LIMITS: Final = "-c lock_timeout=5s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
CONNECT_SECONDS: Final = 5


def build_database(url: str) -> dict[str, Any]:  # Any: the shape of Django's setting
    """What the address says goes to the driver as it is: `sslrootcert` counts as much as `sslmode`."""
    given = dict(conninfo_to_dict(url))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given.pop("dbname", "aidashboard"),
        "USER": given.pop("user", ""),
        "PASSWORD": given.pop("password", ""),
        "HOST": given.pop("host", ""),
        "PORT": given.pop("port", ""),
        # Under ASGI every request has a thread of its own, and a connection kept for that thread is never used again: at 60 s, a
        # hundred requests a minute exhaust the server. A new one takes 3 ms.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            "connect_timeout": CONNECT_SECONDS,
            **given,
            # The address' own come last, and win.
            "options": f"{LIMITS} {given.get('options', '')}".strip(),
        },
    }
