"""Explains errors about credentials that another program printed: unknown keys, expired sessions, wrong signatures.

The program may use any AWS SDK. Most SDKs print AWS's error code, some print only the message (the SDK for Java 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from dsops.arn import partition_of_region
from dsops.aws.http.refusal import as_error
from dsops.aws.http.switched_off import is_opt_in
from dsops.credentials import Credentials
from dsops.errors import AwsAnswer, Where
from dsops.explain.finding import Certainty, Fact, FaultLocation, RefusalFinding, Remedy
from dsops.explain.findings.refused import finding_of
from dsops.explain.questions.sentence import one_line
from dsops.plan import Step

_CODES: Final = (
    r"\b(InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|AuthFailure|ExpiredTokenException"
    r"|ExpiredToken|SignatureDoesNotMatch|InvalidSignatureException|IncompleteSignatureException|IncompleteSignature"
    r"|RequestExpired|RequestTimeTooSkewed|RequestInTheFuture|RegionDisabledException|OptInRequired)\b"
)
_MESSAGES: Final = (
    ("ExpiredTokenException", r"Token expired: current date/time \S+ must be before the expiration date/time ?\S+"),
    ("SignatureDoesNotMatch", r"Signature expired: \S+ is now earlier than \S+ \(\S+ - \d+ min\.\)"),
    ("SignatureDoesNotMatch", r"Signature not yet current: \S+ is still later than \S+ \(\S+ \+ \d+ min\.\)"),
    ("SignatureDoesNotMatch", r"Credential should be scoped to (?:a valid region|correct service)[^.]*"),
    ("SignatureDoesNotMatch", r"[Tt]he request signature we calculated does not match the signature you provided"),
    ("RequestTimeTooSkewed", r"The difference between the request time and the current time is too large"),
    ("RequestExpired", r"Request has expired"),
    ("ExpiredToken", r"The (?:security|provided) token (?:included in the request is|has) expired"),
    ("InvalidClientTokenId", r"The security token included in the request is invalid"),
    ("InvalidAccessKeyId", r"The AWS Access Key Id you provided does not exist in our records"),
    ("AuthFailure", r"AWS was not able to validate the provided access credentials"),
    ("RegionDisabledException", r"STS is not activated in this region for account:? ?\d*"),
)
"""Maps AWS's messages to their error codes, for programs that print only the message."""
_REGION: Final = r"\b(?:af|ap|ca|cn|eu|eusc|il|me|mx|sa|us|us-gov|us-iso[a-z]?)-[a-z]+-\d{1,2}\b"
_SIGNED: Final = r"(?:expired|current): (\d{8}T\d{6}Z) .*\((\d{8}T\d{6}Z) [-+]"
_SECRET_LENGTH: Final = 40


class ProgramView(NamedTuple):
    """What is known here about the program that printed the error."""

    environ: Mapping[str, str]
    region: str
    credentials: Credentials | None
    """The keys of `environ`; None if the program used others, such as a store's session."""


def read_credential_error(text: str) -> AwsAnswer | None:
    """Return AWS's error about the credentials or the signature in a program's output; None if there is none."""
    flat = one_line(text)
    matches = ((code, match[0]) for code, pattern in _MESSAGES if (match := re.search(pattern, flat)) is not None)
    code, message = next(matches, ("", ""))
    named = re.search(_CODES, flat)
    code = named[1] if named is not None else code
    return AwsAnswer(code, message, 403, "", "AWS") if code else None


def credential_finding(answer: AwsAnswer, text: str, step: Step, view: ProgramView) -> RefusalFinding:
    """Explain the error: its meaning, the causes visible on this machine, and the commands to find out more.

    `step` describes the program's call; its `credentials_from` is the store whose session the program used.
    """
    region, store = _region_in(text) or view.region, step.credentials_from
    if answer.message.startswith("Token expired"):
        return _of_token(answer, store)
    if answer.code in ("RegionDisabledException", "OptInRequired"):
        answer = answer._replace(endpoint=region)
    error = as_error(answer, "carry out the program's request", view.credentials, region)
    finding = finding_of(error, step, 1, lambda _store, _key: Where(""))
    certainty: Certainty = "missing" if _is_open(finding.cause, answer) else "proven"
    message = f"{finding.message}{_apart(answer.message)}" if finding.cause == "clock" else finding.message
    advice = (*_seen(finding.cause, answer, view), *_advice(finding, answer, store, region))
    facts = tuple(_facts(finding.cause, answer, store, region, view))
    return finding._replace(message=message, certainty=certainty, remedy=Remedy("; ".join(advice)), facts=facts)


