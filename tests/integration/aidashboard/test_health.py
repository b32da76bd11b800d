"""Health answers say which part is away."""

import pytest
from django.test import Client


@pytest.mark.django_db
def test_readyz_names_every_part(client: Client):
    reply = client.get("/readyz")

    assert reply.status_code == 200
    assert reply.json() == {"status": "ok", "database": "ok", "redis": "ok"}


@pytest.mark.django_db
def test_healthz_needs_no_login(client: Client):
    assert client.get("/healthz").json() == {"status": "ok"}
