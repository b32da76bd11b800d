"""Credentials of clusters at rest: Fernet (AES-128-CBC with HMAC-SHA256) under the product's encryption key.

Nothing else encrypts or decrypts them. The plain form exists only in memory, as a `ClusterAccess`.
"""

from __future__ import annotations

import orjson
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from clusters.domain.access import ClusterAccess, Credential
from clusters.errors import CredentialUnreadableError
from clusters.models import Cluster


def encrypt_credential(credential: Credential) -> bytes:
    fields = {
        "bearer_token": credential.bearer_token,
        "client_certificate": credential.client_certificate,
        "client_key": credential.client_key,
    }
    return Fernet(settings.ENCRYPTION_KEY).encrypt(orjson.dumps(fields))


def decrypt_access(cluster: Cluster) -> ClusterAccess:
    """Raises: CredentialUnreadableError when the key has changed since the credential was stored."""
    try:
        plain = Fernet(settings.ENCRYPTION_KEY).decrypt(bytes(cluster.credential))
    except InvalidToken as error:
        raise CredentialUnreadableError(
            f"The credential of cluster {cluster.name} can't be decrypted.",
            hint="AIDASHBOARD_ENCRYPTION_KEY is not the key it was stored with: restore the key, or enter the credential again.",
        ) from error
    return ClusterAccess(
        api_server_url=cluster.api_server_url,
        certificate_authority=cluster.certificate_authority,
        tls_server_name=cluster.tls_server_name,
        credential=Credential(**orjson.loads(plain)),
    )
