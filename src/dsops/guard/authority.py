"""A certificate authority for one run: it signs the certificates with which the guard ends the TLS of tunnels.

Its private key exists only in the memory of this process. The certificate is trusted only by the command that the
guard was started for.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from dsops.guard.certificate import Validity, authority_certificate

if TYPE_CHECKING:
    import ssl

    from dsops.guard.host_certificates import HostCertificates

_EARLIER = timedelta(hours=1)
"""How long before the start certificates are valid: the clock of a container may be behind."""
_SERIAL_BYTES = 19
"""The size of the random serial number. RFC 5280 allows 20 bytes, of which the first bit has to be 0."""


class Authority:
    """Has the key of the authority and its certificate. What signs for hosts is made at the first tunnel."""

    def __init__(self, now: datetime, *, lifetime: timedelta = timedelta(days=1), suffixes: Sequence[str] = ()) -> None:
        """`suffixes` limits the certificate to these domains and addresses (name constraints); () to none."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = now.replace(microsecond=0)
        self._validity = Validity(now - _EARLIER, now + lifetime)
        serial = int.from_bytes(os.urandom(_SERIAL_BYTES), "big") | 1
        self._certificate = authority_certificate(self._key, self._validity, serial, suffixes)
        self._hosts: HostCertificates | None = None

    @property
    def certificate(self) -> str:
        """The public certificate in PEM."""
        text = b64encode(self._certificate).decode("ascii")
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])

    def context(self, host: str) -> ssl.SSLContext:
        """Return the settings of TLS for this host: HTTP/1.1, and no other server name in the handshake."""
        if self._hosts is None:
            from dsops.guard.host_certificates import HostCertificates

            self._hosts = HostCertificates(self._key, self._validity)
        return self._hosts.context(host)
