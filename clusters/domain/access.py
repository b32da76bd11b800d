"""How a cluster is reached: its address and one credential. Secrets never show in a repr, and so in no log."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Either a bearer token or a client certificate with its key (PEM)."""

    bearer_token: str = field(default="", repr=False)
    client_certificate: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)

    @property
    def kind(self) -> str:
        return "token" if self.bearer_token else "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAccess:
    """All that is needed to open a connection.

    `certificate_authority` is PEM, empty for the system's own. `tls_server_name` is the name to expect in the server's
    certificate when it is not the host of the address.
    """

    api_server_url: str
    certificate_authority: str = field(default="", repr=False)
    tls_server_name: str = ""
    credential: Credential
