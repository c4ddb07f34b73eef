"""One call to AWS: when it is retried, and which error a failure raises."""

from __future__ import annotations

import threading

import pytest

from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import _note_who_answered, call_json, call_query, preconnect, quote
from dsops.aws.http.wire import Response
from dsops.credentials import Credentials
from dsops.endpoint import resolve_endpoint
from dsops.errors import (
    AccessDenied,
    AnswerInvalid,
    AwsAnswer,
    ClockSkewed,
    ConfigError,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    RegionDisabled,
    ServiceError,
    Throttled,
    TimedOut,
    TlsRefused,
    Unreachable,
)
from dsops.secret import Secret
from dsops.tasks import gather
from tests.fakes import Acts
from tests.stubs.authority import Authority
from tests.stubs.aws import json_answer, json_error, parameters_of, signature_is_right, sts_error
from tests.stubs.proxy import StubProxy
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.scene import SESSION, USER, Scene, endpoint_at

IDENTITY = Answer(
    body=b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>AIDA1</UserId>
  <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""
)


class Answers:
    """A stub's handler that returns these answers in turn, then the last one every time."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def __call__(self, _: Seen) -> Answer:
        """Return the next answer."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def whoami(scene: Scene, server: StubServer, credentials: Credentials = USER) -> str:
    """Return the caller's ARN."""
    return scene.run(get_caller_identity(scene.client, credentials, endpoint_at(server))).arn


def common(_said: AwsAnswer, _doing: str) -> DsopsError | None:
    """A refusal handler that gives no errors of its own."""
    return None


def call_at(server: StubServer, *, is_once: bool = False, hidden: tuple[Secret, ...] = ()) -> Call:
    """Return a call of some action."""
    return Call(endpoint_at(server), SESSION, "DoIt", "do it", common, hidden, is_once)


def failure_of(answer: Answer, **options: object) -> DsopsError:
    """Return the error of a call if every answer is this one. Object: the options are those of `call_at`."""
    scene = Scene()
    with StubServer(lambda _: answer) as server, pytest.raises(DsopsError) as caught:
        scene.run(call_query(scene.client, call_at(server, **options), "v", ()))  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(("region", "is_told"), [("af-south-1", True), ("eu-west-1", False)])
def test_an_unknown_key_in_an_opt_in_region(region: str, *, is_told: bool) -> None:
    """For an unknown key in an opt-in region the hint suggests enabling the region for the account."""
    scene = Scene()
    refusal = sts_error("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    with StubServer(lambda _: refusal) as server:
        call = call_at(server)._replace(endpoint=endpoint_at(server, region=region))
        with pytest.raises(CredentialsInvalid) as caught:
            scene.run(call_query(scene.client, call, "v", ()))
    assert (f"enable-region --region-name {region}" in caught.value.hint) == is_told


# --- requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "server", "expected"),
    [
        ("http://127.0.0.1:4566", "dsops-sandbox", True),
        ("https://localhost:4566", "dsops-sandbox", True),
        ("http://127.0.0.1:4566", "dsops-sandbox/8e0c55aa", True),
        ("http://127.0.0.1:4566", "dsops-sandboxes/8e0c55aa", False),
        ("http://127.0.0.1:4566", "Server", False),
        ("http://127.0.0.1:4566", "", False),
        ("https://sts.us-east-1.amazonaws.com", "dsops-sandbox", False),
        ("https://127.0.0.1.example.com", "dsops-sandbox", False),
    ],
)
def test_a_sandbox_is_on_loopback_and_identifies_itself(url: str, server: str, *, expected: bool) -> None:
    """A server counts as a sandbox only if it is on loopback and its latest response identifies it as one."""
    client, acts = Scene().client, Acts()
    client = client._replace(runtime=client.runtime._replace(journal=acts))
    client.sandboxes["http://127.0.0.1:4566"] = "dsops-sandbox/1"
    endpoint = resolve_endpoint("sts", "us-east-1", {}, endpoint_url=url)
    _note_who_answered(client, endpoint, Response(200, {"server": server} if server else {}, b""))
    assert (endpoint.url in client.sandboxes, acts.facts) == (expected, {"sandbox": expected})


