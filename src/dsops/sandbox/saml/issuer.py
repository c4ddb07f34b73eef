"""The sandbox's own SAML identity provider, which signs responses with its key.

Only the provider is fake: it issues real SAML 2.0 responses that verify against its metadata. The sandbox's STS
verifies them like responses of any other provider. Like a company's provider, this one provider serves all accounts.
An account trusts it once the account has stored its metadata.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4
from xml.sax.saxutils import escape, quoteattr

from dsops.sandbox.saml.assertion import AUDIENCE, sign_in
from dsops.sandbox.saml.response import SUCCESS
from dsops.sandbox.saml.xml import ASSERTION, METADATA, PROTOCOL, SIGNATURE, parse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

ENTITY_ID: Final = "urn:dsops:sandbox:identity-provider"
_SIGN_ON: Final = "https://identity-provider.sandbox.invalid/sso"
_PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
_RSA_BITS: Final = 2048
_BINDING: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_VALID_FROM: Final = datetime(1970, 1, 1, tzinfo=UTC)
_VALID_UNTIL: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""The end of the certificate's validity, which is later than any time of the sandbox's clock."""

_RESPONSE: Final = """\
<samlp:Response xmlns:samlp="{protocol}" ID="{response_id}" Version="2.0" IssueInstant="{now}" \
Destination={recipient}><saml:Issuer xmlns:saml="{assertion_namespace}">{issuer}</saml:Issuer>\
<samlp:Status><samlp:StatusCode Value="{success}"/></samlp:Status>{assertion}</samlp:Response>"""

_UNSIGNED: Final = """\
<saml:Assertion xmlns:saml="{namespace}" ID="{assertion_id}" Version="2.0" IssueInstant="{now}">\
<saml:Issuer>{issuer}</saml:Issuer><ds:Signature xmlns:ds="{signature}" Id="placeholder"/>\
<saml:Subject><saml:NameID Format={name_format}>{subject}</saml:NameID>\
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">\
<saml:SubjectConfirmationData NotOnOrAfter="{until}" Recipient={recipient}/></saml:SubjectConfirmation></saml:Subject>\
<saml:Conditions NotBefore="{now}" NotOnOrAfter="{until}"><saml:AudienceRestriction>\
<saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
<saml:AuthnStatement AuthnInstant="{now}"{session_end}><saml:AuthnContext>\
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef>\
</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>{attributes}</saml:AttributeStatement>\
</saml:Assertion>"""

_METADATA: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<md:EntityDescriptor xmlns:md="{namespace}" entityID="{entity_id}">
  <md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="{protocol}">
    <md:KeyDescriptor use="signing">
      <ds:KeyInfo xmlns:ds="{signature}">
        <ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>
      </ds:KeyInfo>
    </md:KeyDescriptor>
    <md:NameIDFormat>{name_format}</md:NameIDFormat>
    <md:SingleSignOnService Binding="{binding}" Location="{sign_on}"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>
"""


class SamlOptions(NamedTuple):
    """The content of a SAML response to be issued."""

    subject: str
    attributes: Mapping[str, Sequence[str]]
    seconds: int = 300
    """Seconds until the response expires."""
    session_seconds: int | None = None
    """Seconds until SessionNotOnOrAfter; None omits that attribute."""
    subject_format: str = _PERSISTENT
    audience: str = AUDIENCE
    recipient: str = sign_in("aws")


class SamlIssuer:
    """The sandbox's identity provider. Its key is generated at first use. Callers must hold `World.lock`."""

    def __init__(self) -> None:
        self._signer: tuple[RSAPrivateKey, Certificate] | None = None

    @property
    def metadata(self) -> str:
        """The provider's metadata document for CreateSAMLProvider."""
        from cryptography.hazmat.primitives.serialization import Encoding

        certificate = base64.b64encode(self._keys()[1].public_bytes(Encoding.DER)).decode()
        return _METADATA.format(
            namespace=METADATA,
            entity_id=ENTITY_ID,
            protocol=PROTOCOL,
            signature=SIGNATURE,
            certificate=certificate,
            name_format=_PERSISTENT,
            binding=_BINDING,
            sign_on=_SIGN_ON,
        )

    def mint(self, wish: SamlOptions, now: float) -> str:
        """Return a new response in base64, as browsers post it. Raises ValueError for text that XML can't contain."""
        from lxml import etree
        from signxml.algorithms import CanonicalizationMethod
        from signxml.signer import XMLSigner

        key, certificate = self._keys()
        assertion_id = f"_{uuid4()}"
        unsigned = parse(_assertion(wish, assertion_id, now).encode())
        signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
        signed = signer.sign(unsigned, key=key, cert=[certificate], reference_uri=f"#{assertion_id}", id_attribute="ID")
        response = _RESPONSE.format(
            protocol=PROTOCOL,
            assertion_namespace=ASSERTION,
            response_id=f"_{uuid4()}",
            now=_xml_time(now),
            issuer=ENTITY_ID,
            success=SUCCESS,
            assertion=etree.tostring(signed, encoding="unicode"),
            recipient=quoteattr(wish.recipient),
        )
        return base64.b64encode(response.encode()).decode()

    def _keys(self) -> tuple[RSAPrivateKey, Certificate]:
        if self._signer is None:
            self._signer = _new_keys()
        return self._signer


def _assertion(wish: SamlOptions, assertion_id: str, now: float) -> str:
    attributes = "".join(
        f'<saml:Attribute Name={quoteattr(name)} NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri">'
        + "".join(f"<saml:AttributeValue>{escape(value)}</saml:AttributeValue>" for value in values)
        + "</saml:Attribute>"
        for name, values in wish.attributes.items()
    )
    session_end = ""
    if wish.session_seconds is not None:
        session_end = f' SessionNotOnOrAfter="{_xml_time(now + wish.session_seconds)}"'
    return _UNSIGNED.format(
        namespace=ASSERTION,
        signature=SIGNATURE,
        assertion_id=assertion_id,
        now=_xml_time(now),
        issuer=ENTITY_ID,
        name_format=quoteattr(wish.subject_format),
        subject=escape(wish.subject),
        until=_xml_time(now + wish.seconds),
        recipient=quoteattr(wish.recipient),
        audience=escape(wish.audience),
        session_end=session_end,
        attributes=attributes,
    )


def _xml_time(moment: float) -> str:
    return f"{datetime.fromtimestamp(int(moment), UTC):%Y-%m-%dT%H:%M:%SZ}"


@cache
def _new_keys() -> tuple[RSAPrivateKey, Certificate]:
    """Generate a key pair and certificate in 0.1 s. All sandboxes of this process share both."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256

    key = generate_private_key(65537, _RSA_BITS)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dsops sandbox identity provider")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(_VALID_FROM).not_valid_after(_VALID_UNTIL).sign(key, SHA256())
    return key, certificate
