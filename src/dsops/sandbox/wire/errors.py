"""The ways in which AWS says no, in AWS's words."""

from __future__ import annotations

from dsops.errors import AwsAnswer, SandboxRefusal


def refusal(code: str, message: str | None, status: int = 400) -> SandboxRefusal:
    """What to raise; `message` None is an answer without a Message element. Codes are those of STS (query protocol)."""
    text = "" if message is None else message
    return SandboxRefusal(text or code, aws=AwsAnswer(code, text, status, "", ""))


def answer_of(refused: SandboxRefusal) -> AwsAnswer:
    """What a refusal says to the client."""
    if refused.aws is None:
        raise TypeError("a refusal is made by `refusal`, which says what AWS would answer")
    return refused.aws


def access_denied(message: str) -> SandboxRefusal:
    """403 AccessDenied."""
    return refusal("AccessDenied", message, 403)


def invalid_token() -> SandboxRefusal:
    """The key is unknown, inactive, orphaned, or the session token is not its own."""
    return refusal("InvalidClientTokenId", "The security token included in the request is invalid.", 403)


def expired_token() -> SandboxRefusal:
    """The session is over. STS writes this one without a final dot."""
    return refusal("ExpiredToken", "The security token included in the request is expired", 403)


def validation(message: str) -> SandboxRefusal:
    """400 ValidationError."""
    return refusal("ValidationError", message)


def invalid_parameter(message: str) -> SandboxRefusal:
    """400 InvalidParameterValue."""
    return refusal("InvalidParameterValue", message)


def malformed_policy(message: str) -> SandboxRefusal:
    """400 MalformedPolicyDocument."""
    return refusal("MalformedPolicyDocument", message)
