"""SAML assertions: where they come from, choice of the role, the STS call, and refusals."""

from __future__ import annotations

import base64
import socket
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.errors import AssumeRoleDenied, DsopsError, NoCredentials, RoleNotOffered, StsRefused
from dsops.secret import Secret
from dsops.stores.loopback import LoopbackPort
from dsops.stores.saml_login import PATH, await_response, log_in
from dsops.stores.saml_response import RoleOffer, read_response
from tests.aws_in_memory import Refusal
from tests.fakes import Person, make_runtime
from tests.pipeline import Pipeline, words
from tests.ports import unused_port

DEPLOY = "arn:aws:iam::111111111111:role/Deploy"
AUDIT = "arn:aws:iam::222222222222:role/team/Audit"
CHINA = "arn:aws-cn:iam::333333333333:role/Deploy"
REGION = {"AWS_REGION": "us-east-1"}


def provider_of(role: str) -> str:
    """Return the ARN of the SAML provider in the role's account."""
    return f"{role.partition(':role/')[0]}:saml-provider/Company"


def response_of(*roles: str, name: str = "alice", values: tuple[str, ...] = (), encrypted: bool = False) -> str:
    """Return a SAML response with these roles as XML; its signature is never verified here."""
    pairs = [*values, *[f"{role},{provider_of(role)}" for role in roles]]
    listed = "".join(f"<a:AttributeValue>{value}</a:AttributeValue>" for value in pairs)
    attribute = f'<a:Attribute Name="https://aws.amazon.com/SAML/Attributes/Role">{listed}</a:Attribute>'
    session = (
        '<a:Attribute Name="https://aws.amazon.com/SAML/Attributes/RoleSessionName">'
        f"<a:AttributeValue>{name}</a:AttributeValue></a:Attribute>"
    )
    data = '<a:SubjectConfirmationData Recipient="https://signin.aws.amazon.com/saml"/>'
    confirmation = f"<a:SubjectConfirmation>{data}</a:SubjectConfirmation>"
    subject = f"<a:Subject><a:NameID>id-of-{name}</a:NameID>{confirmation}</a:Subject>"
    statement = f"<a:AttributeStatement>{attribute if pairs else ''}{session}</a:AttributeStatement>"
    assertion = f"<a:Assertion><a:Issuer>https://idp.example.com</a:Issuer>{subject}{statement}</a:Assertion>"
    return (
        '<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion">'
        f"{'<a:EncryptedAssertion/>' if encrypted else assertion}<!-- PLANTEDsignature --></p:Response>"
    )


def encoded(response: str) -> str:
    """Return the response in base64."""
    return base64.b64encode(response.encode()).decode()


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A process without any credentials."""
    pipeline = Pipeline()
    pipeline.environ = REGION
    pipeline.folder = str(tmp_path)
    return pipeline


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., str]:
    """Write a response into a file; returns the configuration that reads it."""

    def write(response: str, fields: str = "") -> str:
        file = tmp_path / "response"
        file.write_text(response)
        return f"secretStores:\n  r: {{type: aws.sts, saml_assertion_file: '{file}'{fields}}}\n"

    return write


def failure(pipeline: Pipeline, text: str) -> DsopsError:
    """Return the error of the session; assert that it shows nothing of the assertion."""
    with pytest.raises(DsopsError) as caught:
        pipeline.credentials(text, "r")
    assert "PLANTED" not in words(caught.value)
    return caught.value


# --- the call -----------------------------------------------------------------------------------------------


def test_the_call_is_not_signed_and_says_what_the_store_says(pipeline: Pipeline, put: Callable[..., str]) -> None:
    """The unsigned call sends the response in base64, and the role and provider that the response names.

    It also sends the store's duration and policies.
    """
    policy = '{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}'
    response = response_of(DEPLOY)
    text = put(response, f", region: eu-west-1, duration_seconds: 7200, session_policy: {policy}")
    pipeline.credentials(text, "r")
    (call,) = pipeline.aws.calls
    assert (call.host, call.access_key_id) == ("sts.eu-west-1.amazonaws.com", "")
    assert call.parameters == {
        "Action": "AssumeRoleWithSAML",
        "Version": "2011-06-15",
        "RoleArn": DEPLOY,
        "PrincipalArn": provider_of(DEPLOY),
        "SAMLAssertion": encoded(response),
        "DurationSeconds": "7200",
        "Policy": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
    }
    pipeline.credentials(put("\n".join(encoded(response_of(DEPLOY, name="bob")))), "r")
    assert pipeline.aws.calls[-1].parameters["SAMLAssertion"] == encoded(response_of(DEPLOY, name="bob"))


def test_a_command_is_a_source_like_any(pipeline: Pipeline, tmp_path: Path) -> None:
    """The response can be a command's output; no output, other output or a failure is an error."""
    (tmp_path / "response").write_text(encoded(response_of(DEPLOY)))

    def text(*words_: str) -> str:
        return f"secretStores:\n  r: {{type: aws.sts, saml_process: [{', '.join(words_)}]}}\n"

    pipeline.credentials(text("cat", str(tmp_path / "response")), "r")
    assert pipeline.aws.calls[-1].parameters["RoleArn"] == DEPLOY
    assert "is not a SAML response" in failure(pipeline, text("echo", "hello")).message
    assert "ended with exit code 1" in failure(pipeline, text("'false'")).why


