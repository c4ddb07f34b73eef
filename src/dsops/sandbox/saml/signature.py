"""Return the assertion of a SAML response exactly as the provider's key signed it.

The result is parsed from the bytes that were digested. The received document is used only to refuse a response.
Therefore an assertion that an attacker places beside, around or inside a signed assertion (signature wrapping) is
never read (Somorovsky and others, "On Breaking SAML: Be Whoever You Want to Be", USENIX Security 2012).

The signature must have the form that SAML V2.0 Core, 5.4 requires:

- The signature is a child of the element that it signs.
- Its only reference names that element's ID.
- Only two transforms are allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import refusal
from dsops.sandbox.saml.xml import ASSERTION, PROTOCOL, SIGNATURE, Element, elements_of, strict_parser, tag

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_TRANSFORMS: Final = frozenset(
    {
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    }
)
_ASSERTIONS_SIGNATURE: Final = f"./{tag(ASSERTION, 'Assertion')}/"
_RESPONSES_SIGNATURE: Final = "./"


class _Place(NamedTuple):
    """A signature in the document, with the element that it must sign."""

    signed: Element
    """The parent of the signature, which the signature must cover."""
    signature: Element
    path: str
    """The path from the root with which signxml finds the signature."""


def signed_assertion(response: Element, certificates: Sequence[Certificate], now: float) -> Element:
    """Return the signed assertion. Raises InvalidIdentityToken unless the provider signed exactly one."""
    places = list(_places(response))
    assertions = [element for element in response.iter() if element.tag == tag(ASSERTION, "Assertion")]
    everywhere = sum(1 for _ in response.iter(tag(SIGNATURE, "Signature")))
    # signxml verifies only the first signature under a path, so a second signature under one path is refused.
    is_clear = len({place.path for place in places}) == len(places) == everywhere and len(assertions) == 1
    if not places or not is_clear or not _are_ids_unique(response):
        raise _invalid()
    signed = [_verified(response, place, certificates, now) for place in places]
    # The response's signature covers the assertion too. If both are signed, the assertion's signature is used.
    innermost = signed[-1]
    if innermost.tag == tag(PROTOCOL, "Response"):
        signed_assertions = elements_of(innermost, ASSERTION, "Assertion")
        if len(signed_assertions) != 1:
            raise _invalid()
        return signed_assertions[0]
    return innermost


def _places(response: Element) -> Iterator[_Place]:
    """Yield the signatures of the response and of its assertion, in this order."""
    for signature in elements_of(response, SIGNATURE, "Signature"):
        yield _Place(response, signature, _RESPONSES_SIGNATURE)
    for assertion in elements_of(response, ASSERTION, "Assertion"):
        for signature in elements_of(assertion, SIGNATURE, "Signature"):
            yield _Place(assertion, signature, _ASSERTIONS_SIGNATURE)


def _are_ids_unique(response: Element) -> bool:
    """Whether all ID-like attributes are unique, so that a verifier can't select the wrong element."""
    everywhere = (pair for element in response.iter() for pair in element.attrib.items())
    seen = [value for name, value in everywhere if name.rpartition("}")[2].lower() == "id"]
    return len(set(seen)) == len(seen)


def _verified(response: Element, place: _Place, certificates: Sequence[Certificate], now: float) -> Element:
    """Verify the signature with the provider's certificates; return the element that was signed.

    A key in the document itself is ignored.
    """
    if not _is_of_samls_form(place):
        raise _invalid()
    for certificate in certificates:
        signed = _try(response, place, certificate, now)
        if signed is not None:
            # The earlier checks of form and ids already ensure this. This check is for the case that signxml returns
            # another element.
            if signed.tag != place.signed.tag or signed.get("ID") != place.signed.get("ID"):
                raise _invalid()
            return signed
    raise _invalid()


def _is_of_samls_form(place: _Place) -> bool:
    references = place.signature.findall(f"{tag(SIGNATURE, 'SignedInfo')}/{tag(SIGNATURE, 'Reference')}")
    name = place.signed.get("ID", "")
    if len(references) != 1 or not name or references[0].get("URI") != f"#{name}":
        return False
    transforms = references[0].findall(f"{tag(SIGNATURE, 'Transforms')}/{tag(SIGNATURE, 'Transform')}")
    return {transform.get("Algorithm") for transform in transforms} <= _TRANSFORMS


def _try(response: Element, place: _Place, certificate: Certificate, now: float) -> Element | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from lxml import etree
    from signxml.exceptions import SignXMLException
    from signxml.verifier import XMLVerifier

    try:
        result: Any = XMLVerifier().verify(
            response,
            x509_cert=certificate,
            parser=strict_parser(),
            id_attribute="ID",
            expect_config=_configuration(place.path, now),
        )
    except (
        SignXMLException,
        etree.LxmlError,
        UnsupportedAlgorithm,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
        NotImplementedError,
    ):
        return None
    return result.signed_xml


def _configuration(path: str, now: float) -> Any:  # The type is defined by signxml, which is imported only here.
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.verifier import SignatureConfiguration

    # SHA-1 is excluded, because collisions are practical since 2020. AWS does not document which algorithms it accepts.
    methods = {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
    digests = {DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}
    return SignatureConfiguration(
        location=path,
        signature_methods=frozenset(methods),
        digest_algorithms=frozenset(digests),
        verification_time=datetime.fromtimestamp(now, UTC),
    )


def _invalid() -> SandboxRefusal:
    return refusal("InvalidIdentityToken", "Response signature invalid")
