"""Signature Version 4: requests signed by botocore are accepted, and changed requests are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import answer_of
from dsops.request.wire.signature import check_scope, check_signature, read_claim
from tests.groups import examples
from tests.sandboxes import Keys, sign

KEYS = Keys(access_key_id="AKIAEXAMPLEEXAMPLE00", secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SESSION = Keys(access_key_id="ASIAEXAMPLEEXAMPLE00", secret_access_key="s" * 40, session_token="t" * 120)
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"


def signed(keys: Keys = KEYS, body: bytes = BODY, query: str = "", region: str = "us-east-1") -> HttpRequest:
    """Return a POST request that botocore signed with an Authorization header."""
    return sign(keys, "sts", region, "POST", "/", FORM, body, query)


def presigned(keys: Keys = KEYS, seconds: int = 60, query: str = BODY.decode()) -> HttpRequest:
    """Return a GET request that botocore signed in the query."""
    return sign(keys, "sts", "us-east-1", "GET", "/", {}, b"", query, presigned_seconds=seconds)


def now() -> float:
    """Return the machine's time, which botocore uses for signatures."""
    return datetime.now(UTC).timestamp()


def check(request: HttpRequest, keys: Keys = KEYS, at: float | None = None, service: str = "sts") -> None:
    """Verify the request's signature; raise SandboxRefusal if it is invalid."""
    claim = read_claim(request, now() if at is None else at, 15)
    check_scope(claim, service)
    check_signature(request, claim, keys.secret_access_key)


def refusal_of(
    request: HttpRequest, keys: Keys = KEYS, at: float | None = None, service: str = "sts"
) -> tuple[str, str]:
    """Verify the request, which must be refused; return code and message of the error."""
    with pytest.raises(SandboxRefusal) as caught:
        check(request, keys, at, service)
    answer = answer_of(caught.value)
    return answer.code, answer.message


def with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    """Return the request with this header set to another value."""
    return request._replace(headers={**request.headers, name: value})


def test_a_request_signed_by_botocore_is_accepted() -> None:
    """Requests with signed headers are accepted, from long-term keys and sessions."""
    check(signed())
    check(signed(SESSION), SESSION)


def test_a_presigned_request_of_botocore_is_accepted() -> None:
    """Presigned requests of long-term keys and sessions are accepted."""
    check(presigned())
    check(presigned(SESSION), SESSION)


def test_a_presigned_body_needs_its_hash() -> None:
    """A presigned request without `x-amz-content-sha256` must not have a body."""
    assert refusal_of(presigned()._replace(body=b"x"))[0] == "SignatureDoesNotMatch"


def test_another_secret_is_refused() -> None:
    """A signature by a wrong secret key gets the message of live STS."""
    assert refusal_of(signed(), SESSION) == (
        "SignatureDoesNotMatch",
        (
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        ),
    )