# --- the role -----------------------------------------------------------------------------------------------


def test_a_role_is_chosen_where_only_one_fits(pipeline: Pipeline, put: Callable[..., str]) -> None:
    """If only one role of the response matches the store's role, provider or partition, dsops uses that role."""
    several = response_of(DEPLOY, AUDIT, CHINA)
    for fields, role in (
        (f", role_arn: '{AUDIT}'", AUDIT),
        (f", principal_arn: '{provider_of(DEPLOY)}'", DEPLOY),
        (", region: cn-north-1", CHINA),
    ):
        pipeline.credentials(put(several, fields), "r")
        assert pipeline.aws.calls[-1].parameters["RoleArn"] == role


def test_of_several_a_person_picks_one(pipeline: Pipeline, put: Callable[..., str]) -> None:
    """If several roles match, the user picks a number; without a terminal the store must name the role."""
    text = put(response_of(DEPLOY, AUDIT))
    error = failure(pipeline, text)
    assert isinstance(error, RoleNotOffered)
    assert error.hint == f"add one of them to the store, such as `role_arn: {DEPLOY}`"
    pipeline.person = Person("3", "2")
    pipeline.credentials(text, "r")
    assert pipeline.aws.calls[-1].parameters["RoleArn"] == AUDIT
    assert f"  2  {AUDIT}" in pipeline.person.asked[0]
    assert pipeline.person.asked[1] == "a number from 1 to 2: "


def test_a_role_that_is_not_given_is_told_with_those_that_are(pipeline: Pipeline, put: Callable[..., str]) -> None:
    """If the response does not contain the store's role, the error lists the response's roles with a suggestion.

    No call is made.
    """
    error = failure(pipeline, put(response_of(DEPLOY, AUDIT), f", role_arn: '{DEPLOY}s'"))
    assert f"does not offer {DEPLOY}s" in error.message
    assert error.why == f"it gives {DEPLOY}, {AUDIT}"
    assert error.hint == f"did you mean `{DEPLOY}`?"
    assert pipeline.aws.calls == []


@pytest.mark.parametrize("values", [(), ("nonsense",), (DEPLOY,), (f"{DEPLOY},{DEPLOY}",), ("a,b,c",)])
def test_an_assertion_without_roles_is_told(
    pipeline: Pipeline, put: Callable[..., str], values: tuple[str, ...]
) -> None:
    """A response without roles is an error."""
    error = failure(pipeline, put(response_of(values=values)))
    assert "offers no AWS role" in error.message


def test_an_encrypted_assertion_needs_both_arns(pipeline: Pipeline, put: Callable[..., str]) -> None:
    """An encrypted assertion, which dsops can't read, needs both ARNs in the store."""
    assert "dsops can't read" in failure(pipeline, put(response_of(encrypted=True))).message
    both = f", role_arn: '{DEPLOY}', principal_arn: '{provider_of(DEPLOY)}'"
    pipeline.credentials(put(response_of(encrypted=True), both), "r")
    assert pipeline.aws.calls[-1].parameters["RoleArn"] == DEPLOY


# --- identity ------------------------------------------------------------------------------------------------


def test_another_assertion_is_another_session(pipeline: Pipeline, put: Callable[..., str]) -> None:
    """The responses of two users give two sessions; a second response of the same user is not sent."""
    for name in ("alice", "alice", "bob"):
        pipeline.credentials(put(response_of(DEPLOY, name=name)), "r")
    assert len(pipeline.aws.calls) == 2


def test_an_assertion_that_speaks_of_another_by_then_is_not_sent(pipeline: Pipeline, put: Callable[..., str]) -> None:
    """If the response's user differs from the plan's, the response is not sent.

    Otherwise the session would be cached as the first user's.
    """
    plan = pipeline.plan(put(response_of(DEPLOY)), store="r")
    put(response_of(DEPLOY, name="bob"))
    with pytest.raises(NoCredentials, match="has changed since this run was planned"):
        pipeline.time.run(pipeline.resolver(plan).credentials("r"), pipeline.aws)
    assert pipeline.aws.calls == []


