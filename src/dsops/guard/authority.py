"""A certificate authority for one run: it signs the certificates with which the guard ends the TLS of tunnels.

Its private key exists only in the memory of this process. The certificate is trusted only by the command that the
guard was started for.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_MOST_CONTEXTS = 256
_EARLIER = timedelta(hours=1)
"""How long before the start certificates are valid: the clock of a container may be behind."""


class Authority:
    """Signs certificates for host names, and keeps the TLS settings with them."""

    def __init__(self, now: datetime, *, lifetime: timedelta = timedelta(days=1), suffixes: Sequence[str] = ()) -> None:
        """`suffixes` limits the certificate to these domains and addresses (name constraints); () to none."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._begin, self._end = now - _EARLIER, now + lifetime
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dsops guard (this run only)")])
        self._certificate = self._own_certificate(suffixes)
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    @property
    def certificate(self) -> str:
        """The public certificate in PEM."""
        return self._certificate.public_bytes(Encoding.PEM).decode("ascii")

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
        """Return a new certificate for the host, signed by this authority."""
        name = x509.IPAddress(address) if (address := _address(host)) else x509.DNSName(host)
        builder = self._builder(x509.Name([]), self._leaf_key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # The subject is empty, so the names are critical: RFC 5280, 4.2.1.6.
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self._key, SHA256())

    def _new_context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        key = self._leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with _secret_file(key + self.leaf(host).public_bytes(Encoding.PEM)) as path:
            context.load_cert_chain(path)

        def check_name(_: object, name: str | None, __: object) -> int | None:
            is_same = name is None or name.lower() == host
            return None if is_same else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

        context.sni_callback = check_name
        return context

    def _own_certificate(self, suffixes: Sequence[str]) -> x509.Certificate:
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = dict.fromkeys(
            "digital_signature content_commitment key_encipherment data_encipherment key_agreement encipher_only"
            " decipher_only".split(),
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        if suffixes:
            constraints = x509.NameConstraints([_subtree(suffix) for suffix in suffixes], None)
            builder = builder.add_extension(constraints, critical=True)
        return builder.sign(self._key, SHA256())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        issuer = self._key.public_key()
        builder = x509.CertificateBuilder(issuer_name=self._name, subject_name=subject, public_key=key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(self._begin).not_valid_after(self._end)
        # Java and OpenSSL's strict mode look for both.
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _subtree(suffix: str) -> x509.GeneralName:
    """Return the name constraint for a domain and the names below it, or for one address."""
    return x509.IPAddress(ip_network(suffix)) if _address(suffix) else x509.DNSName(suffix)


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
