"""What every page's template gets for the shell around it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:  # Any: a template context
    """The shell's data."""
    return {}