def test_a_query_call_is_a_signed_form() -> None:
    """A query call is a form with action, version and parameters, signed for service, region and current time."""
    with StubServer(lambda _: IDENTITY) as server:
        assert whoami(Scene(), server, SESSION) == "arn:aws:iam::123456789012:user/ada"
    (seen,) = server.seen
    assert parameters_of(seen) == {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    assert seen.header("content-type") == "application/x-www-form-urlencoded; charset=utf-8"
    assert seen.header("x-amz-date") == "20261124T120000Z"
    assert seen.header("x-amz-security-token") == "session/token=="
    assert signature_is_right(seen, server.url, "session/secret", service="sts")


def test_a_json_call_names_its_target() -> None:
    """A JSON 1.1 call names its target in X-Amz-Target and is pure ASCII."""
    scene = Scene()
    with StubServer(lambda _: json_answer({"Answer": 42})) as server:
        content = scene.run(call_json(scene.client, call_at(server), "secretsmanager", {"SecretId": "\u00e9"}))
    (seen,) = server.seen
    assert content == {"Answer": 42}
    assert seen.header("x-amz-target") == "secretsmanager.DoIt"
    assert seen.header("content-type") == "application/x-amz-json-1.1"
    assert seen.body == b'{"SecretId":"\\u00e9"}'
    assert signature_is_right(seen, server.url, "session/secret", service="sts")


@pytest.mark.parametrize("text", ["a b&c=d+e/f%", "\u00e9\u4e2d\U0001f511", "line\nbreak", "\udcff", "~-._09azAZ", ""])
def test_every_text_survives_a_form(text: str) -> None:
    """The standard library decodes the form encoding of every text to the original text."""
    from urllib.parse import unquote

    assert unquote(quote(text), errors="surrogateescape") == text
    assert quote(text).isascii()


def test_credentials_go_to_their_endpoint_only() -> None:
    """A redirect is an error that names the target, and no request is sent to the target."""
    with StubServer(lambda _: IDENTITY) as elsewhere:
        error = failure_of(Answer(status=302, headers=(("Location", f"{elsewhere.url}/iam\x1b[31m"),)))
    assert isinstance(error, AnswerInvalid)
    assert "sent a redirect" in error.message
    assert f"the redirect points to {elsewhere.url}/iam" in error.why
    assert "\x1b" not in error.why
    assert elsewhere.connections == 0


# --- attempts -----------------------------------------------------------------------------------------------

THROTTLED = sts_error("Throttling", "Rate exceeded", 400)
BROKEN = sts_error("InternalFailure", "oops", 500)
BAD_GATEWAY = Answer(status=502, body=b"<html>bad gateway</html>")
DROPPED = Answer(raw=b"")


IDP = sts_error("IDPCommunicationError", "could not reach the identity provider", 400)
FAILING = [BROKEN, IDP, BAD_GATEWAY, DROPPED, Answer(status=504)]
PASSING = [THROTTLED, Answer(status=429), *FAILING]


@pytest.mark.parametrize("trouble", PASSING)
def test_temporary_failures_are_retried(trouble: Answer) -> None:
    """Throttling, 5xx and connections lost before a response are retried."""
    scene = Scene()
    with StubServer(Answers(trouble, trouble, IDENTITY)) as server:
        assert whoami(scene, server).endswith("user/ada")
    assert len(server.seen) == 3
    assert len(scene.paused) >= 2


@pytest.mark.parametrize("trouble", FAILING)
def test_four_attempts_are_made_and_no_more(trouble: Answer) -> None:
    """After four failed attempts the last failure is raised."""
    scene = Scene()
    with StubServer(lambda _: trouble) as server, pytest.raises(ServiceError):
        whoami(scene, server)
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    "trouble",
    [
        sts_error("AccessDenied", "no", 403),
        sts_error("ValidationError", "bad", 400),
        sts_error("ExpiredToken", "late", 403),
        sts_error("SomethingNew", "what is it", 400),
        sts_error("NotImplemented", "not yet", 501),
        Answer(status=501),
        Answer(status=505),
        Answer(status=302),
        Answer(status=404, body=b"<html/>"),
        Answer(body=b"rubbish"),
        Answer(body=b"x" * 100, cut_after=50),
    ],
)
def test_permanent_failures_are_not_retried(trouble: Answer) -> None:
    """Refusals, invalid responses, redirects and truncated responses are not retried."""
    scene = Scene()
    with StubServer(lambda _: trouble) as server, pytest.raises(DsopsError):
        whoami(scene, server)
    assert len(server.seen) == 1
    assert scene.paused == []


