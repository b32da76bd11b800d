"""Puts what a service found wrong next to the inputs that it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.forms import Form

from aidashboard.kit.errors import AppError, ConflictError, InvalidError


@contextmanager
def show_findings(form: Form) -> Iterator[None]:
    """Run a service call. When it refuses the input, the form carries the reasons and the view shows it again.

    A finding whose field the form does not have, and an error without findings, stand above the fields.
    """
    try:
        yield
    except (InvalidError, ConflictError) as error:
        _add(form, error)


def _add(form: Form, error: AppError) -> None:
    for finding in error.findings:
        form.add_error(finding.field if finding.field in form.fields else None, finding.message)
    if not error.findings:
        form.add_error(None, error.message)
    if error.hint:
        form.add_error(None, error.hint)
