"""Check a signed assertion as AWS does, with STS's error messages, and return its content.

IAM User Guide, "Configure SAML assertions for the authentication response" and "Troubleshoot SAML federation"; SAML
V2.0 Core, and Profiles 4.1.4.3. Times are checked against the sandbox's clock. Where AWS does not document a message,
the sandbox uses its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import access_denied, refusal
from dsops.sandbox.saml.xml import ASSERTION, Element, elements_of, only, tag, text_of

AUDIENCE: Final = "urn:amazon:webservices"

_REDEEMED_WITHIN: Final = 300
_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_FORMAT_PREFIX: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
_UNSPECIFIED: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
_KNOWN_CONDITIONS: Final = frozenset(
    tag(ASSERTION, name) for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")
)
_HOSTS: Final[Mapping[str, str]] = {"aws-cn": "signin.amazonaws.cn", "aws-us-gov": "signin.amazonaws-us-gov.com"}
_DEFAULT_HOST: Final = "signin.aws.amazon.com"
# Since 2022 each region has its own sign-in endpoint.
_REGION: Final = re.compile(r"https://(?:[a-z]{2}(?:-[a-z]+){1,2}-[0-9]\.)?")
_AUDIENCES: Final[Mapping[str, str]] = {"aws-cn": f"{AUDIENCE}:cn-north-1", "aws-us-gov": f"{AUDIENCE}:govcloud"}
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


class AssertionContent(NamedTuple):
    """The content of an assertion that passed all checks."""

    assertion_id: str
    issuer: str
    subject: str
    subject_type: str
    """The format of the subject's name: `persistent`, `transient`, or the full URI of any other format."""
    recipient: str
    ends_at: float | None
    """The end of the session, if the provider sets one."""
    attributes: Mapping[str, tuple[str, ...]]


def read_assertion(assertion: Element, partition: str, now: float) -> AssertionContent:
    """Check the assertion at time `now` and return its content. Its audience must be AWS in that partition.

    Raises SandboxRefusal if AWS would refuse the request.
    """
    _check_age(assertion, now)
    recipient = _recipient(assertion, partition, now)
    _check_conditions(assertion, partition, now)
    subject, subject_type = _subject(assertion)
    ends_at = _session_end(assertion, now)
    issuer = only(assertion, ASSERTION, "Issuer")
    name = "" if issuer is None else text_of(issuer) or ""
    return AssertionContent(
        assertion.get("ID", ""), name, subject, subject_type, recipient, ends_at, _attributes(assertion)
    )


def sign_in(partition: str) -> str:
    """Return the partition's sign-in URL."""
    return f"https://{_HOSTS.get(partition, _DEFAULT_HOST)}/saml"


def is_sign_in(address: str, partition: str) -> bool:
    """Whether the address is the partition's global sign-in URL or a regional one."""
    place = sign_in(partition).removeprefix("https://")
    return address.endswith(place) and _REGION.fullmatch(address.removesuffix(place)) is not None


def invalid(message: str) -> SandboxRefusal:
    """Return an InvalidIdentityToken error (400)."""
    return refusal("InvalidIdentityToken", message)


def _check_age(assertion: Element, now: float) -> None:
    issued_at = _moment(assertion, "IssueInstant")
    if issued_at is None:
        raise invalid("The assertion has no IssueInstant")
    if issued_at > now:
        raise invalid("The assertion is not yet valid")
    if now - issued_at > _REDEEMED_WITHIN:
        raise refusal("ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance")


def _recipient(assertion: Element, partition: str, now: float) -> str:
    """Return the recipient of the assertion, which must have exactly one SubjectConfirmation, of method bearer."""
    subject = only(assertion, ASSERTION, "Subject")
    confirmation = None if subject is None else only(subject, ASSERTION, "SubjectConfirmation")
    data = None if confirmation is None else only(confirmation, ASSERTION, "SubjectConfirmationData")
    recipient = "" if data is None else data.get("Recipient", "")
    ends_at = None if data is None else _moment(data, "NotOnOrAfter")
    if confirmation is None or confirmation.get("Method") != _BEARER or not recipient or ends_at is None:
        # AWS's exact message, including its typo "Confirmaton".
        raise invalid("Responses must contain SubjectConfirmatonData with a Recipient and NotOnOrAfter")
    if not is_sign_in(recipient, partition):
        raise invalid("The Recipient of the response is not AWS")
    _check_window(data, now)
    return str(recipient)