def test_a_login_in_another_home_is_another_session(pipeline: Pipeline) -> None:
    """A browser login with another HOME, browser or display gets its own session.

    In that browser another user may be logged in.
    """
    text = f"secretStores:\n  r: {{type: aws.sts, role_arn: '{DEPLOY}', saml_login_url: 'http://127.0.0.1:1/'}}\n"
    fingerprints = []
    for more in ({}, {"BROWSER": "/an/editors/own"}, {"HOME": "/home/eve"}, {"XDG_CONFIG_HOME": "/eve"}):
        pipeline.environ = {**REGION, **more}
        fingerprints.append(pipeline.plan(text, store="r").steps["r"].fingerprint)
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints)) == 3


def test_of_encrypted_assertions_no_two_are_the_same_persons(pipeline: Pipeline, put: Callable[..., str]) -> None:
    """Encrypted responses are compared as a whole, since only AWS can read the user's name in them."""
    both = f", role_arn: '{DEPLOY}', principal_arn: '{provider_of(DEPLOY)}'"
    text = put(response_of(encrypted=True), both)
    plan = pipeline.plan(text, store="r")
    put(response_of(encrypted=True).replace("signature", "of-another-person"))
    with pytest.raises(NoCredentials, match="has changed since this run was planned"):
        pipeline.time.run(pipeline.resolver(plan).credentials("r"), pipeline.aws)
    assert pipeline.aws.calls == []
    put(response_of(encrypted=True))
    pipeline.time.run(pipeline.resolver(plan).credentials("r"), pipeline.aws)
    assert len(pipeline.aws.calls) == 1


@pytest.mark.parametrize(
    ("refusal", "kind", "hint"),
    [
        (
            Refusal("AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML", 403),
            AssumeRoleDenied,
            "SAML:aud",
        ),
        (
            Refusal("ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance", 400),
            StsRefused,
            "log in again",
        ),
        (Refusal("InvalidIdentityToken", "Response signature invalid", 400), StsRefused, "metadata"),
        (Refusal("InvalidIdentityToken", "Issuer not present in specified provider", 400), StsRefused, "metadata"),
        (
            Refusal(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                400,
            ),
            StsRefused,
            "lower `duration_seconds`",
        ),
    ],
)
def test_a_refusal_says_what_to_do_and_of_whom_it_spoke(
    pipeline: Pipeline, put: Callable[..., str], refusal: Refusal, kind: type[DsopsError], hint: str
) -> None:
    """A refusal shows AWS's message, a hint, and the user and issuer of the response."""
    pipeline.aws.rule = lambda _: refusal
    error = failure(pipeline, put(encoded(response_of(DEPLOY))))
    assert type(error) is kind
    assert hint in error.hint
    assert "speaks of `alice`, by `https://idp.example.com`" in error.hint


# --- validation of responses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not base64!",
        b"<a/>",
        b"<p:Response/>",
        b"PGEvPg==",
        b"root:x:0:0:root",
        b"\xff\xfe",
        b'<!DOCTYPE r [<!ENTITY e "x">]>' + response_of(DEPLOY).encode(),
        response_of(DEPLOY).encode()[:-5],
        response_of(DEPLOY, name="a" * 100_000).encode(),
        b"<a>" * 60 + b"</a>" * 60,
    ],
)
def test_what_is_no_response_is_not_sent(raw: bytes) -> None:
    """Content that is not a SAML response is never sent, and XML entities (bombs) are not expanded."""
    with pytest.raises(NoCredentials, match="is not a SAML response, so it is not sent"):
        read_response(raw, "it")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_response_or_told(raw: bytes) -> None:
    """Any bytes are parsed as a response or raise NoCredentials, never another exception."""
    for each in (raw, base64.b64encode(raw)):
        with pytest.raises(NoCredentials):
            read_response(each, "it")


def test_pairs_are_read_in_either_order() -> None:
    """Role and provider are accepted in either order, since identity providers and IAM's guide differ."""
    swapped = f" {provider_of(DEPLOY)} , {DEPLOY} "
    found = read_response(response_of(AUDIT, values=(swapped,)).encode(), "it")
    assert found.roles == (RoleOffer(DEPLOY, provider_of(DEPLOY)), RoleOffer(AUDIT, provider_of(AUDIT)))
    assert found.speaks_of == ("https://idp.example.com", "alice", "https://signin.aws.amazon.com/saml")
    assert "PLANTED" not in repr(found)


