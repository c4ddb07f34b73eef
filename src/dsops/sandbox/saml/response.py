"""Verify SAML responses, and refuse invalid responses with STS's error messages.

STS API Reference, AssumeRoleWithSAML; IAM User Guide, "Troubleshoot SAML federation". The provider and the issuer's
name are checked before the signature, so that a wrong issuer is reported as such. After the signature check, only
signed content is read (`signature`). As on AWS, a response can be used repeatedly within its five minutes: tools use
one response for many roles (Nike-Inc/gimme-aws-creds, issue 251).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Final

from dsops.policy import attribute_keys
from dsops.request.wire.errors import access_denied, refusal
from dsops.sandbox.saml.assertion import AssertionContent, invalid, is_sign_in, read_assertion
from dsops.sandbox.saml.metadata import Metadata, read_metadata
from dsops.sandbox.saml.signature import signed_assertion
from dsops.sandbox.saml.xml import ASSERTION, PROTOCOL, Element, elements_of, only, parse, tag, text_of
from dsops.sandbox.state.world import SamlProvider
from dsops.sandbox.sts.verified_identity import IdentityProof

ATTRIBUTES: Final = "https://aws.amazon.com/SAML/Attributes/"
ROLE: Final = f"{ATTRIBUTES}Role"
SESSION_NAME: Final = f"{ATTRIBUTES}RoleSessionName"
SESSION_DURATION: Final = f"{ATTRIBUTES}SessionDuration"
SOURCE_IDENTITY: Final = f"{ATTRIBUTES}SourceIdentity"
PRINCIPAL_TAG: Final = f"{ATTRIBUTES}PrincipalTag:"
TRANSITIVE_KEYS: Final = f"{ATTRIBUTES}TransitiveTagKeys"
SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"

_SESSION_NAME: Final = re.compile(r"[a-zA-Z_0-9+=,.@-]{2,64}")
# The service model allows 256 characters since July 2026, but AWS's message still says 64.
_SOURCE_IDENTITY: Final = re.compile(r"(?!aws:)[a-zA-Z_0-9+=,.@-]{2,256}")
_DURATION: Final = re.compile(r"\d{3,5}", re.ASCII)
_ENCRYPTED: Final = "The dsops sandbox does not decrypt assertions: let the identity provider send this one unencrypted"


def verify(assertion: str, role_arn: str, provider: SamlProvider | None, now: float) -> IdentityProof:
    """Verify a base64 SAML response for assuming that role. Raises SandboxRefusal if AWS would refuse the request."""
    if provider is None:
        raise invalid("Specified provider doesn't exist")
    response = _response(assertion)
    metadata = _metadata(provider)
    partition = provider.arn.split(":")[1]
    _check_outside(response, metadata, partition)
    statement = read_assertion(signed_assertion(response, metadata.certificates, now), partition, now)
    if statement.issuer != metadata.entity_id:
        raise invalid("Issuer not present in specified provider")
    attributes = statement.attributes
    if not _are_paired(attributes.get(ROLE, ()), role_arn, provider.arn):
        raise invalid("SAML Assertion doesn't contain the requested Role and Metadata in the attributes")
    qualifier = name_qualifier(statement.issuer, provider)
    return IdentityProof(
        provider.arn,
        statement.issuer,
        statement.subject,
        statement.recipient,
        session_keys={
            "saml:namequalifier": (qualifier,),
            "saml:sub": (statement.subject,),
            "saml:sub_type": (statement.subject_type,),
        },
        other_keys={
            **attribute_keys(attributes),
            "saml:aud": (statement.recipient,),
            "saml:iss": (statement.issuer,),
            "saml:doc": (f"{provider.account}/{provider.name}",),
        },
        tags=_tags(attributes),
        transitive_keys=tuple(attributes.get(TRANSITIVE_KEYS, ())),
        source_identity=_source_identity(attributes),
        session_name=_session_name(attributes),
        longest_seconds=_longest(statement, now),
        subject_type=statement.subject_type,
        name_qualifier=qualifier,
        assertion_id=statement.assertion_id,
    )


def name_qualifier(issuer: str, provider: SamlProvider) -> str:
    """Return `saml:namequalifier`: BASE64(SHA1(issuer + account + "/" + name)) (STS API Reference)."""
    text = f"{issuer}{provider.account}/{provider.name}"
    return base64.b64encode(sha1(text.encode(), usedforsecurity=False).digest()).decode()


def _response(assertion: str) -> Element:
    try:
        # The base64 may contain line breaks; any other character outside its alphabet is an error.
        content = base64.b64decode("".join(assertion.split()), validate=True)
    except ValueError as error:
        raise invalid("Invalid base64 SAMLResponse") from error
    try:
        response = parse(content)
    except ValueError as error:
        raise invalid("The SAML response can't be read") from error
    if response.tag != tag(PROTOCOL, "Response"):
        raise invalid("The SAML response can't be read")
    return response


def _metadata(provider: SamlProvider) -> Metadata:
    try:
        return read_metadata(provider.metadata)
    except ValueError as error:
        raise invalid(f"The metadata of {provider.arn} can't be read: {error}") from error


def _check_outside(response: Element, metadata: Metadata, partition: str) -> None:
    """Check the response's status and destination, which are outside the assertion.

    Both may be unsigned. Therefore they can cause a refusal, but they never grant anything.
    """
    status = only(response, PROTOCOL, "Status")
    code = None if status is None else only(status, PROTOCOL, "StatusCode")
    if code is None or code.get("Value") != SUCCESS:
        raise refusal("IDPRejectedClaim", "The identity provider reported that the sign-in failed", 403)
    destination = response.get("Destination", "")
    if destination and not is_sign_in(destination, partition):
        raise invalid("The Destination of the response is not AWS")
    if elements_of(response, ASSERTION, "EncryptedAssertion"):
        raise invalid(_ENCRYPTED)
    holders = [response, *elements_of(response, ASSERTION, "Assertion")]
    issuers = [issuer for holder in holders for issuer in elements_of(holder, ASSERTION, "Issuer")]
    if any(text_of(issuer) != metadata.entity_id for issuer in issuers):
        raise invalid("Issuer not present in specified provider")


def _are_paired(values: Sequence[str], role_arn: str, provider_arn: str) -> bool:
    """Whether one of the values consists of the two ARNs, in any order, separated by a comma."""
    return any({part.strip() for part in value.split(",")} == {role_arn, provider_arn} for value in values)


def _single_value(attributes: Mapping[str, tuple[str, ...]], name: str, attribute_words: str) -> str | None:
    values = attributes.get(name)
    if values is None:
        return None
    if len(values) != 1:
        raise invalid(f"{attribute_words} in AuthnResponse must have one value")
    return values[0]


def _session_name(attributes: Mapping[str, tuple[str, ...]]) -> str:
    name = _single_value(attributes, SESSION_NAME, "RoleSessionName")
    if name is None:
        raise invalid("RoleSessionName is required in AuthnResponse")
    if not _SESSION_NAME.fullmatch(name):
        raise invalid("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    return name


def _source_identity(attributes: Mapping[str, tuple[str, ...]]) -> str:
    identity = _single_value(attributes, SOURCE_IDENTITY, "SourceIdentity")
    if identity is None:
        return ""
    if not _SOURCE_IDENTITY.fullmatch(identity):
        raise invalid('Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"')
    return identity


def _tags(attributes: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    names = [name for name in attributes if name.startswith(PRINCIPAL_TAG)]
    return tuple(
        (name.removeprefix(PRINCIPAL_TAG), _single_value(attributes, name, "PrincipalTag") or "") for name in names
    )


def _longest(statement: AssertionContent, now: float) -> int | None:
    """Return the limit in seconds that SessionDuration or SessionNotOnOrAfter sets; None if neither is present."""
    duration = _single_value(statement.attributes, SESSION_DURATION, "SessionDuration")
    if duration is not None and not (_DURATION.fullmatch(duration) and 900 <= int(duration) <= 43200):
        raise invalid("SessionDuration in AuthnResponse must be between 900 and 43200")
    limits = [] if duration is None else [int(duration)]
    if statement.ends_at is not None:
        # A session must last at least one second.
        limits.append(max(1, int(statement.ends_at - now)))
    return min(limits, default=None)


def check_role_may_be_federated(name: str) -> None:
    """Raise AccessDenied for a role of IAM Identity Center.

    Only users of Identity Center can assume such a role (STS API Reference).
    """
    if name.startswith("AWSReservedSSO_"):
        raise access_denied("Not authorized to perform sts:AssumeRoleWithSAML")