def _check_conditions(assertion: Element, partition: str, now: float) -> None:
    """Check the assertion's conditions.

    Every audience restriction must name AWS, and an unknown condition makes the assertion invalid.
    """
    conditions = only(assertion, ASSERTION, "Conditions")
    if conditions is None:
        raise invalid("Response does not contain the required audience")
    _check_window(conditions, now)
    if any(isinstance(condition.tag, str) and condition.tag not in _KNOWN_CONDITIONS for condition in conditions):
        raise invalid("The response has a condition that is not known")
    restrictions = elements_of(conditions, ASSERTION, "AudienceRestriction")
    if not restrictions or not all(_names_aws(restriction, partition) for restriction in restrictions):
        raise invalid("Response does not contain the required audience")


def _names_aws(restriction: Element, partition: str) -> bool:
    named = [text_of(audience) or "" for audience in elements_of(restriction, ASSERTION, "Audience")]
    own = (AUDIENCE, _AUDIENCES.get(partition, AUDIENCE))
    return any(name in own or is_sign_in(name, partition) for name in named)


def _check_window(element: Element, now: float) -> None:
    not_before, ends_at = _moment(element, "NotBefore"), _moment(element, "NotOnOrAfter")
    if not_before is not None and not_before > now:
        raise invalid("The assertion is not yet valid")
    if ends_at is not None and ends_at <= now:
        raise refusal("ExpiredTokenException", "The assertion is expired")


def _subject(assertion: Element) -> tuple[str, str]:
    subject = only(assertion, ASSERTION, "Subject")
    name = None if subject is None else only(subject, ASSERTION, "NameID")
    text = None if name is None else text_of(name)
    if name is None or not text:
        raise access_denied("Not authorized to perform sts:AssumeRoleWithSAML")
    return text, str(name.get("Format", _UNSPECIFIED)).removeprefix(_FORMAT_PREFIX)


def _session_end(assertion: Element, now: float) -> float | None:
    """Return the earliest SessionNotOnOrAfter, or None without one. Raises ExpiredTokenException if it has passed."""
    statements = elements_of(assertion, ASSERTION, "AuthnStatement")
    ends = [end for end in (_moment(statement, "SessionNotOnOrAfter") for statement in statements) if end is not None]
    if ends and min(ends) <= now:
        raise refusal("ExpiredTokenException", "The assertion is expired")
    return min(ends, default=None)


def _attributes(assertion: Element) -> dict[str, tuple[str, ...]]:
    """Return attribute name -> values in document order. Values that have child elements are omitted."""
    values_by_name: dict[str, tuple[str, ...]] = {}
    for statement in elements_of(assertion, ASSERTION, "AttributeStatement"):
        for attribute in elements_of(statement, ASSERTION, "Attribute"):
            texts = [text_of(value) for value in elements_of(attribute, ASSERTION, "AttributeValue")]
            name = attribute.get("Name", "")
            values_by_name[name] = (*values_by_name.get(name, ()), *(text for text in texts if text is not None))
    return values_by_name


def _moment(element: Element, name: str) -> float | None:
    """Parse a time, which SAML always states in UTC (SAML V2.0 Core, 1.3.3).

    A time without a zone is ambiguous, so it is refused.
    """
    text = element.get(name)
    if text is None:
        return None
    no_time = invalid(f"{name} in the response is not a time")
    if not _MOMENT.fullmatch(text):
        raise no_time
    try:
        # datetime keeps microseconds, so further digits are dropped.
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise no_time from error