# --- the browser --------------------------------------------------------------------------------------------


class Window:
    """A stub of the user's browser: it posts the test's fields to the waiting port."""

    def __init__(self) -> None:
        self.port = unused_port()
        self.answers: list[tuple[int, str]] = []

    def ask(self, path: str, fields: dict[str, str] | None, host: str = "") -> None:
        """Send one request; store status and page."""
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                self.answers.append((answer.status, answer.read().decode()))
        except urllib.error.HTTPError as error:
            self.answers.append((error.code, error.read().decode()))


def test_the_first_response_counts_and_nothing_else_does() -> None:
    """The first valid response ends the wait; other pages, host names and malformed input are ignored.

    The port replies to all of them.
    """
    window = Window()
    good = encoded(response_of(DEPLOY))

    def browse() -> None:
        window.ask("/favicon.ico", None)
        window.ask("/saml", None)
        window.ask("/saml", {"SAMLResponse": good}, host="evil.example")
        window.ask("/saml", {"SAMLResponse": "rubbish"})
        window.ask("/saml", {"Other": good})
        with socket.create_connection(("127.0.0.1", window.port)) as idle:
            idle.sendall(b"POST /saml HTTP/1.1\r\n")
        window.ask("/saml?a=b", {"SAMLResponse": good, "RelayState": "x"}, host=f"localhost:{window.port}")

    with LoopbackPort(PATH, window.port, method="POST", most_bytes=400_000) as loopback:
        thread = threading.Thread(target=browse, daemon=True)
        thread.start()
        found = await_response(loopback, 20)
        thread.join(10)
    assert found.encoded == Secret(good)
    assert [status for status, _ in window.answers] == [404, 400, 400, 400, 400, 200]
    assert "you can close this window" in window.answers[-1][1]
    assert good not in "".join(page for _, page in window.answers)


def test_a_login_is_announced_and_needs_a_person() -> None:
    """A login prints page and port before it starts; it needs a terminal and a free port."""
    window = Window()
    person = Person()
    runtime = make_runtime(REGION, ask=person, folder="/")
    with pytest.raises(NoCredentials, match=r"a login at https://idp\.example\.com/aws is needed") as caught:
        log_in("https://idp.example.com/aws?secret=1", window.port, "r", runtime, seconds=1)
    assert "dsops whoami r" in caught.value.hint
    assert f"http://127.0.0.1:{window.port}/saml" in person.asked[0]
    assert "secret=1" not in person.asked[0]
    with socket.create_server(("127.0.0.1", window.port)), pytest.raises(NoCredentials) as taken:
        log_in("https://idp.example.com/", window.port, "r", runtime, seconds=1)
    assert f"port {window.port} of 127.0.0.1" in taken.value.message
    assert "saml_login_port" in taken.value.hint


def test_a_login_is_not_waited_for_when_its_person_is_gone() -> None:
    """If the client disconnects, the wait ends and the port is free for the next login, also in the agent."""
    window = Window()
    runtime = make_runtime({**REGION, "BROWSER": "true", "PATH": "/usr/bin:/bin"}, ask=Person(""), folder="/")
    looks = iter([False, False, False, True])
    runtime = runtime._replace(has_left=lambda: next(looks))
    with pytest.raises(NoCredentials, match="was cancelled"):
        log_in("https://idp.example.com/", window.port, "r", runtime, seconds=60)
    socket.create_server(("127.0.0.1", window.port)).close()


@pytest.mark.parametrize("command", ["true", "false"])
def test_a_login_without_an_end_ends(command: str) -> None:
    """A login without an answer ends with a timeout; a browser that does not start is reported at once."""
    window = Window()
    runtime = make_runtime({**REGION, "BROWSER": command, "PATH": "/usr/bin:/bin"}, ask=Person(""), folder="/")
    start = partial(log_in, "https://idp.example.com/", window.port, "r", runtime, seconds=1)
    expected = "sent no SAML response" if command == "true" else "no browser could be opened"
    if command == "false":
        start = partial(start, seconds=20)
    if sys.platform == "darwin":
        pytest.skip("macOS has a browser of its own that BROWSER does not replace")
    with pytest.raises(NoCredentials, match=expected):
        start()


def test_of_a_huge_file_only_the_beginning_is_read(pipeline: Pipeline, tmp_path: Path) -> None:
    """dsops reads only the beginning of a huge response file."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    text = f"secretStores:\n  r: {{type: aws.sts, saml_assertion_file: '{tmp_path}/huge'}}\n"
    assert "is not a SAML response" in failure(pipeline, text).message
