"""Verify the signature of CreateSession: Signature Version 4 with the key of an X.509 certificate.

IAM Roles Anywhere User Guide, "Signing process": the access key id of the credential scope is the certificate's
serial number in decimal digits, and the certificate is in the header X-Amz-X509.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from dsops.request.messages import HttpRequest
from dsops.request.wire.models import ROLES_ANYWHERE
from dsops.request.wire.signature import Claim, check_scope, read_claim, string_to_sign
from dsops.sandbox.roles_anywhere.certificates import MOST_CERTIFICATES, read_header
from dsops.sandbox.roles_anywhere.refusals import invalid_signature, validation_exception

_RSA: Final = "AWS4-X509-RSA-SHA256"
_ECDSA: Final = "AWS4-X509-ECDSA-SHA256"
_KEYS: Final[Mapping[str, type]] = {_RSA: rsa.RSAPublicKey, _ECDSA: ec.EllipticCurvePublicKey}
_CERTIFICATE: Final = "x-amz-x509"
_CHAIN: Final = "x-amz-x509-chain"
_WINDOW_MINUTES: Final = 15


class CertificateClaim(NamedTuple):
    """The certificate and signature of a request, which are unverified until `check` succeeds."""

    certificate: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    region: str
    """The region in the credential scope, to which the request was sent."""
    claim: Claim
    algorithm: str

    def check(self, request: HttpRequest) -> None:
        """Raise AccessDeniedException unless the certificate's key signed the request."""
        if self.claim.access_key_id != str(self.certificate.serial_number):
            raise invalid_signature("the credential scope has not the certificate's serial number")
        key = self.certificate.public_key()
        if not isinstance(key, _KEYS[self.algorithm]):
            raise invalid_signature(f"the certificate's key does not fit {self.algorithm}")
        text = string_to_sign(request, self.claim, self.algorithm).encode()
        try:
            signature = bytes.fromhex(self.claim.signature)
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, text, padding.PKCS1v15(), SHA256())
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, text, ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError) as error:
            raise invalid_signature("the certificate's key did not sign this request") from error


def read_certificate_claim(request: HttpRequest, wall: float) -> CertificateClaim:
    """Parse the certificate and signature of a request, and check their form and time.

    `wall` is the machine's time. Raises ValidationException, or an error about the form or time of the signature.
    """
    claim = read_claim(request, wall, _WINDOW_MINUTES, tuple(_KEYS))
    check_scope(claim, ROLES_ANYWHERE)
    if claim.is_presigned or claim.session_token:
        raise validation_exception("The request must be signed in its headers, without a session token.")
    text = request.headers.get(_CERTIFICATE, "")
    if not text:
        raise validation_exception("The header X-Amz-X509 with the certificate is missing.")
    parts = [part.strip() for part in request.headers.get(_CHAIN, "").split(",") if part.strip()]
    if len(parts) > MOST_CERTIFICATES:
        raise validation_exception(f"X-Amz-X509-Chain has more than {MOST_CERTIFICATES} certificates.")
    algorithm = request.headers["authorization"].partition(" ")[0]
    return CertificateClaim(
        read_header(text), tuple(read_header(part) for part in parts), claim.region, claim, algorithm
    )
