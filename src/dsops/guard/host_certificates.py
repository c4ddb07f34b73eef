"""Certificates for the hosts of tunnels, signed by the guard's authority, and the settings of TLS with them."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dsops.guard.certificate import AUTHORITY_NAME, Validity

_MOST_CONTEXTS = 256


class HostCertificates:
    """Signs certificates for host names with the authority's key, and keeps the TLS settings with them."""

    def __init__(self, authority_key: ec.EllipticCurvePrivateKey, validity: Validity) -> None:
        self._authority_key = authority_key
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._validity = validity
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    def context(self, host: str) -> ssl.SSLContext:
        """Return the settings of TLS for this host: HTTP/1.1, and no other server name in the handshake."""
        context = self._contexts.get(host)
        if context is None:
            context = self._contexts[host] = self._new_context(host)
            if len(self._contexts) > _MOST_CONTEXTS:
                self._contexts.popitem(last=False)
        else:
            self._contexts.move_to_end(host)
        return context

    def leaf(self, host: str) -> x509.Certificate:
        """Return a new certificate for the host, signed by the authority."""
        name = x509.IPAddress(address) if (address := _address(host)) else x509.DNSName(host)
        builder = self._builder()
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # The extension is critical, as RFC 5280 (4.2.1.6) requires for a certificate without a subject.
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self._authority_key, SHA256())

    def _new_context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with _secret_file(key + self.leaf(host).public_bytes(Encoding.PEM)) as path:
            context.load_cert_chain(path)

        def check_name(_: object, name: str | None, __: object) -> int | None:
            is_same = name is None or name.lower() == host
            return None if is_same else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

        context.sni_callback = check_name
        return context

    def _builder(self) -> x509.CertificateBuilder:
        issuer, key = self._authority_key.public_key(), self._key.public_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY_NAME)])
        builder = x509.CertificateBuilder(issuer_name=name, subject_name=x509.Name([]), public_key=key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(self._validity.begin).not_valid_after(self._validity.end)
        # Java and OpenSSL's strict mode require both key ids: the authority's and the subject's.
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


@contextmanager
def _secret_file(content: bytes) -> Iterator[str]:
    """Give the path of a file with this content, which `ssl` can't read from memory.

    On Linux the file is in memory and has no name. Elsewhere it is in a new folder of this user, and deleted at once.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("dsops-guard", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory(prefix="dsops-guard-") as folder:
        path = os.path.join(folder, "certificate.pem")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        yield path
