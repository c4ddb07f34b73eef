"""Create the errors that AWS returns, with AWS's messages."""

from __future__ import annotations

from dsops.errors import AwsAnswer, SandboxRefusal
from dsops.policy import Decision, denial_sentence


def refusal(code: str, message: str | None, status: int = 400) -> SandboxRefusal:
    """Return the exception for an AWS error with STS's code; `message` None omits the Message element."""
    text = "" if message is None else message
    return SandboxRefusal(text or code, aws=AwsAnswer(code, text, status, "", ""))


def answer_of(refused: SandboxRefusal) -> AwsAnswer:
    """Return the AWS error that the client receives."""
    if refused.aws is None:
        raise TypeError("a refusal is made by `refusal`, which says what AWS would answer")
    return refused.aws


def access_denied(message: str) -> SandboxRefusal:
    """Return an AccessDenied error (403)."""
    return refusal("AccessDenied", message, 403)


def denied(decision: Decision, shown_arn: str = "") -> SandboxRefusal:
    """Return AccessDenied (403) with AWS's message. `shown_arn` is shown in place of the resource's ARN."""
    request = decision.request
    sentence = denial_sentence(request, decision)
    if shown_arn and shown_arn != request.resource:
        named = "" if shown_arn == "*" else f" on resource: {shown_arn}"
        sentence = sentence.replace(f" on resource: {request.resource}", named, 1)
    return access_denied(sentence)


def invalid_token() -> SandboxRefusal:
    """Return the error for an invalid, inactive or orphaned key, or for a session token of another key."""
    return refusal("InvalidClientTokenId", "The security token included in the request is invalid.", 403)


def expired_token() -> SandboxRefusal:
    """Return the error for an expired session. STS ends this message without a period."""
    return refusal("ExpiredToken", "The security token included in the request is expired", 403)


def validation(message: str) -> SandboxRefusal:
    """Return a ValidationError (400)."""
    return refusal("ValidationError", message)


def invalid_parameter(message: str) -> SandboxRefusal:
    """Return an InvalidParameterValue error (400)."""
    return refusal("InvalidParameterValue", message)


def malformed_policy(message: str) -> SandboxRefusal:
    """Return a MalformedPolicyDocument error (400)."""
    return refusal("MalformedPolicyDocument", message)


def no_such_entity(message: str) -> SandboxRefusal:
    """Return IAM's NoSuchEntity error (404)."""
    return refusal("NoSuchEntity", message, 404)