@pytest.mark.parametrize("trouble", [THROTTLED, Answer(status=429)])
def test_throttling_is_retried_until_the_total_time_is_up(trouble: Answer) -> None:
    """Throttling is retried until the total time is used up, without a limit on attempts."""
    scene = Scene(total_timeout_ms=60_000)
    with StubServer(lambda _: trouble) as server, pytest.raises(Throttled) as caught:
        whoami(scene, server)
    assert 10 < len(server.seen) < 60
    assert 50 < sum(scene.paused) <= 60
    assert "`timeout_ms`" in caught.value.hint


def test_pauses_are_random_and_grow() -> None:
    """Pauses have full jitter: each is a random part of a limit that doubles with each retry."""
    scene = Scene(chance=0.5)
    with StubServer(lambda _: BROKEN) as server, pytest.raises(ServiceError):
        whoami(scene, server)
    assert scene.paused == pytest.approx([0.05, 0.1, 0.2])
    scene = Scene(chance=0.0)
    with StubServer(Answers(BROKEN, IDENTITY)) as server:
        whoami(scene, server)
    assert scene.paused == [0.0]


def test_retry_after_is_used() -> None:
    """Retry-After is used if it is longer than the computed pause."""
    scene = Scene()
    asking = sts_error("Throttling", "Rate exceeded", 400, headers=(("Retry-After", "3"),))
    with StubServer(Answers(asking, IDENTITY)) as server:
        whoami(scene, server)
    assert sum(scene.paused) == pytest.approx(3.0, abs=0.05)


def test_a_long_retry_after_within_the_total_time() -> None:
    """A long Retry-After is respected if `timeout_ms` leaves enough time, without another limit."""
    scene = Scene(total_timeout_ms=60_000)
    asking = sts_error("Throttling", "Rate exceeded", 400, headers=(("Retry-After", "50"),))
    with StubServer(Answers(asking, IDENTITY)) as server:
        whoami(scene, server)
    assert sum(scene.paused) == pytest.approx(50.0, abs=0.05)


@pytest.mark.parametrize("seconds", ["30", "3600", "999999"])
def test_a_retry_after_beyond_the_total_time(seconds: str) -> None:
    """If Retry-After exceeds the total time, the call fails at once."""
    scene = Scene()
    asking = sts_error("Throttling", "Rate exceeded", 400, headers=(("Retry-After", seconds),))
    with StubServer(lambda _: asking) as server, pytest.raises(Throttled):
        whoami(scene, server)
    assert len(server.seen) == 1
    assert scene.paused == []


@pytest.mark.parametrize("value", ["-1", "soon", "1e3", "Tue, 24 Nov 2026 12:00:10 GMT", "\u0663", "9" * 50])
def test_a_retry_after_that_is_no_number_is_ignored(value: str) -> None:
    """A malformed Retry-After is ignored in favour of the computed pause."""
    scene = Scene()
    asking = sts_error("Throttling", "Rate exceeded", 400, headers=(("Retry-After", value.encode().decode("latin-1")),))
    with StubServer(Answers(asking, IDENTITY)) as server:
        whoami(scene, server)
    assert sum(scene.paused) < 2


def test_no_attempt_begins_after_the_total_time() -> None:
    """If a pause would end after the total time, the call fails without that pause."""
    scene = Scene(total_timeout_ms=400, chance=0.99)
    with StubServer(lambda _: THROTTLED) as server, pytest.raises(Throttled):
        whoami(scene, server)
    assert len(server.seen) == 1


def test_a_server_that_never_answers_is_asked_once() -> None:
    """If the first attempt uses up the total time, no second attempt is made."""
    scene = Scene(total_timeout_ms=150)
    with (
        StubServer(lambda _: Answer(is_silent=True)) as server,
        pytest.raises(TimedOut, match=r"within 0\.1\d? s|within 0\.15 s"),
    ):
        whoami(scene, server)
    assert len(server.seen) == 1


