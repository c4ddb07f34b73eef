"""Decide what a response with a status other than 200 means: the error, and whether another attempt may help.

This module is imported at the first such response, because most runs get none.
"""

from __future__ import annotations

from datetime import UTC, datetime

from dsops.aws.http.answer import aws_answer, server_time
from dsops.aws.http.call import Call, Client, FailedAttempt
from dsops.aws.http.refusal import (
    TRANSIENT_STATUSES,
    as_error,
    is_bad_signature,
    is_skew,
    is_throttling,
    is_transient,
    throttled,
)
from dsops.aws.http.wire import Response, WireRequest
from dsops.errors import AnswerInvalid, AwsAnswer, DsopsError, ServiceError
from dsops.runtime import CLOCK_CORRECTED, Event
from dsops.startup import NamedTuple

_SKEW_SECONDS = 4 * 60
"""The smallest clock difference that can make AWS refuse a request: Secrets Manager accepts 5 minutes, STS 15."""

Refused = tuple[str, str, str]
"""Code, message and request id of the error in a response."""


class Signed(NamedTuple):
    """A signed request and the clock difference that its signature used."""

    request: WireRequest
    skew_seconds: float
    signed_at: str
    """The time in the signature; "" for an unsigned request."""


def failed_attempt(
    client: Client, call: Call, signed: Signed, response: Response, refusal: Refused | None, *, may_correct: bool
) -> tuple[FailedAttempt, str]:
    """Return the failure of an attempt that got a response, and the label of the attempt in the metrics.

    `refusal` is the error in the response, as the protocol's reader returns it. If AWS refused the signing time and
    `may_correct` is true, the client notes the server's time for the next attempt.
    """
    answer = _aws_answer(call, response, refusal)
    label = _label(response, answer)
    failure = _failure(call, response, answer)
    # AWS checks the signature first, so a request that is refused for its timestamp has not used up its MFA code.
    is_corrected = answer is not None and may_correct and _is_corrected(client, call, response, answer, signed)
    may_help = _passes(response, answer) and not call.is_once
    return FailedAttempt(failure, may_help, _retry_after(response), is_corrected), label


def _aws_answer(call: Call, response: Response, refusal: Refused | None) -> AwsAnswer | None:
    if refusal is None or 300 <= response.status < 400:
        return None
    token = call.credentials.session_token if call.credentials is not None else None
    return aws_answer(call.endpoint, response.status, refusal, (*call.hidden, token))


def _label(response: Response, answer: AwsAnswer | None) -> str:
    """Return the metric label of an attempt with a response: `throttled`, `failed` or `refused`."""
    if response.status == 429 or (answer is not None and is_throttling(answer)):
        return "throttled"
    if answer is None or is_transient(answer):
        return "failed"
    return "refused"


def _failure(call: Call, response: Response, answer: AwsAnswer | None) -> DsopsError:
    """Return the error for a response with a status other than 200."""
    endpoint = call.endpoint
    if answer is not None and is_throttling(answer):
        return throttled(endpoint.short, answer.message, answer)
    if answer is not None and is_transient(answer):
        message = f"{endpoint.short} failed to {call.doing}"
        return ServiceError(message, why=answer.message, hint="try again", aws=answer)
    if answer is not None:
        return call.refusal(answer, call.doing) or as_error(
            answer, call.doing, call.credentials, endpoint.signing_region
        )
    return _unreadable(call, response)


def _unreadable(call: Call, response: Response) -> DsopsError:
    """Return the error for a response that is not from AWS but from a load balancer, a proxy or another server."""
    endpoint, status = call.endpoint, response.status
    if status == 429:
        return throttled(endpoint.short)
    if status >= 500:
        return ServiceError(f"{endpoint.short} failed to {call.doing}: status {status}", hint="try again")
    if 300 <= status < 400:
        where = "".join(character for character in response.headers.get("location", "") if character.isprintable())
        return AnswerInvalid(
            f"{endpoint.short} sent a redirect instead of a response",
            why=f"the redirect points to {where[:200] or 'nowhere'}; dsops sends no credentials there",
            hint=f"check that {endpoint.url} is the address of {endpoint.service}",
        )
    return AnswerInvalid(
        f"{endpoint.short} sent an invalid response with status {status}",
        hint=f"check that {endpoint.url} is AWS, and not a proxy or another program",
    )


def _passes(response: Response, answer: AwsAnswer | None) -> bool:
    """Return whether the failure is temporary, so that the same request may succeed in a moment."""
    if answer is not None:
        return is_throttling(answer) or is_transient(answer)
    return response.status == 429 or response.status in TRANSIENT_STATUSES


def _retry_after(response: Response) -> float:
    """Return the seconds in the Retry-After header; 0 when there is none. Dates are ignored (AWS sends none)."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) <= 6 else 0.0


def _is_corrected(client: Client, call: Call, response: Response, answer: AwsAnswer, signed: Signed) -> bool:
    """Return whether AWS refused the signing time, and the next attempt will use the server's time."""
    if not signed.signed_at or not (is_skew(answer) or is_bad_signature(answer)):
        return False
    theirs = server_time(response.headers)
    if theirs is None:
        return False
    if client.skew_seconds(call.endpoint) != signed.skew_seconds:
        # A concurrent call got the same refusal and has already corrected the time.
        return True
    ahead = (theirs - client.runtime.now()).total_seconds()
    if abs(ahead - signed.skew_seconds) < _SKEW_SECONDS:
        # The local clock is right, but the signature may be too old because the machine slept before it sent the
        # request.
        signed_at = datetime.strptime(signed.signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return (theirs - signed_at).total_seconds() >= _SKEW_SECONDS
    if not client.skews and abs(ahead) >= _SKEW_SECONDS:
        minutes, side = f"{abs(ahead) / 60:.0f} minutes", "behind" if ahead > 0 else "ahead of"
        facts = {"minutes": minutes, "side": side, "endpoint": call.endpoint.short}
        client.runtime.report(Event(CLOCK_CORRECTED, facts))
    client.skews[call.endpoint.url] = ahead
    return True
