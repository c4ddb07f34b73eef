"""The bytes of the authority's certificate are those that `cryptography.x509` writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dsops.guard.authority import Authority
from dsops.guard.certificate import AUTHORITY_NAME, Validity, authority_certificate

KEY = ec.generate_private_key(ec.SECP256R1())
BEGIN = datetime(2026, 11, 28, 12, tzinfo=UTC)


def expected(validity: Validity, serial: int, constraints: Sequence[x509.GeneralName]) -> x509.Certificate:
    """The certificate with the same contents, written by cryptography."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY_NAME)])
    public = KEY.public_key()
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=public, serial_number=serial)
    builder = builder.not_valid_before(validity.begin).not_valid_after(validity.end)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement encipher_only"
    usage = dict.fromkeys([*names.split(), "decipher_only"], False)
    builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    if constraints:
        builder = builder.add_extension(x509.NameConstraints(constraints, None), critical=True)
    return builder.sign(KEY, SHA256())


@pytest.mark.parametrize("serial", [1, 0x7F, 0x80, 2**151 + 1, 2**152 - 1])
@pytest.mark.parametrize("days", [1, 10_000])
@pytest.mark.parametrize("suffixes", [(), ("amazonaws.com", "127.0.0.1", "::1")])
def test_the_bytes_equal_those_of_cryptography(serial: int, days: int, suffixes: tuple[str, ...]) -> None:
    """All but the signature, which has a random part, is equal; years from 2050 on have another form."""
    validity = Validity(BEGIN, BEGIN + timedelta(days=days))
    constraints = [
        x509.IPAddress(ip_network(suffix)) if suffix[0] in "1:" else x509.DNSName(suffix) for suffix in suffixes
    ]
    certificate = x509.load_der_x509_certificate(authority_certificate(KEY, validity, serial, suffixes))

    assert expected(validity, serial, constraints).tbs_certificate_bytes == certificate.tbs_certificate_bytes
    certificate.verify_directly_issued_by(certificate)


def test_the_text_is_a_certificate() -> None:
    """The text of an authority equals that which cryptography writes; no two authorities share key or number."""
    authorities = [Authority(BEGIN) for _ in range(2)]
    first, second = (x509.load_pem_x509_certificate(each.certificate.encode()) for each in authorities)

    assert first.public_bytes(Encoding.PEM).decode() == authorities[0].certificate
    assert first.serial_number != second.serial_number
    assert first.public_key() != second.public_key()