def test_a_refused_connection_is_retried() -> None:
    """A refused connection is retried, because the sandbox may be starting."""
    scene = Scene()
    with StubServer(lambda _: IDENTITY) as server:
        endpoint = endpoint_at(server)
    with pytest.raises(Unreachable) as caught:
        scene.run(get_caller_identity(scene.client, USER, endpoint))
    assert len(scene.paused) == 3
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("trouble", PASSING)
def test_an_mfa_code_is_never_sent_twice(trouble: Answer) -> None:
    """A call with an MFA code that may have arrived is never repeated, because AWS accepts a code once."""
    scene = Scene()
    with StubServer(lambda _: trouble) as server, pytest.raises(ServiceError):
        scene.run(call_query(scene.client, call_at(server, is_once=True), "v", ()))
    assert len(server.seen) == 1


def test_an_mfa_code_that_was_not_sent_is_retried() -> None:
    """A call with an MFA code is retried if no connection was made, because the code was not sent then."""
    scene = Scene()
    with StubServer(lambda _: IDENTITY) as server:
        call = call_at(server, is_once=True)
    with pytest.raises(Unreachable):
        scene.run(call_query(scene.client, call, "v", ()))
    assert len(scene.paused) == 3


# --- clocks -------------------------------------------------------------------------------------------------

EXPIRED_SIGNATURE = (
    "Signature expired: 20261124T120000Z is now earlier than 20261124T130500Z (20261124T132000Z - 15 min.)"
)
LATER = (("Date", "Tue, 24 Nov 2026 13:20:00 GMT"),)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("SignatureDoesNotMatch", EXPIRED_SIGNATURE),
        ("SignatureDoesNotMatch", "Signature not yet current: 20261124T120000Z is still later than 20261124T110000Z"),
        ("InvalidSignatureException", EXPIRED_SIGNATURE),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ("RequestExpired", "Request has expired."),
        ("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."),
    ],
)
def test_a_wrong_clock_is_corrected_from_the_servers_date(code: str, message: str) -> None:
    """If a signature is rejected for its time, the call is signed with the server's Date and repeated at once."""
    scene = Scene()
    with StubServer(Answers(sts_error(code, message, 403, headers=LATER), IDENTITY)) as server:
        whoami(scene, server)
        assert [seen.header("x-amz-date") for seen in server.seen] == ["20261124T120000Z", "20261124T132000Z"]
        assert signature_is_right(server.seen[1], server.url, "user/secret", service="sts")
        assert scene.client.skew_seconds(endpoint_at(server)) == 80 * 60
    assert scene.paused == []


def test_a_corrected_clock_is_remembered() -> None:
    """A clock correction is remembered for its endpoint only, even if the client's time limit changes."""
    scene = Scene()
    refusal = sts_error("SignatureDoesNotMatch", EXPIRED_SIGNATURE, 403, headers=LATER)
    with StubServer(Answers(refusal, IDENTITY)) as server, StubServer(lambda _: IDENTITY) as other:
        whoami(scene, server)
        scene.client = scene.client._replace(total_timeout_ms=5_000)
        whoami(scene, server)
        whoami(scene, other)
    assert len(server.seen) == 3
    assert server.seen[2].header("x-amz-date") == "20261124T132000Z"
    assert other.seen[0].header("x-amz-date") == "20261124T120000Z"


def test_a_correction_is_told_once() -> None:
    """A clock correction is reported once, with direction and size, even if a second endpoint shows the same skew."""
    scene = Scene()
    refusal = sts_error("SignatureDoesNotMatch", EXPIRED_SIGNATURE, 403, headers=LATER)
    with StubServer(Answers(refusal, IDENTITY)) as server, StubServer(Answers(refusal, IDENTITY)) as other:
        whoami(scene, server)
        whoami(scene, other)
    facts = {"minutes": "80 minutes", "side": "behind", "endpoint": f"sts at 127.0.0.1:{server.port}"}
    assert [facts] == scene.reports.facts("clock.corrected")


def test_many_calls_correct_one_clock_together() -> None:
    """Ten concurrent calls with a wrong clock are all corrected and succeed."""

    def answer(seen: Seen) -> Answer:
        if seen.header("x-amz-date") == "20261124T132000Z":
            return IDENTITY
        return sts_error("SignatureDoesNotMatch", EXPIRED_SIGNATURE, 403, headers=LATER)

    scene = Scene()
    with StubServer(answer) as server:
        calls = [get_caller_identity(scene.client, USER, endpoint_at(server)) for _ in range(10)]
        assert len(scene.run(gather(*calls))) == 10


