"""Malicious requests over the wire: each gets AWS's error, and the server keeps serving."""

from __future__ import annotations

import http.client
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from urllib.parse import urlencode

import pytest

from dsops.errors import SandboxRefusal
from dsops.request.wire.constraints import check_value
from dsops.request.wire.models import service_model
from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.running_sandboxes import ask
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.sandboxes import ACCOUNT, Keys, sign
from tests.unit.sandbox.conftest import SEED

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASSUME = {
    "Action": "AssumeRole",
    "Version": "2011-06-15",
    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/team/Jump",
    "RoleSessionName": "s1",
}
STATEMENT = '{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/key"}'
TWICE = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}}'


def huge(statements: int) -> str:
    """Return a policy with that many statements."""
    return f'{{"Version": "2012-10-17", "Statement": [{", ".join([STATEMENT] * statements)}]}}'


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A server with the seed's two accounts on a free port."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


@pytest.fixture(autouse=True)
def _goes_on(server: SandboxServer) -> Iterator[None]:
    """Check after every test that the server still answers."""
    yield
    assert ask(server.url, "health")["status"] == "ok"


def keys(server: SandboxServer, name: str = "alice") -> Keys:
    """Return the access keys of a user in the seed."""
    variables = identity_variables(server, name)
    return Keys(access_key_id=variables["AWS_ACCESS_KEY_ID"], secret_access_key=variables["AWS_SECRET_ACCESS_KEY"])


def send(server: SandboxServer, headers: Mapping[str, str], body: bytes, path: str = "/") -> tuple[int, str]:
    """POST the body; return the status and text of the response."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("POST", path, body, {name: headers[name] for name in headers if name != "content-length"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def call(
    server: SandboxServer, fields: Mapping[str, str], service: str = "sts", name: str = "alice"
) -> tuple[int, str, str]:
    """Send a signed form; return status, error code and message, with "" as the code on success."""
    body = urlencode(fields).encode()
    request = sign(keys(server, name), service, "us-east-1", "POST", "/", FORM, body)
    status, text = send(server, request.headers, body)
    if status == 413:
        return status, "", text
    found = ET.fromstring(text)  # noqa: S314 - our own answer
    code, message = (
        next((part.text for part in found.iter() if part.tag.endswith(f"}}{tag}")), "") for tag in ("Code", "Message")
    )
    return status, code or "", message or ""


# --- Authorization header ------------------------------------------------------------------------------------------

_ALGORITHM = "AWS4-HMAC-SHA256"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "IncompleteSignature"),
        ("AWS4-HMAC-SHA256", "IncompleteSignature"),
        ("Bearer token", "IncompleteSignature"),
        ("Basic dXNlcjpwYXNz", "IncompleteSignature"),
        ("AWS AKIAEXAMPLE:signature=", "IncompleteSignature"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d/e", "IncompleteSignature"),
        (f"{_ALGORITHM} ,,,", "IncompleteSignature"),
        (f"{_ALGORITHM} Credential", "IncompleteSignature"),
        (f"{_ALGORITHM} Credential=, SignedHeaders=, Signature=", "IncompleteSignature"),
        (f"{_ALGORITHM} Credential=a/b/c/d, SignedHeaders=host;x-amz-date, Signature=0", "IncompleteSignature"),
        (f"{_ALGORITHM} Credential=////, SignedHeaders=host;x-amz-date, Signature=0", "SignatureDoesNotMatch"),
        (f"{_ALGORITHM} Credential=a/b/c/d/e, SignedHeaders=;;;, Signature=0", "SignatureDoesNotMatch"),
        (f"{_ALGORITHM} Credential={'/' * 30_000}, SignedHeaders=host;x-amz-date, Signature=0", "IncompleteSignature"),
        (f"{_ALGORITHM} {'Credential=a/b/c/d/e,' * 2000}", "IncompleteSignature"),
        (
            f"{_ALGORITHM} Credential=a/b/c/d/e, SignedHeaders={'host;' * 10_000}x-amz-date, Signature=0",
            "SignatureDoesNotMatch",
        ),
        (
            f"{_ALGORITHM} Credential=\xff/\xff/\xff/\xff/\xff, SignedHeaders=host;x-amz-date, Signature=\xff",
            "SignatureDoesNotMatch",
        ),
    ],
)
def test_malformed_authorization_headers(server: SandboxServer, header: str, code: str) -> None:
    """A malformed Authorization header gets AWS's error, in XML for STS and in JSON for Secrets Manager."""
    request = sign(keys(server), "sts", "us-east-1", "POST", "/", FORM, b"Action=GetCallerIdentity&Version=2011-06-15")
    headers = {**request.headers, "authorization": header}

    status, text = send(server, headers, request.body)
    assert status in {400, 403}
    assert f"<Code>{code}</Code>" in text

    target = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.ListSecrets"}
    status, text = send(server, {**headers, **target}, b"{}")
    assert status == 400
    assert json.loads(text)["__type"] in {"IncompleteSignatureException", "InvalidSignatureException"}


@pytest.mark.parametrize("names", [("alice", "admin"), ("admin", "alice")])
def test_a_request_with_two_signatures_is_refused(server: SandboxServer, names: tuple[str, str]) -> None:
    """A request with two valid Authorization headers is refused."""
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    first, second = (sign(keys(server, name), "sts", "us-east-1", "POST", "/", FORM, body) for name in names)

    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.putrequest("POST", "/", skip_host=True)
        for name, value in (*first.headers.items(), ("Authorization", second.headers["authorization"])):
            connection.putheader(name, value)
        connection.endheaders(body)
        assert connection.getresponse().status == 403


