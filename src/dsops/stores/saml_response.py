"""Parse a SAML response: its subject, and the roles that it offers. dsops does not verify the signature; AWS does.

IAM User Guide, "Configure SAML assertions for the authentication response"; SAML V2.0 Core.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Final, NamedTuple
from xml.parsers.expat import ExpatError, ParserCreate

from dsops.config.files import digest
from dsops.errors import NoCredentials
from dsops.secret import Secret

MOST_CHARACTERS: Final = 100_000
"""The maximum length of a response in base64 (STS API Reference, AssumeRoleWithSAML)."""

_PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
_ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
ATTRIBUTES: Final = "https://aws.amazon.com/SAML/Attributes/"
"""The common prefix of the names of the attributes that AWS reads."""
SESSION_NAME: Final = f"{ATTRIBUTES}RoleSessionName"
_ROLES = f"{ATTRIBUTES}Role"
_ROLE = r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/[!-~]+"
_PROVIDER = r"arn:[a-z0-9-]+:iam::[0-9]{12}:saml-provider/[A-Za-z0-9._-]{1,128}"
_MOST_DEPTH = 50
_MOST_ROLES = 1000
_MOST_SHOWN = 200


class RoleOffer(NamedTuple):
    """A role that the response offers, and the ARN of its SAML provider."""

    role_arn: str
    principal_arn: str


class SamlResponse(NamedTuple):
    """A SAML response in the format that STS accepts, with its unverified content."""

    encoded: Secret
    """The response in base64, on one line."""
    issuer: str
    subject: str
    """The session name if the response has one, else the name id."""
    recipient: str
    roles: tuple[RoleOffer, ...]
    is_encrypted: bool
    """Whether the assertion is encrypted. Only AWS can read the content of an encrypted assertion."""
    name_id: str = ""
    name_format: str = ""
    """The format of the name id; "" if there is none."""
    attributes: Mapping[str, tuple[str, ...]] = {}
    is_whole: bool = False
    """Whether the response consists of a single unencrypted assertion. Then its parsed content is complete."""

    def __repr__(self) -> str:
        # The representation omits the attributes, because they describe a person.
        return f"SamlResponse(of {self.subject!r} by {self.issuer!r}, {len(self.roles)} roles)"

    @property
    def speaks_of(self) -> tuple[str, str, str]:
        """Issuer, subject and recipient, safe to display.

        If only AWS can decrypt the subject, a digest of the response takes its place.
        """
        subject = self.subject
        if self.is_encrypted and not subject:
            subject = f"encrypted {digest(self.encoded.reveal_bytes())[:16]}"
        return _printable(self.issuer), _printable(subject), _printable(self.recipient)


def read_response(raw: bytes, source: str) -> SamlResponse:
    """Parse a response from bytes that are XML or base64. White space is ignored.

    Raises NoCredentials for any other content. This ensures that only SAML responses are sent to AWS. Otherwise a
    configuration could name any file, and its content would be sent.
    """
    text, encoded = b"".join(raw.split()), ""
    try:
        xml = raw.strip() if text.startswith(b"<") else a2b_base64(text, strict_mode=True)
        encoded = b2a_base64(xml, newline=False).decode()
        content = _read(xml) if len(encoded) <= MOST_CHARACTERS else None
    except (Base64Error, ValueError, ExpatError):
        content = None
    if content is None or content.root != f"{_PROTOCOL} Response":
        raise NoCredentials(
            f"{source} is not a SAML response, so it is not sent to AWS",
            hint="pass what the identity provider's page posts to AWS as `SAMLResponse`, in base64 or as XML",
        )
    attributes = content.attributes
    name = next(iter(attributes.get(SESSION_NAME, ())), "") or content.name_id
    roles = [offer for value in attributes.get(_ROLES, ())[:_MOST_ROLES] if (offer := _offer(value)) is not None]
    return SamlResponse(
        Secret(encoded),
        content.issuer,
        name,
        content.recipient,
        tuple(dict.fromkeys(roles)),
        content.is_encrypted,
        content.name_id,
        content.name_format,
        attributes,
        content.assertions == 1 and not content.has_hidden,
    )


def _offer(value: str) -> RoleOffer | None:
    """Return the role and provider from the string `ROLE,PROVIDER`, in either order; None for any other string."""
    parts = [part.strip() for part in value.split(",")]
    if len(parts) != 2:
        return None
    role, provider = parts if re.fullmatch(_ROLE, parts[0]) else parts[::-1]
    if not re.fullmatch(_ROLE, role) or not re.fullmatch(_PROVIDER, provider):
        return None
    return RoleOffer(role, provider)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:_MOST_SHOWN])


class _Reader:
    """Collects the parts of the response that dsops needs, from expat's events."""

    def __init__(self) -> None:
        self.root = ""
        self.issuer = ""
        self.name_id = ""
        self.recipient = ""
        self.name_format = ""
        self.is_encrypted = False
        self.has_hidden = False
        self.assertions = 0
        self.attributes: dict[str, tuple[str, ...]] = {}
        self._open: list[str] = []
        self._attribute = ""
        self._text = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._open) >= _MOST_DEPTH:
            raise ValueError("too deep")
        self.root = self.root or name
        self._open.append(name)
        self._text = ""
        if name == f"{_ASSERTION} Attribute":
            self._attribute = attributes.get("Name", "")
        elif name == f"{_ASSERTION} SubjectConfirmationData":
            self.recipient = self.recipient or attributes.get("Recipient", "")
        elif name == f"{_ASSERTION} NameID":
            self.name_format = self.name_format or attributes.get("Format", "")
        elif name == f"{_ASSERTION} Assertion":
            self.assertions += 1
        elif name.startswith(f"{_ASSERTION} Encrypted"):
            self.has_hidden = True
            self.is_encrypted = self.is_encrypted or name == f"{_ASSERTION} EncryptedAssertion"

    def text(self, text: str) -> None:
        self._text += text

    def end(self, name: str) -> None:
        self._open.pop()
        text = self._text.strip()
        if name == f"{_ASSERTION} AttributeValue":
            self.attributes[self._attribute] = (*self.attributes.get(self._attribute, ()), text)
        elif name == f"{_ASSERTION} NameID":
            self.name_id = self.name_id or text
        elif name == f"{_ASSERTION} Issuer":
            self.issuer = self.issuer or text
        self._text = ""

    @staticmethod
    def document_type(*_: object) -> None:
        # A SAML response has no DOCTYPE. Refusing it prevents entity expansion attacks.
        raise ValueError("a document type")


def _read(xml: bytes) -> _Reader:
    """Parse the XML. Raises ExpatError for malformed XML, ValueError for elements that no SAML response contains."""
    reader = _Reader()
    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.document_type
    parser.Parse(xml, True)
    return reader