def test_a_clock_is_corrected_once() -> None:
    """A second refusal because of the time is raised as ClockSkewed, with a hint to set the clock."""
    scene = Scene()
    refusal = sts_error("SignatureDoesNotMatch", EXPIRED_SIGNATURE, 403, headers=LATER)
    with StubServer(lambda _: refusal) as server, pytest.raises(ClockSkewed) as caught:
        whoami(scene, server)
    assert len(server.seen) == 2
    assert "timedatectl" in caught.value.hint


@pytest.mark.parametrize("headers", [(), (("Date", "yesterday"),), (("Date", "Tue, 24 Nov 2026 12:01:00 GMT"),)])
def test_a_refused_time_that_the_date_does_not_explain(headers: tuple[tuple[str, str], ...]) -> None:
    """Without a Date header, or with a Date close to our time, a refused time is raised without a retry."""
    scene = Scene()
    refusal = sts_error("SignatureDoesNotMatch", EXPIRED_SIGNATURE, 403, headers=headers)
    with StubServer(lambda _: refusal) as server, pytest.raises(ClockSkewed):
        whoami(scene, server)
    assert len(server.seen) == 1


def test_a_request_that_slept_with_the_machine_is_signed_again() -> None:
    """A request signed before the machine slept is refused as too old, then silently signed and sent again."""
    scene = Scene()

    def answer(seen: Seen) -> Answer:
        if seen.header("x-amz-date") == "20261124T132000Z":
            return IDENTITY
        scene.clock.advance(80 * 60)
        return sts_error("SignatureDoesNotMatch", EXPIRED_SIGNATURE, 403, headers=LATER)

    with StubServer(answer) as server:
        whoami(scene, server)
        assert [seen.header("x-amz-date") for seen in server.seen] == ["20261124T120000Z", "20261124T132000Z"]
        assert scene.client.skew_seconds(endpoint_at(server)) == 0
    assert scene.reports.facts("clock.corrected") == []


def test_an_mfa_call_is_corrected_too() -> None:
    """A call with an MFA code is repeated after a clock correction, because AWS checks signatures before codes."""
    scene = Scene()
    refusal = sts_error("SignatureDoesNotMatch", EXPIRED_SIGNATURE, 403, headers=LATER)
    done = Answer(body=b"<DoItResponse><DoItResult/></DoItResponse>")
    with StubServer(Answers(refusal, done)) as server:
        scene.run(call_query(scene.client, call_at(server, is_once=True), "v", ()))
    assert len(server.seen) == 2


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        ("InvalidClientTokenId", CredentialsInvalid, "does not accept the key ASIA...LE02"),
        ("UnrecognizedClientException", CredentialsInvalid, "does not accept the key ASIA...LE02"),
        ("MissingAuthenticationToken", CredentialsInvalid, "does not accept"),
        ("SignatureDoesNotMatch", CredentialsInvalid, "rejected the signature made with the key ASIA...LE02"),
        ("IncompleteSignature", CredentialsInvalid, "rejected the signature"),
        ("ExpiredToken", CredentialsExpired, "the session of the key ASIA...LE02 has expired"),
        ("ExpiredTokenException", CredentialsExpired, "has expired"),
        ("AccessDenied", AccessDenied, "not allowed to do it"),
        ("AccessDeniedException", AccessDenied, "not allowed to do it"),
        ("RegionDisabledException", RegionDisabled, "is not activated"),
        ("SomethingNew", ServiceError, "refused to do it"),
    ],
)
def test_refusals_have_names(code: str, kind: type[DsopsError], text: str) -> None:
    """AWS's error code selects the error class; the error has AWS's message, request id and endpoint."""
    error = failure_of(sts_error(code, "The reason.", 403))
    assert type(error) is kind
    assert text in error.message
    assert error.why == "The reason."
    assert error.aws is not None
    assert error.aws.code == code
    assert error.aws.status == 403
    assert error.aws.request_id == "fedcba98-7654-3210-fedc-ba9876543210"
    assert error.aws.endpoint.startswith("sts at 127.0.0.1:")