def test_an_unsigned_payload_is_refused() -> None:
    """UNSIGNED-PAYLOAD is refused, as by STS (measured)."""
    request = sign(KEYS, "sts", "us-east-1", "POST", "/", {**FORM, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, BODY)

    assert refusal_of(request)[0] == "SignatureDoesNotMatch"


def test_a_body_must_match_its_hash() -> None:
    """A body that differs from its signed hash is refused."""
    stated = {**FORM, "X-Amz-Content-SHA256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
    request = sign(KEYS, "sts", "us-east-1", "POST", "/", stated, b"")

    check(request)
    assert refusal_of(request._replace(body=BODY))[0] == "SignatureDoesNotMatch"


def test_a_missing_signature_is_reported() -> None:
    """A request without a signature gets MissingAuthenticationToken."""
    assert refusal_of(HttpRequest("POST", "/", "", {"host": "h"}, BODY, "127.0.0.1")) == (
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
    )


@pytest.mark.parametrize(
    ("region", "service", "message"),
    [
        ("nowhere", "sts", "Credential should be scoped to a valid region. "),
        ("us-east-1", "iam", "Credential should be scoped to correct service: 'iam'. "),
        (
            "nowhere",
            "iam",
            "Credential should be scoped to a valid region. Credential should be scoped to correct service: 'iam'. ",
        ),
    ],
)
def test_the_scope_must_match(region: str, service: str, message: str) -> None:
    """If region and service in the credential scope are both wrong, both are reported together."""
    assert refusal_of(signed(region=region), service=service) == ("SignatureDoesNotMatch", message)


def test_a_wrong_terminator_and_date_are_named() -> None:
    """A wrong terminator and a wrong date in the credential scope are both reported."""
    request = signed()
    header = request.headers["authorization"]
    date = header.split("/")[1]

    assert (
        "valid terminator: 'aws4_request', not 'aws5_request'."
        in refusal_of(with_header(request, "authorization", header.replace("aws4_request", "aws5_request")))[1]
    )
    assert (
        f"'20200101' != '{date}'"
        in refusal_of(with_header(request, "authorization", header.replace(f"/{date}/", "/20200101/")))[1]
    )


def test_a_signature_is_valid_for_15_minutes() -> None:
    """A signature is valid within 15 minutes of its date; outside that time the error has the time limits."""
    request = signed()

    check(request, at=now() + 14 * 60)
    check(request, at=now() - 14 * 60)
    code, late = refusal_of(request, at=now() + 16 * 60)
    assert (code, late.split(":")[0]) == ("SignatureDoesNotMatch", "Signature expired")
    assert late.endswith("- 15 min.)")
    code, early = refusal_of(request, at=now() - 16 * 60)
    assert (code, early.split(":")[0]) == ("SignatureDoesNotMatch", "Signature not yet current")
    assert early.endswith("+ 15 min.)")


def test_a_presigned_request_expires() -> None:
    """A presigned request expires X-Amz-Expires seconds after X-Amz-Date, at most seven days."""
    check(presigned(seconds=60), at=now() + 50)
    assert refusal_of(presigned(seconds=60), at=now() + 70) == ("RequestExpired", "Request has expired.")
    assert refusal_of(presigned(seconds=60), at=now() - 16 * 60)[1].startswith("Signature not yet current")
    assert refusal_of(presigned(seconds=604801))[0] == "IncompleteSignature"


@pytest.mark.parametrize(
    ("header", "code", "message"),
    [
        ("AWS5-HMAC-SHA256 x=y", "IncompleteSignature", "Unsupported AWS 'algorithm': 'AWS5-HMAC-SHA256'."),
        (
            "AWS4-HMAC-SHA256",
            "IncompleteSignature",
            "'' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256'.",
        ),
        (
            "AWS4-HMAC-SHA256 XYZ",
            "IncompleteSignature",
            "'XYZ' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 XYZ'.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKID, Signature=x",
            "IncompleteSignature",
            "Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKID, SignedHeaders=x-amz-date, Signature=x",
            "SignatureDoesNotMatch",
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKID, SignedHeaders=host, Signature=x",
            "SignatureDoesNotMatch",
            "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKID, SignedHeaders=host;x-amz-date, Signature=x",
            "IncompleteSignature",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKID'",
        ),
    ],
)
def test_a_malformed_header_gets_the_error_of_aws(header: str, code: str, message: str) -> None:
    """Each kind of malformed Authorization header gets the message that AWS has for it."""
    assert refusal_of(with_header(signed(), "authorization", header)) == (code, message)


def test_a_date_must_be_iso_basic() -> None:
    """A date that is not ISO 8601 basic format is refused."""
    for date in ("yesterday", "2026-07-13T10:00:00Z", "20261332T000000Z"):
        code, message = refusal_of(with_header(signed(), "x-amz-date", date))
        assert (code, message.split(".")[0]) == ("IncompleteSignature", "Date must be in ISO-8601 'basic format'")


def test_a_header_without_any_date_is_incomplete() -> None:
    """A request with neither X-Amz-Date nor Date gets IncompleteSignature."""
    headers = {name: value for name, value in signed().headers.items() if name != "x-amz-date"}

    assert refusal_of(signed()._replace(headers=headers))[1] == (
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        "Authorization=AWS4-HMAC-SHA256"
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [("a=%yy", "Illegal hex character in escape % pattern: %yy"), ("a=%2", "Incomplete trailing escape % sequence")],
)
def test_a_broken_escape_in_the_query_is_reported_first(query: str, message: str) -> None:
    """An invalid percent escape in the query is reported before the signature is verified."""
    request = HttpRequest("GET", "/", query, {"host": "h"}, b"", "127.0.0.1")

    assert refusal_of(request) == ("MalformedQueryString", message)


def test_spaces_inside_a_signed_header_are_collapsed() -> None:
    """Repeated spaces in a signed header are treated as one space, as botocore does."""
    request = sign(KEYS, "sts", "us-east-1", "POST", "/", {**FORM, "X-Amz-Meta": "a   b"}, BODY)

    check(request)
    check(with_header(request, "x-amz-meta", "a b"))


texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=12)


@settings(max_examples=examples(60), deadline=None)
@given(
    body=st.binary(max_size=40),
    query=st.lists(st.tuples(st.text("abcXYZ-", min_size=1, max_size=4), texts), max_size=4),
    keys=st.sampled_from([KEYS, SESSION]),
    region=st.sampled_from(["us-east-1", "eu-west-3", "us-gov-west-1", "cn-north-1"]),
)
def test_random_requests_signed_by_botocore_are_accepted(
    body: bytes, query: list[tuple[str, str]], keys: Keys, region: str
) -> None:
    """Random bodies, queries and regions signed by botocore are accepted."""
    from urllib.parse import quote, urlencode

    request = signed(keys, body, urlencode(query, quote_via=quote), region)

    check(request, keys)


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_refused(data: st.DataObject) -> None:
    """A request is refused if any byte of body, query or signed headers was changed."""
    request = signed(SESSION, BODY, "a=1&b=two")
    part = data.draw(st.sampled_from(["body", "query", *sorted(request.headers)]))
    original = {"body": request.body.decode(), "query": request.query}.get(part) or request.headers[part]
    position = data.draw(st.integers(0, len(original) - 1))
    letter = data.draw(st.sampled_from("aZ0=&/;, %~\t").filter(lambda letter: letter != original[position]))
    changed = original[:position] + letter + original[position + 1 :]
    if part == "body":
        request = request._replace(body=changed.encode())
    elif part == "query":
        request = request._replace(query=changed)
    else:
        request = with_header(request, part, changed)
    if _means_the_same(part, original, changed, SESSION):
        return

    refusal_of(request, SESSION)


def _means_the_same(part: str, original: str, changed: str, keys: Keys) -> bool:
    """Whether a signature can't detect the change: an unsigned header, or another key id."""
    if part in {"user-agent", "content-length"}:
        return True
    return part == "authorization" and keys.access_key_id in original and keys.access_key_id not in changed
