"""Parse certificates and revocation lists, and verify the chain of an end-entity certificate.

The chain is built and verified by `cryptography.x509.verification` (validity, signatures, basic constraints, path
length, name constraints). IAM Roles Anywhere User Guide, "The IAM Roles Anywhere trust model", adds: an end-entity
certificate is a version 3 certificate that is no CA and has the key usage Digital Signature; a CA certificate has the
key usage Certificate Sign; a chain has at most five certificates.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from dsops.sandbox.roles_anywhere.refusals import untrusted, validation_exception

MOST_CERTIFICATES: Final = 5
"""The maximum number of certificates in X-Amz-X509-Chain."""
_MOST_BUNDLED: Final = 32


def read_bundle(pem: str) -> list[x509.Certificate]:
    """Parse the PEM bundle of a trust anchor. Raises ValidationException unless each certificate can be a CA."""
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise validation_exception(f"The certificate bundle is not valid PEM: {error}") from error
    if len(certificates) > _MOST_BUNDLED:
        raise validation_exception(f"The certificate bundle has more than {_MOST_BUNDLED} certificates.")
    for certificate in certificates:
        problem = ca_problem(certificate)
        if problem:
            raise validation_exception(f"{certificate.subject.rfc4514_string()}: {problem}")
    return certificates


def ca_problem(certificate: x509.Certificate) -> str:
    """Return why the certificate can't be a CA certificate; "" if it can."""
    if certificate.version is not x509.Version.v3:
        return "Incorrect certificate version: it must be 3."
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return "Incorrect basic constraints or key usage for CA certificate."
    if not constraints.ca:
        return "Incorrect basic constraints for CA certificate."
    return "" if usage.key_cert_sign else "Incorrect key usage for CA certificate."


def read_crl(data: bytes) -> x509.CertificateRevocationList:
    """Parse a revocation list in PEM. Raises ValidationException."""
    try:
        return x509.load_pem_x509_crl(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise validation_exception("The CRL data is not a valid X.509 v2 CRL in PEM format.") from error


def read_header(text: str) -> x509.Certificate:
    """Parse a certificate from a header: base64 of its DER form. Raises ValidationException."""
    try:
        return x509.load_der_x509_certificate(base64.b64decode(text.encode("ascii"), validate=True))
    except (ValueError, binascii.Error) as error:
        raise validation_exception("The certificate in the request is not base64-encoded DER.") from error


def verify_chain(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: float,
) -> list[x509.Certificate]:
    """Return the chain from the end-entity certificate to a certificate of the trust anchor.

    Raises AccessDeniedException if there is none. `now` is in seconds since 1970.
    """
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise untrusted("its key is neither RSA nor ECDSA")
    verifier = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(datetime.fromtimestamp(now, UTC))
        .max_chain_depth(MOST_CERTIFICATES)
        .extension_policies(ca_policy=_CA, ee_policy=_END_ENTITY)
        .build_client_verifier()
    )
    try:
        return verifier.verify(certificate, list(intermediates)).chain
    except VerificationError as error:
        raise untrusted(str(error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:  # an extension that can't be parsed
        raise untrusted(str(error)) from error


def is_revoked(chain: Sequence[x509.Certificate], crls: Sequence[x509.CertificateRevocationList]) -> bool:
    """Whether a certificate of the chain is on a revocation list that its issuer signed."""
    return any(
        crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
        for certificate, issuer in pairwise(chain)
        for crl in crls
        if crl.issuer == issuer.subject and is_signed_by(crl, issuer)
    )


def is_signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key signed the revocation list."""
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return False
    try:
        return crl.is_signature_valid(key)
    except (TypeError, ValueError, UnsupportedAlgorithm):  # the key's type does not match the signature's algorithm
        return False


def _check_no_ca(_policy: Policy, _certificate: x509.Certificate, extension: x509.BasicConstraints | None) -> None:
    if extension is not None and extension.ca:
        raise ValueError("the end-entity certificate is a CA certificate")


def _check_signs(_policy: Policy, _certificate: x509.Certificate, extension: x509.KeyUsage) -> None:
    if not extension.digital_signature:
        raise ValueError("the end-entity certificate lacks the key usage Digital Signature")


def _check_ca(_policy: Policy, _certificate: x509.Certificate, extension: x509.BasicConstraints) -> None:
    if not extension.ca:
        raise ValueError("an issuer is no CA certificate")


def _check_certifies(_policy: Policy, _certificate: x509.Certificate, extension: x509.KeyUsage) -> None:
    if not extension.key_cert_sign:
        raise ValueError("an issuer lacks the key usage Certificate Sign")


# The default policies of `cryptography` are for web servers: they require a host name in the certificate.
_END_ENTITY: Final = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_no_ca)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_signs)
)
_CA: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_ca)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_certifies)
)