@pytest.mark.parametrize(
    "code", ["com.amazonaws.secretsmanager#AccessDeniedException", "AccessDeniedException:http://x/"]
)
def test_a_json_code_with_a_namespace(code: str) -> None:
    """A JSON error code is read without its namespace (before `#`) and without a URL (after `:`)."""
    scene = Scene()
    with StubServer(lambda _: json_error(code, "no")) as server, pytest.raises(AccessDenied) as caught:
        scene.run(call_json(scene.client, call_at(server), "secretsmanager", {}))
    assert caught.value.aws is not None
    assert (caught.value.aws.code, caught.value.aws.request_id) == (
        "AccessDeniedException",
        "aaaabbbb-cccc-dddd-eeee-ffff00001111",
    )


def test_a_json_code_may_stand_in_a_header() -> None:
    """A JSON error code is read from x-amzn-ErrorType, and the message from a lower-case `message`."""
    answer = Answer(status=400, body=b'{"message":"no"}', headers=(("x-amzn-ErrorType", "AccessDeniedException:"),))
    scene = Scene()
    with StubServer(lambda _: answer) as server, pytest.raises(AccessDenied) as caught:
        scene.run(call_json(scene.client, call_at(server), "secretsmanager", {}))
    assert caught.value.why == "no"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200, body=b""),
        Answer(status=200, body=b"<html><body>Log in to the WiFi</body></html>"),
        Answer(status=200, body=b'{"json": true}'),
        Answer(status=200, body=b"<DoItResponse/>"),
        Answer(status=200, body=b"<OtherResponse><DoItResult/></OtherResponse>"),
        Answer(status=204),
        Answer(status=400, body=b""),
        Answer(status=403, body=b"<html>forbidden by the proxy</html>"),
        Answer(status=404, body=b"<UnknownOperationException/>"),
        Answer(status=407, body=b""),
        Answer(status=400, body=b"<ErrorResponse><Error><Code>not a code!</Code></Error></ErrorResponse>"),
        Answer(status=400, body=b"<ErrorResponse><Error></Error></ErrorResponse>"),
        Answer(status=200, body=b"<DoItResponse>" + b"<a>" * 1000 + b"</a>" * 1000 + b"</DoItResponse>"),
        Answer(
            status=200, body=b'<!DOCTYPE x [<!ENTITY a "b">]><DoItResponse><DoItResult>&a;</DoItResult></DoItResponse>'
        ),
        Answer(status=200, body=b"\xff\xfe\x00"),
    ],
)
def test_what_is_not_an_answer_of_aws_says_so(answer: Answer) -> None:
    """A response that is not from AWS (captive portal, proxy) raises AnswerInvalid, which shows nothing of its body."""
    error = failure_of(answer)
    assert isinstance(error, AnswerInvalid)
    assert "an invalid response" in error.message
    assert "http://127.0.0.1" in error.hint
    assert "WiFi" not in f"{error.message}{error.why}{error.hint}"


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"nul", b"[" * 100_000, b"\xff"])
def test_what_is_not_a_json_object_says_so(body: bytes) -> None:
    """A JSON response that is no object, or is nested too deeply, raises AnswerInvalid."""
    scene = Scene()
    with StubServer(lambda _: Answer(body=body)) as server, pytest.raises(AnswerInvalid, match="an invalid response"):
        scene.run(call_json(scene.client, call_at(server), "secretsmanager", {}))


# --- secrets are never shown --------------------------------------------------------------------------------


def test_secrets_of_the_request_are_masked_in_messages() -> None:
    """Secrets of the request are masked in AWS's messages, which repeat rejected values and signed headers."""
    error = failure_of(
        sts_error(
            "ValidationError",
            "Value 'p\u00e4ss' at 'externalId' failed; x-amz-security-token:session/token== p\u00e4ss",
            400,
        ),
        hidden=(Secret("p\u00e4ss"),),
    )
    assert error.aws is not None
    assert error.why == error.aws.message
    assert "p\u00e4ss" not in error.why
    assert "session/token" not in error.why
    assert "Value '***' at 'externalId'" in error.why


@pytest.mark.parametrize("member", ["externalId", "tokenCode", "webIdentityToken"])
def test_a_secret_member_is_masked_however_aws_writes_it(member: str) -> None:
    """A secret parameter's value is masked in AWS's message even if AWS shortens or changes it."""
    error = failure_of(
        sts_error("ValidationError", f"Value 'cut off \u2026' at '{member}' failed, 'x' at 'roleArn' too", 400)
    )
    assert error.why == f"Value '***' at '{member}' failed, 'x' at 'roleArn' too"


