"""The keys of a sandbox: signed by the right authority, and such that Kueue keeps them."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sandbox.certificates import HOLDERS, Certificates, Pair, ensure_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return ensure_certificates(tmp_path_factory.mktemp("certificates") / "new")


def test_every_client_certificate_names_its_holder_and_groups(certificates):
    for name, holder in HOLDERS.items():
        subject = _read(certificates.clients[name]).subject
        assert _values(subject, NameOID.COMMON_NAME) == [holder.user]
        assert _values(subject, NameOID.ORGANIZATION_NAME) == list(holder.groups)


def test_only_the_administrator_and_kwok_are_masters():
    masters = {name for name, holder in HOLDERS.items() if "system:masters" in holder.groups}
    assert masters == {"admin", "kwok"}


def test_certificates_are_signed_by_their_authority(certificates):
    authority = _read(certificates.authority)
    for pair in (certificates.api_server, certificates.kubelet, *certificates.clients.values()):
        _read(pair).verify_directly_issued_by(authority)
    _read(certificates.front_proxy).verify_directly_issued_by(_read(certificates.front_proxy_authority))
    _read(certificates.kueue).verify_directly_issued_by(_read(certificates.kueue_authority))


def test_the_front_proxy_has_an_authority_of_its_own(certificates):
    """With a shared one, any client certificate could claim to be somebody else by a header."""
    assert _read(certificates.front_proxy).issuer != _read(certificates.authority).subject


def test_kueue_gets_rsa_keys_in_the_form_its_rotator_reads(certificates):
    for pair in (certificates.kueue, certificates.kueue_authority):
        text = pair.key.read_bytes()
        assert text.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
        assert isinstance(serialization.load_pem_private_key(text, password=None), rsa.RSAPrivateKey)


def test_kueues_authority_has_the_name_its_rotator_looks_for(certificates):
    authority = _read(certificates.kueue_authority)
    assert _values(authority.subject, NameOID.ORGANIZATION_NAME) == ["kueue"]
    assert _values(authority.subject, NameOID.COMMON_NAME) == ["kueue-ca"]
    assert _host_names(authority) == ["kueue-ca"]


def test_kueues_certificate_serves_the_webhook_service_and_loopback(certificates):
    certificate = _read(certificates.kueue)
    assert _host_names(certificate) == ["kueue-webhook-service.kueue-system.svc", "localhost"]
    addresses = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in addresses.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_keys_are_readable_by_nobody_else(certificates):
    for pair in (certificates.authority, certificates.kueue, certificates.service_account):
        assert pair.key.stat().st_mode & 0o077 == 0


def test_a_second_call_keeps_the_keys(tmp_path: Path):
    first = ensure_certificates(tmp_path / "kept")
    before = first.authority.certificate.read_bytes()
    assert ensure_certificates(tmp_path / "kept").authority.certificate.read_bytes() == before


def test_keys_of_an_interrupted_start_are_made_anew(tmp_path: Path):
    folder = tmp_path / "half"
    ensure_certificates(folder)
    (folder / "complete").unlink()
    (folder / "kube-apiserver.key").unlink()
    again = ensure_certificates(folder)
    _read(again.api_server).verify_directly_issued_by(_read(again.authority))


def _read(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str | bytes]:
    return [attribute.value for attribute in name.get_attributes_for_oid(oid)]


def _host_names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)
