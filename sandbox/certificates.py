"""The keys of one sandbox: who signs whom, and what Kueue's certificate rotator insists on.

Made once per folder and kept, so that tokens and kubeconfigs handed out yesterday still work today. Elliptic curves
wherever the reader allows it, because an RSA key takes a hundred times as long to make; Kueue allows RSA only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=3650)
# Clocks of virtual machines step back after a resume; a certificate from the future would stop the cluster.
BACKDATED = timedelta(hours=1)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority: what it signs with, and the two files that others name."""

    certificate: x509.Certificate
    key: Key
    certificate_path: Path
    key_path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Every key of a sandbox. `clients` holds one pair per kubeconfig, by the name of its holder."""

    authority: Pair
    api_server: Pair
    kubelet: Pair
    kubelet_client: Pair
    front_proxy_authority: Pair
    front_proxy: Pair
    service_account: Pair
    clients: dict[str, Pair]
    kueue_authority: Pair
    kueue: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whom a client certificate names: a user and the groups they are in."""

    user: str
    groups: tuple[str, ...] = ()


# Each component is who it is on a real cluster, so that a missing right shows here too. The administrator's certificate
# belongs to the sandbox and its tests; the product gets a token of a ServiceAccount with few rights.
HOLDERS = {
    "admin": Holder(user="sandbox-admin", groups=("system:masters",)),
    "kube-controller-manager": Holder(user="system:kube-controller-manager"),
    "kube-scheduler": Holder(user="system:kube-scheduler"),
    "kube-state-metrics": Holder(user="sandbox:kube-state-metrics"),
    "kwok": Holder(user="sandbox:kwok", groups=("system:masters",)),
    "kueue": Holder(
        user="system:serviceaccount:kueue-system:kueue-controller-manager",
        groups=("system:serviceaccounts", "system:serviceaccounts:kueue-system"),
    ),
}

KUEUE_WEBHOOK_HOST = "kueue-webhook-service.kueue-system.svc"


def ensure_certificates(folder: Path) -> Certificates:
    """Read the keys of a sandbox, or make them all when there are none yet."""
    certificates = _layout(folder)
    done = folder / "complete"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(certificates)
        done.touch()
    return certificates


def _layout(folder: Path) -> Certificates:
    def pair(name: str) -> Pair:
        return Pair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")

    # Kueue looks for these four names in its two folders; cluster.py points both at this one.
    kueue = folder / "kueue"
    return Certificates(
        authority=pair("ca"),
        api_server=pair("kube-apiserver"),
        kubelet=pair("kubelet"),
        kubelet_client=pair("kubelet-client"),
        front_proxy_authority=pair("front-proxy-ca"),
        front_proxy=pair("front-proxy"),
        service_account=pair("service-account"),
        clients={name: pair(f"client-{name}") for name in HOLDERS},
        kueue_authority=Pair(certificate=kueue / "ca.crt", key=kueue / "ca.key"),
        kueue=Pair(certificate=kueue / "tls.crt", key=kueue / "tls.key"),
    )


def _make(certificates: Certificates) -> None:
    authority = make_authority(certificates.authority, common_name="sandbox-ca")
    _issue_server(
        certificates.api_server,
        authority,
        common_name="kube-apiserver",
        names=["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"],
        # 10.0.0.1 is the address of the Service `kubernetes`.
        addresses=["127.0.0.1", "10.0.0.1"],
    )
    _issue_server(
        certificates.kubelet, authority, common_name="system:node", names=["localhost"], addresses=["127.0.0.1"]
    )
    _issue_client(certificates.kubelet_client, authority, Holder(user="kube-apiserver", groups=("system:masters",)))
    for name, holder in HOLDERS.items():
        _issue_client(certificates.clients[name], authority, holder)

    front_proxy_authority = make_authority(certificates.front_proxy_authority, common_name="sandbox-front-proxy-ca")
    _issue_client(certificates.front_proxy, front_proxy_authority, Holder(user="front-proxy-client"))
    _make_service_account_key(certificates.service_account)
    _make_kueue(certificates)


def make_authority(files: Pair, *, common_name: str) -> Authority:
    """A self-signed authority on an elliptic curve, written to `files`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = _builder(subject=name, issuer=name, key=key).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    certificate = builder.add_extension(_usage(is_authority=True), critical=True).sign(key, hashes.SHA256())
    _write(files, certificate, key)
    return Authority(certificate=certificate, key=key, certificate_path=files.certificate, key_path=files.key)


def _issue_server(
    files: Pair, authority: Authority, *, common_name: str, names: Sequence[str], addresses: Sequence[str]
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(
        subject=_name(common_name),
        key=key,
        authority=authority,
        usages=[ExtendedKeyUsageOID.SERVER_AUTH],
        names=names,
        addresses=addresses,
    )
    _write(files, certificate, key)


def _issue_client(files: Pair, authority: Authority, holder: Holder) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(
        subject=_name(holder.user, organizations=holder.groups),
        key=key,
        authority=authority,
        usages=[ExtendedKeyUsageOID.CLIENT_AUTH],
    )
    _write(files, certificate, key)


def _make_service_account_key(files: Pair) -> None:
    """The key that signs tokens. Its `certificate` is the bare public key: that is what the API server asks for."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write_file(files.certificate, public, mode=0o644)
    _write_file(files.key, _key_text(key), mode=0o600)


def _make_kueue(certificates: Certificates) -> None:
    """The pair that Kueue's rotator accepts instead of replacing it by one that nobody trusts.

    It wants RSA keys in PKCS#1 form, a CA with this very subject that also carries its name as a SAN, and the host name
    of the webhook service on the server certificate.
    """
    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = _name("kueue-ca", organizations=("kueue",))
    ca = (
        _builder(subject=subject, issuer=subject, key=ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kueue-ca")]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    files = certificates.kueue_authority
    _write(files, ca, ca_key)
    authority = Authority(certificate=ca, key=ca_key, certificate_path=files.certificate, key_path=files.key)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = _sign(
        subject=_name(KUEUE_WEBHOOK_HOST),
        key=key,
        authority=authority,
        usages=[ExtendedKeyUsageOID.SERVER_AUTH],
        names=[KUEUE_WEBHOOK_HOST, "localhost"],
        addresses=["127.0.0.1"],
    )
    _write(certificates.kueue, certificate, key)


def _sign(
    *,
    subject: x509.Name,
    key: Key,
    authority: Authority,
    usages: Sequence[x509.ObjectIdentifier],
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
) -> x509.Certificate:
    builder = _builder(subject=subject, issuer=authority.certificate.subject, key=key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(is_authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _builder(*, subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + VALID)
    )


def _name(common_name: str, *, organizations: Sequence[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(files: Pair, certificate: x509.Certificate, key: Key) -> None:
    files.certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_file(files.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    _write_file(files.key, _key_text(key), mode=0o600)


def _key_text(key: Key) -> bytes:
    """PKCS#1 (RSA) or SEC 1 (elliptic curve) text: `BEGIN RSA PRIVATE KEY`, `BEGIN EC PRIVATE KEY`."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _write_file(path: Path, content: bytes, *, mode: int) -> None:
    path.touch(mode=mode)
    path.write_bytes(content)