def test_messages_are_fit_for_a_terminal() -> None:
    """AWS's messages are shortened, put on one line, and stripped of control characters."""
    error = failure_of(sts_error("ValidationError", "one\n two\tthree \u202e" + "x" * 5000, 400))
    assert error.why.startswith("one two three xxx")
    assert len(error.why) < 1100


# --- certificates and proxies -------------------------------------------------------------------------------


def test_the_runtimes_certificates_count(authority: Authority) -> None:
    """AWS_CA_BUNDLE of the runtime's environment is trusted; without it the server is refused."""
    with StubServer(lambda _: IDENTITY, tls=authority.server()) as server:
        assert whoami(Scene({"AWS_CA_BUNDLE": str(authority.bundle)}), server).endswith("user/ada")
        with pytest.raises(TlsRefused):
            whoami(Scene({}), server)
    assert len(server.seen) == 1


def test_a_certificate_that_is_not_trusted_is_not_tried_again(authority: Authority) -> None:
    """A call that fails because of an untrusted certificate is not retried."""
    scene = Scene()
    with StubServer(lambda _: IDENTITY, tls=authority.server()) as server, pytest.raises(TlsRefused):
        whoami(scene, server)
    assert (server.connections, scene.paused) == (1, [])


def test_a_bundle_that_is_not_there_is_an_error_of_the_environment(authority: Authority) -> None:
    """An AWS_CA_BUNDLE that names no existing file is a ConfigError with the variable and the path."""
    with (
        StubServer(lambda _: IDENTITY, tls=authority.server()) as server,
        pytest.raises(ConfigError, match="AWS_CA_BUNDLE is set to /nowhere/ca, which does not exist"),
    ):
        whoami(Scene({"AWS_CA_BUNDLE": "/nowhere/ca"}), server)


def test_the_runtimes_proxy_counts(authority: Authority) -> None:
    """Calls go through HTTPS_PROXY of the runtime's environment."""
    with (
        StubServer(lambda _: IDENTITY, tls=authority.server("sts.eu-west-1.amazonaws.com")) as server,
        StubProxy(server.port) as proxy,
    ):
        scene = Scene({"HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": str(authority.bundle)})
        endpoint = resolve_endpoint("sts", "eu-west-1", {})
        identity = scene.run(get_caller_identity(scene.client, USER, endpoint))
    assert identity.account == "123456789012"
    assert [seen.target for seen in proxy.seen] == ["sts.eu-west-1.amazonaws.com:443"]
    assert server.seen[0].header("host") == "sts.eu-west-1.amazonaws.com"


def test_connections_are_opened_before_by_the_same_way(authority: Authority) -> None:
    """Connections are opened in advance through the proxy and with the certificates of later calls.

    No credentials are sent while they are opened.
    """
    name = "sts.eu-west-1.amazonaws.com"
    prepared = threading.Event()

    def answer(seen: Seen) -> Answer:
        if seen.method == "HEAD":
            prepared.set()
        else:
            assert prepared.wait(10)
        return IDENTITY

    with StubServer(answer, tls=authority.server(name)) as server, StubProxy(server.port) as proxy:
        scene = Scene({"HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": str(authority.bundle)})
        endpoint = resolve_endpoint("sts", "eu-west-1", {})

        async def work() -> None:
            await preconnect(scene.client, endpoint, 1)
            await get_caller_identity(scene.client, USER, endpoint)

        scene.run(work())
    by_method = {seen.method: seen.header("authorization") for seen in server.seen}
    assert by_method["HEAD"] == ""
    assert {seen.target for seen in proxy.seen} == {f"{name}:443"}


def test_without_tls_nothing_is_opened_before() -> None:
    """Without TLS no connection is opened in advance, because it would save too little time."""
    with StubServer(lambda _: IDENTITY) as server:
        scene = Scene()
        endpoint = resolve_endpoint("sts", "eu-west-1", {}, endpoint_url=server.url)

        async def work() -> None:
            await preconnect(scene.client, endpoint, 1)
            await get_caller_identity(scene.client, USER, endpoint)

        scene.run(work())
        assert [seen.method for seen in server.seen] == ["POST"]


def test_a_copy_of_a_client_shares_what_is_known_of_clocks() -> None:
    """Copies of a client, which stores make for their own time limits, share the known clock skews."""
    client: Client = Scene().client
    assert client._replace(total_timeout_ms=1).skews is client.skews
