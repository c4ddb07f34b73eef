"""The sandbox accepts exactly the requests that botocore signs."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import answer_of
from dsops.request.wire.signature import check_scope, check_signature, read_claim
from tests.groups import examples
from tests.sandboxes import HOST, Keys

KEYS = Keys(access_key_id="AKIAEXAMPLEEXAMPLE00", secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SESSION = Keys(access_key_id="ASIAEXAMPLEEXAMPLE00", secret_access_key="s" * 40, session_token="t/+=" * 30)
MINUTES = 15

anything = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
# no SDK sends a path's slash encoded
names = anything.map(lambda text: text.replace("/", ""))
segments = st.lists(st.one_of(names, st.sampled_from(["..", ".", "", "a b", "%41", "~", "*"])), max_size=5)
paths = segments.map(lambda parts: "/" + "/".join(quote(part, safe="~") for part in parts))
queries = st.lists(st.tuples(st.text("abcXYZ-_.~ =&+%/", min_size=1, max_size=4), anything), max_size=4).map(
    lambda pairs: "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
)
words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
headers = st.dictionaries(
    st.from_regex(r"X-Amz-Meta-[a-z]{1,5}", fullmatch=True), words.map(lambda word: f"{word}  {word}"), max_size=3
)
everyone = st.sampled_from([KEYS, SESSION])


def signed(
    keys: Keys, service: str, path: str, query: str, more: dict[str, str], body: bytes, *, is_presigned: bool
) -> HttpRequest:
    """The request as botocore signs it for the service, in a header or in the query."""
    credentials, region = keys.botocore(), "eu-west-1"
    signer = {
        ("s3", False): lambda: S3SigV4Auth(credentials, service, region),
        ("s3", True): lambda: S3SigV4QueryAuth(credentials, service, region, expires=60),
        ("sqs", False): lambda: SigV4Auth(credentials, service, region),
        ("sqs", True): lambda: SigV4QueryAuth(credentials, service, region, expires=60),
    }[service, is_presigned]()
    url = f"http://{HOST}{path}" + (f"?{query}" if query else "")
    method = "GET" if is_presigned else "PUT"
    request = AWSRequest(method=method, url=url, data=body, headers={"Host": HOST, **more})
    request.context["payload_signing_enabled"] = True
    signer.add_auth(request)
    given = {
        name.lower(): value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    path, _, query = request.url.removeprefix(f"http://{HOST}").partition("?")
    return HttpRequest(method, path, query, given, body, "127.0.0.1")


def check(request: HttpRequest, keys: Keys, service: str) -> None:
    """Check the signature; raises if it is refused."""
    claim = read_claim(request, datetime.now(UTC).timestamp(), MINUTES)
    check_scope(claim, service)
    check_signature(request, claim, keys.secret_access_key)


@settings(max_examples=examples(150), deadline=None)
@given(keys=everyone, path=paths, query=queries, more=headers, body=st.binary(max_size=30))
def test_what_botocore_signs_for_s3_is_accepted(
    keys: Keys, path: str, query: str, more: dict[str, str], body: bytes
) -> None:
    """Requests that botocore signs for S3 are accepted, although S3 does not normalise paths (dots, double slashes)."""
    check(signed(keys, "s3", path, query, more, body, is_presigned=False), keys, "s3")


@settings(max_examples=examples(150), deadline=None)
@given(keys=everyone, path=paths, query=queries, more=headers, body=st.binary(max_size=30))
def test_what_botocore_signs_for_other_services_is_accepted(
    keys: Keys, path: str, query: str, more: dict[str, str], body: bytes
) -> None:
    """Requests that botocore signs for other services are accepted with any path, query, headers and body."""
    check(signed(keys, "sqs", path, query, more, body, is_presigned=False), keys, "sqs")


@settings(max_examples=examples(150), deadline=None)
@given(keys=everyone, service=st.sampled_from(["s3", "sqs"]), path=paths, query=queries)
def test_what_botocore_presigns_is_accepted(keys: Keys, service: str, path: str, query: str) -> None:
    """GET requests that botocore presigned are accepted."""
    check(signed(keys, service, path, query, {}, b"", is_presigned=True), keys, service)


@settings(max_examples=examples(150), deadline=None)
@given(
    service=st.sampled_from(["s3", "sqs"]),
    path=paths,
    query=queries,
    more=headers,
    body=st.binary(max_size=30),
    is_presigned=st.booleans(),
    change=st.sampled_from(["path", "query", "host", "method", "secret"]),
)
def test_nothing_else_is_accepted(
    service: str, path: str, query: str, more: dict[str, str], body: bytes, change: str, *, is_presigned: bool
) -> None:
    """A request is refused if its path, query, host, method or secret was changed after signing."""
    request = signed(SESSION, service, path, query, more, b"" if is_presigned else body, is_presigned=is_presigned)
    keys = SESSION
    if change == "path":
        request = request._replace(path=f"{request.path}x")
    elif change == "query":
        request = request._replace(query=f"{request.query}&zz=1")
    elif change == "host":
        request = request._replace(headers={**request.headers, "host": f"{HOST}0"})
    elif change == "method":
        request = request._replace(method="DELETE")
    else:
        keys = Keys(access_key_id=SESSION.access_key_id, secret_access_key="S" * 40)

    with pytest.raises(SandboxRefusal) as caught:
        check(request, keys, service)
    assert answer_of(caught.value).code == "SignatureDoesNotMatch"
