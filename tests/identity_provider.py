"""A company's SAML identity provider; tests can change its documents before and after signing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

Element = Any  # lxml ships no types

SIGN_IN = "https://signin.aws.amazon.com/saml"
NAMESPACES = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
CONFIRMATION = (
    '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
    f'<saml:SubjectConfirmationData NotOnOrAfter="{{until}}" Recipient="{SIGN_IN}"/></saml:SubjectConfirmation>'
)
CONDITIONS = (
    '<saml:Conditions NotBefore="{now}" NotOnOrAfter="{until}"><saml:AudienceRestriction>'
    "<saml:Audience>urn:amazon:webservices</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
)
ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
KEY = generate_private_key(65537, 2048)


class IdentityProvider:
    """An identity provider with its key and certificate."""

    def __init__(
        self, entity_id: str = "https://idp.example.com/saml", key: RSAPrivateKey = KEY, *, days: int = 3650
    ) -> None:
        self.entity_id = entity_id
        self._key = key
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp.example.com")])
        first = datetime.now(UTC) - timedelta(days=30)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        self._certificate = (
            builder.not_valid_before(first).not_valid_after(first + timedelta(days=days)).sign(key, SHA256())
        )

    @property
    def certificate(self) -> str:
        """The certificate in the format of a metadata document."""
        return base64.b64encode(self._certificate.public_bytes(Encoding.DER)).decode()

    def metadata(self, *before: str) -> str:
        """The provider's metadata, with these certificates before its own."""
        keys = "".join(
            f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{NAMESPACES["ds"]}"><ds:X509Data>'
            f"<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            for certificate in (*before, self.certificate)
        )
        return (
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{self.entity_id}">'
            f'<md:IDPSSODescriptor protocolSupportEnumeration="{NAMESPACES["samlp"]}">{keys}</md:IDPSSODescriptor>'
            "</md:EntityDescriptor>"
        )

    def assertion(
        self,
        now: float,
        attributes: Mapping[str, Sequence[str]],
        *,
        subject: str = "alice",
        seconds: int = 300,
        name_id: str | None = None,
        confirmation: str = CONFIRMATION,
        conditions: str = CONDITIONS,
        statements: str = "",
        issuer: str | None = None,
        assertion_id: str = "_a1",
    ) -> Element:
        """An unsigned assertion; `confirmation`, `conditions` and `statements` may contain {now} and {until}."""
        moments = {"now": written(now), "until": written(now + seconds)}
        name = f'<saml:NameID Format="{PERSISTENT}">{escape(subject)}</saml:NameID>' if name_id is None else name_id
        listed = "".join(
            f"<saml:Attribute Name={quoteattr(key)}>"
            + "".join(f"<saml:AttributeValue>{escape(value)}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for key, values in attributes.items()
        )
        return etree.fromstring(
            f'<saml:Assertion xmlns:saml="{NAMESPACES["saml"]}" ID="{assertion_id}" Version="2.0" '
            f'IssueInstant="{moments["now"]}"><saml:Issuer>{escape(issuer or self.entity_id)}</saml:Issuer>'
            f"<saml:Subject>{name}{confirmation.format(**moments)}</saml:Subject>{conditions.format(**moments)}"
            f"{statements.format(**moments)}<saml:AttributeStatement>{listed}</saml:AttributeStatement>"
            "</saml:Assertion>"
        )

    def response(
        self, now: float, *inner: Element, status: str = SUCCESS, destination: str = SIGN_IN, response_id: str = "_r1"
    ) -> Element:
        """An unsigned response around these elements."""
        response = etree.fromstring(
            f'<samlp:Response xmlns:samlp="{NAMESPACES["samlp"]}" xmlns:saml="{NAMESPACES["saml"]}" '
            f'ID="{response_id}" Version="2.0" IssueInstant="{written(now)}" Destination="{destination}">'
            f"<saml:Issuer>{escape(self.entity_id)}</saml:Issuer>"
            f'<samlp:Status><samlp:StatusCode Value="{status}"/></samlp:Status></samlp:Response>'
        )
        for element in inner:
            response.append(element)
        return response

    def sign(
        self,
        element: Element,
        *,
        method: SignatureMethod = SignatureMethod.RSA_SHA256,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
        c14n: CanonicalizationMethod = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        is_of_whole_document: bool = False,
    ) -> Element:
        """A copy of the response or assertion with its signature right after the Issuer."""
        copy = etree.fromstring(etree.tostring(element))
        named: str | None = f"#{element.get('ID')}"
        if is_of_whole_document:
            # If there is no id, signxml signs the whole document.
            del copy.attrib["ID"]
            named = None
        name = f"{{{NAMESPACES['ds']}}}Signature"
        copy.insert(1, etree.SubElement(copy, name, Id="placeholder", nsmap={"ds": NAMESPACES["ds"]}))
        signer = Sha1Signer if "SHA1" in f"{method.name}{digest.name}" else XMLSigner
        return signer(signature_algorithm=method, digest_algorithm=digest, c14n_algorithm=c14n).sign(
            copy, key=self._key, cert=[self._certificate], reference_uri=named, id_attribute="ID"
        )


class Sha1Signer(XMLSigner):
    """Signs with SHA-1, which signxml itself rejects."""

    def check_deprecated_methods(self) -> None:
        """Accept every method."""


def written(moment: float) -> str:
    """A time in SAML's format."""
    return f"{datetime.fromtimestamp(int(moment), UTC):%Y-%m-%dT%H:%M:%SZ}"


def encoded(document: Element | bytes) -> str:
    """Encode the document in base64, as requests contain it."""
    return base64.b64encode(document if isinstance(document, bytes) else etree.tostring(document)).decode()
