"""Read an identity provider's metadata document: its entity id and signing certificates.

IAM User Guide, "Create a SAML identity provider": the document contains the issuer's name and keys of at least 1,024
bits. The document's own signature is not checked (AWS does not check it either): the caller of CreateSAMLProvider
vouches for the document.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dsops.sandbox.saml.xml import METADATA, PROTOCOL, SIGNATURE, Element, elements_of, only, parse, tag, text_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_MIN_BITS: Final = 1024
_MAX_CERTIFICATES: Final = 10


class Metadata(NamedTuple):
    """The part of a provider's metadata that verification needs."""

    entity_id: str
    """The provider's id, which appears as `Issuer` in its responses."""
    certificates: tuple[Certificate, ...]
    """The provider's certificates. Any of their keys may have signed a response."""


@lru_cache(maxsize=64)
def read_metadata(document: str) -> Metadata:
    """Parse the metadata document. Raises ValueError with the reason if the document is unusable."""
    root = parse(document.encode("utf-8", "surrogatepass"))
    if root.tag != tag(METADATA, "EntityDescriptor"):
        raise ValueError("its root is not an EntityDescriptor of SAML 2.0")
    entity_id = str(root.get("entityID", "")).strip()
    if not entity_id:
        raise ValueError("it has no entityID")
    role = only(root, METADATA, "IDPSSODescriptor")
    if role is None or PROTOCOL not in str(role.get("protocolSupportEnumeration", "")).split():
        raise ValueError("it has no IDPSSODescriptor for SAML 2.0")
    certificates = [
        _certificate(element)
        for key in elements_of(role, METADATA, "KeyDescriptor")
        if key.get("use", "signing") == "signing"
        for element in key.iter(tag(SIGNATURE, "X509Certificate"))
    ]
    if not 1 <= len(certificates) <= _MAX_CERTIFICATES:
        raise ValueError(f"it has {len(certificates)} signing certificates, and 1 to {_MAX_CERTIFICATES} are read")
    return Metadata(entity_id, tuple(certificates))


def _certificate(element: Element) -> Certificate:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import load_der_x509_certificate

    try:
        base64_text = "".join((text_of(element) or "").split())
        certificate = load_der_x509_certificate(base64.b64decode(base64_text, validate=True))
        bits: Any = getattr(certificate.public_key(), "key_size", 0)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("a certificate in it can't be read") from error
    # Elliptic curve keys of the same strength are shorter; IAM's minimum length is for RSA keys.
    if bits < (_MIN_BITS if _is_rsa(certificate) else 1):
        raise ValueError(f"a key in it has fewer than {_MIN_BITS} bits")
    return certificate


def _is_rsa(certificate: Certificate) -> bool:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    return isinstance(certificate.public_key(), RSAPublicKey)
