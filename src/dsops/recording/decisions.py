"""The guard's decision about a request -> the calls that a recording has of it. The only place of this conversion."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from dsops.recording.call import ANY_ONE, ANY_RUN, Outcome, RecordedCall

_DENIED = re.compile(
    r"AccessDenied|Unauthorized(?:Operation|Access|Exception)|NotAuthorized|AuthorizationError|Forbidden"
)
_NO_SESSION = re.compile(
    r"InvalidAccessKeyId|InvalidClientTokenId|UnrecognizedClient|Signature|Expired|RequestTimeTooSkewed"
)
_AUTHORIZED = re.compile(
    r"NotFound|NoSuch|NonExist|DoesNotExist|AlreadyExist|AlreadyOwned|Exists|Conflict|InUse|PreconditionFailed"
    r"|ConditionalCheckFailed|NotModified"
)
"""Errors that AWS returns only after it has authorized the call."""
_AUTHORIZED_STATUS = frozenset({404, 409, 412, 416})


class DecidedQuestion(Protocol):
    """One action of a request, as the guard decided about it."""

    @property
    def action(self) -> str:
        """The action."""

    @property
    def resource(self) -> str:
        """The resource's ARN, which may have unknown parts."""

    @property
    def context(self) -> Mapping[str, tuple[str, ...]]:
        """The condition keys of the request."""


class Decided(Protocol):
    """A decision of the guard, and what became of the request."""

    @property
    def time(self) -> datetime:
        """When the request arrived."""

    @property
    def questions(self) -> Sequence[DecidedQuestion]:
        """The actions of the request."""

    @property
    def outcome(self) -> str:
        """`allowed` if the guard sent the request to AWS."""

    @property
    def status(self) -> int:
        """The status of AWS's response; 0 if there is none."""

    @property
    def error(self) -> str:
        """The code or the beginning of AWS's error; "" if there is none."""


def calls_of(decided: Decided, caller: str, *, any_text: str = "", any_character: str = "") -> list[RecordedCall]:
    """Return a call for each action of the request.

    - `caller`: the ARN of the session that signed the request.
    - `any_text`, `any_character`: what stands for unknown parts in resources; "" if all parts are known.
    """
    is_sent = decided.outcome == "allowed"
    outcome: Outcome = aws_outcome(decided.status, decided.error) if is_sent else "refused by the guard"
    time = decided.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        RecordedCall(
            question.action, _resource(question, any_text, any_character), outcome, dict(question.context), caller, time
        )
        for question in decided.questions
    ]


def aws_outcome(status: int, error: str) -> Outcome:
    """Return the outcome of a request that was sent to AWS, from its response."""
    if 200 <= status < 400:
        return "allowed"
    if _NO_SESSION.match(error) or status == 0 or status >= 500:
        return "undecided"
    if _DENIED.search(error) or status == 403:
        return "refused by AWS"
    return "allowed" if status in _AUTHORIZED_STATUS or _AUTHORIZED.search(error) else "undecided"


def _resource(question: DecidedQuestion, any_text: str, any_character: str) -> str:
    # A client can send the characters that stand for unknown parts. They must not become wildcards of a policy.
    text = question.resource.replace(ANY_RUN, "\ufffd").replace(ANY_ONE, "\ufffd")
    if question.action.lower().startswith("s3:"):
        return text  # S3's ARNs have no unknown parts, and an object key may contain any character.
    for character, wildcard in ((any_text, ANY_RUN), (any_character, ANY_ONE)):
        text = text.replace(character, wildcard) if character else text
    return text