def _is_open(cause: str, answer: AwsAnswer) -> bool:
    """Whether the error has several possible causes, and the message does not show which of them applies."""
    is_clear = "should be scoped" in answer.message
    return (cause == "key-invalid" and not is_clear) or answer.code == "RequestExpired"


def _of_token(answer: AwsAnswer, store: str) -> RefusalFinding:
    """Explain the refusal of a token that was to be exchanged for a session (AssumeRoleWithWebIdentity)."""
    return RefusalFinding(
        "token-expired",
        "proven",
        f"the token or assertion that was sent for a session has expired: {answer.message}",
        FaultLocation(store, 0, "", "the program", "", 0, "", 0),
        remedy=Remedy("get a new token directly before the call: tokens of CI systems are valid for minutes"),
        facts=(Fact("how far this clock is from AWS's", "a wrong clock has the same effect", "you", "dsops doctor"),),
        aws=answer,
    )


def _region_in(text: str) -> str:
    found = re.search(_REGION, text)
    return found[0] if found is not None else ""


def _seen(cause: str, answer: AwsAnswer, view: ProgramView) -> Iterator[str]:
    """Yield causes that the environment variables show."""
    keys = view.credentials
    if cause != "key-invalid" or keys is None:
        return
    if keys.is_temporary and keys.access_key_id.startswith("AKIA"):
        yield "unset AWS_SESSION_TOKEN: AWS_ACCESS_KEY_ID is a user's long-term key, which has no session token"
    length = len(view.environ.get("AWS_SECRET_ACCESS_KEY", ""))
    if length != _SECRET_LENGTH and "does not match" in answer.message:
        yield f"AWS_SECRET_ACCESS_KEY has {length} of the {_SECRET_LENGTH} characters of a secret access key"


def _advice(finding: RefusalFinding, answer: AwsAnswer, store: str, region: str) -> Iterator[str]:
    """Yield remedies for the error.

    If one error code has several causes, the remedies also depend on AWS's message.
    """
    if "should be scoped" in answer.message:
        yield "set AWS_REGION or the endpoint: the request is signed for another region or service than its endpoint's"
        return
    if finding.cause == "session-expired":
        yield f"run the program again with `dsops exec {store}`; `--serve` renews the session of a long program"
        return
    if finding.cause == "key-invalid" and "ignature" not in answer.code and region:
        yield f"in {region}, AWS knows no key of another partition than {partition_of_region(region).name}"
        if is_opt_in(region):
            yield (
                f"{region} must be enabled for the account, and accepts no session of the global STS endpoint: "
                "set AWS_STS_REGIONAL_ENDPOINTS=regional"
            )
    yield finding.remedy.text
    if answer.code == "RequestExpired":
        yield "or make a new presigned URL, if the program uses one"


def _facts(cause: str, answer: AwsAnswer, store: str, region: str, view: ProgramView) -> Iterator[Fact]:
    """Yield the facts that tell the possible causes apart, each with the command that shows it."""
    whoami = f"dsops whoami {store}".strip()
    if cause == "clock":
        yield Fact("how far this clock is from AWS's", "the message is from an earlier time", "you", "dsops doctor")
    elif cause in ("session-expired", "base-expired"):
        yield Fact("when the session ends", "the message has no time", "you", whoami)
    elif cause == "key-invalid":
        yield Fact("whether AWS accepts the key now", "the message does not name the key", "you", whoami)
        if "ignature" in answer.code:
            return
        if is_opt_in(region):
            command = f"aws account get-region-opt-status --region-name {region}"
            yield Fact(f"whether {region} is enabled", "only AWS knows", "the account's administrator", command)
        if view.credentials is not None and not view.credentials.is_temporary:
            command = 'aws iam get-access-key-last-used --access-key-id "$AWS_ACCESS_KEY_ID"'
            yield Fact("whether the key still exists", "only AWS knows", "the account's administrator", command)


def _apart(message: str) -> str:
    """Return the difference between the two clocks in words; "" unless AWS's message contains both times."""
    times = re.search(_SIGNED, message)
    if times is None:
        return ""
    try:
        signed, received = (datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for text in times.groups())
    except ValueError:
        return ""  # the message may be any text, so the time in it may be invalid
    minutes = round((received - signed).total_seconds() / 60)
    return f": the request was signed {abs(minutes)} min {'before' if minutes > 0 else 'after'} AWS received it"
