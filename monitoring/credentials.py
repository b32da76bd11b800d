"""The bearer tokens of Prometheus sources at rest: Fernet under the product's encryption key. Nothing else opens them."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from monitoring.errors import TokenUnreadableError
from monitoring.models import PrometheusSource


def seal_token(token: str) -> bytes:
    return Fernet(settings.ENCRYPTION_KEY).encrypt(token.encode())


def open_token(source: PrometheusSource) -> str:
    """The token in the clear, empty when the source wants none.

    Raises: TokenUnreadableError when the key has changed since the token was stored.
    """
    if source.bearer_token is None:
        return ""
    try:
        return Fernet(settings.ENCRYPTION_KEY).decrypt(bytes(source.bearer_token)).decode()
    except InvalidToken as error:
        raise TokenUnreadableError(
            "The bearer token of the metrics source can't be decrypted: enter it again."
        ) from error