# --- content -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/xml", "", "*"])
def test_a_form_of_another_content_type_is_ignored(server: SandboxServer, kind: str) -> None:
    """A form with a non-form Content-Type gets the same 302 redirect as a request without an Action."""
    body = urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"}).encode()
    request = sign(keys(server), "sts", "us-east-1", "POST", "/", {"Content-Type": kind} if kind else {}, body)

    assert send(server, request.headers, body)[0] == 302
    assert call(server, {"Action": "GetCallerIdentity", "Version": "2011-06-15"})[0] == 200


def test_the_first_of_repeated_parameters_counts_over_http(server: SandboxServer) -> None:
    """If a parameter is repeated, its first value is used; parameters in the body precede those in the query."""
    body = (urlencode(ASSUME) + "&RoleSessionName=s2&Action=GetCallerIdentity").encode()
    query = "RoleSessionName=s3"
    request = sign(keys(server), "sts", "us-east-1", "POST", "/", FORM, body, query)

    status, text = send(server, request.headers, body, f"/?{query}")

    assert status == 200
    assert "assumed-role/Jump/s1</Arn>" in text


def test_too_many_fields_are_refused(server: SandboxServer) -> None:
    """100,000 form fields get MalformedInput; 9,000 are accepted."""
    for count, expected in ((100_000, 400), (9_000, 200)):
        body = (urlencode(ASSUME) + "&a=b" * count).encode()
        request = sign(keys(server), "sts", "us-east-1", "POST", "/", FORM, body)
        assert send(server, request.headers, body)[0] == expected


def test_a_parameter_name_of_a_million_dots_is_ignored(server: SandboxServer) -> None:
    """A field name of a hundred thousand parts is ignored instead of building a tree of that depth."""
    assert call(server, ASSUME | {"Tags" + ".member.1" * 100_000: "x"})[0] == 200


# --- policies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statements", [1000, 100_000])
def test_an_excessive_policy_is_refused(server: SandboxServer, statements: int) -> None:
    """An oversized policy is refused as a session policy and as a role's policy; a small policy is accepted."""
    text = huge(statements)
    put = {"Action": "PutRolePolicy", "Version": "2010-05-08", "RoleName": "Long", "PolicyName": "p"}

    passed = call(server, ASSUME | {"Policy": text})
    written = call(server, put | {"PolicyDocument": text}, "iam", "admin")

    over = len(urlencode({"Policy": text})) > 10_000_000
    assert passed[:2] == ((413, "") if over else (400, "PackedPolicyTooLarge"))
    assert written[:2] in {(400, "ValidationError"), (409, "LimitExceeded"), (413, "")}
    assert call(server, ASSUME | {"Policy": huge(3)})[0] == 200
    assert call(server, put | {"PolicyDocument": huge(3)}, "iam", "admin")[0] == 200


def test_a_policy_with_a_repeated_key_is_refused(server: SandboxServer) -> None:
    """A policy with a duplicate key is refused when passed or stored, since parsers disagree about its value."""
    put = {"Action": "PutRolePolicy", "Version": "2010-05-08", "RoleName": "Long", "PolicyName": "p"}

    assert call(server, ASSUME | {"Policy": TWICE})[:2] == (400, "MalformedPolicyDocument")
    assert call(server, put | {"PolicyDocument": TWICE}, "iam", "admin")[:2] == (400, "MalformedPolicyDocument")


@pytest.mark.parametrize("text", ["{", "[" * 2000, "null", '"a"', "{}", "\x00", "{'Version': 1}", "<xml/>"])
def test_invalid_policies_are_malformed(server: SandboxServer, text: str) -> None:
    """AssumeRole rejects an invalid session policy with MalformedPolicyDocument or ValidationError."""
    assert call(server, ASSUME | {"Policy": text})[:2] in {(400, "MalformedPolicyDocument"), (400, "ValidationError")}


# --- patterns ------------------------------------------------------------------------------------------------------


def test_patterns_match_without_backtracking(server: SandboxServer) -> None:
    """Matching a policy pattern with a hundred stars against nearly matching names is fast (no backtracking)."""
    pattern = "*a" * 100 + "*b"
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Deny",
            "Action": "*",
            "Resource": f"arn:aws:iam::{ACCOUNT}:role/{pattern}",
            "Condition": {"StringLike": {"aws:UserAgent": [pattern, "?" * 50 + pattern]}},
        },
    }
    put = {"Action": "PutUserPolicy", "Version": "2010-05-08", "UserName": "alice", "PolicyName": "slow"}
    assert call(server, put | {"PolicyDocument": json.dumps(document)}, "iam", "admin")[0] == 200
    try:
        body = urlencode(ASSUME).encode()
        headers = FORM | {"User-Agent": "a" * 50_000}
        request = sign(keys(server), "sts", "us-east-1", "POST", "/", headers, body)
        assert send(server, request.headers, body)[0] == 200
    finally:
        done = {"Action": "DeleteUserPolicy", "Version": "2010-05-08", "UserName": "alice", "PolicyName": "slow"}
        call(server, done, "iam", "admin")


@pytest.mark.parametrize("service", ["sts", "iam", "secretsmanager", "ssm"])
def test_model_patterns_match_without_backtracking(service: str) -> None:
    """The service models' patterns do not backtrack on texts of 200,000 characters."""
    model = service_model(service)
    texts = [piece * (200_000 // len(piece)) + "\x00" for piece in ("a", "a-", "/a", "a.", " ", "a ", ":", "arn:aws:")]
    strings = [shape for shape in map(model.shape_for, model.shape_names) if shape.type_name == "string"]
    assert strings
    # Many shapes have the same constraints.
    for shape in {repr(sorted(shape.metadata.items())): shape for shape in strings}.values():
        for text in texts:
            with suppress(SandboxRefusal):
                check_value(shape, text, "text")
