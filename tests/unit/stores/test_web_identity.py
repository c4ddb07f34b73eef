"""Web identity tokens: where they come from, the STS call, whose session it is, and refusals."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

import pytest

from dsops.aws.http.wire import Response
from dsops.errors import AssumeRoleDenied, DsopsError, NoCredentials, ServiceError, StsRefused, Unreachable
from tests.aws_in_memory import Refusal
from tests.pipeline import Pipeline, words

ROLE = "arn:aws:iam::111111111111:role/Deploy"
URL = "https://tokens.example/get?api-version=2.0"
GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "PLANTEDbearer"}
REGION = {"AWS_REGION": "us-east-1"}


def token_of(subject: str = "repo:org/app:ref:refs/heads/main", mark: str = "") -> str:
    """Return a token; its signature is never verified here."""
    claims = {"iss": "https://token.example", "sub": subject, "aud": "sts.amazonaws.com", "mark": mark}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{body}.PLANTEDsignature"


def store(fields: str) -> str:
    """Return a configuration with one role that has these fields."""
    return f"secretStores:\n  r: {{type: aws.sts, role_arn: '{ROLE}', {fields}}}\n"


@pytest.fixture
def pipeline() -> Pipeline:
    """A process without any credentials."""
    pipeline = Pipeline()
    pipeline.environ = REGION
    return pipeline


def failure(pipeline: Pipeline, text: str) -> DsopsError:
    """Return the error of the session; assert that it shows nothing of the token."""
    with pytest.raises(DsopsError) as caught:
        pipeline.credentials(text, "r")
    assert "PLANTED" not in words(caught.value)
    return caught.value


def test_the_call_is_not_signed_and_says_what_the_store_says(pipeline: Pipeline) -> None:
    """The unsigned call sends session name, duration, policies and token to the store's region."""
    pipeline.environ = {**REGION, "TOKEN": f"{token_of()}\n"}
    policy = '{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}'
    pipeline.credentials(
        store(
            "region: eu-west-1, web_identity_token: '${TOKEN}', role_session_name: job, duration_seconds: 7200, "
            f"session_policy: {policy}, policy_arns: 'arn:aws:iam::aws:policy/ReadOnlyAccess'"
        ),
        "r",
    )
    (call,) = pipeline.aws.calls
    assert (call.host, call.access_key_id) == ("sts.eu-west-1.amazonaws.com", "")
    assert call.parameters == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "job",
        "DurationSeconds": "7200",
        "WebIdentityToken": token_of(),
        "Policy": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
        "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    }


# --- tokens in variables and files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "variable"),
    [("gitlab", "GITLAB_OIDC_TOKEN"), ("circleci", "CIRCLE_OIDC_TOKEN_V2"), ("circleci", "CIRCLE_OIDC_TOKEN")],
)
def test_a_platforms_variable_is_the_token(pipeline: Pipeline, platform: str, variable: str) -> None:
    """The token comes from the platform's variable; if that variable is not set, the error names it."""
    text = store(f"web_identity: {platform}")
    error = failure(pipeline, text)
    assert isinstance(error, NoCredentials)
    assert variable.removesuffix("_V2") in error.message
    pipeline.environ = {**REGION, variable: token_of()}
    pipeline.credentials(text, "r")
    assert pipeline.aws.calls[-1].parameters["WebIdentityToken"] == token_of()


def test_a_token_file_is_read_for_each_session(pipeline: Pipeline, tmp_path: Path) -> None:
    """The token file is read again for each session, since Kubernetes replaces it."""
    file = tmp_path / "token"
    pipeline.environ = {**REGION, "AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}
    text = store("web_identity: kubernetes")
    file.write_text(f"{token_of(mark='1')}\n")
    plan = pipeline.plan(text, store="r")
    file.write_text(token_of(mark="2"))
    pipeline.time.run(pipeline.resolver(plan).credentials("r"), pipeline.aws)
    assert [call.parameters["WebIdentityToken"] for call in pipeline.aws.calls] == [token_of(mark="2")]


def test_a_variable_names_a_file_wherever_one_works(pipeline: Pipeline) -> None:
    """A relative path in the token file variable is refused, since EKS sets an absolute path."""
    pipeline.environ = {**REGION, "AWS_WEB_IDENTITY_TOKEN_FILE": "token"}
    assert "not an absolute path" in failure(pipeline, store("web_identity: kubernetes")).message


def test_a_token_that_speaks_of_another_by_then_is_not_sent(pipeline: Pipeline, tmp_path: Path) -> None:
    """A token is not sent if its subject differs from the planned one, or if there was no token when planning."""
    file = tmp_path / "token"
    text = store(f"web_identity_token_file: '{file}'")
    for before in (token_of("ada"), ""):
        file.write_text(before)
        plan = pipeline.plan(text, store="r")
        file.write_text(token_of("eve"))
        with pytest.raises(NoCredentials, match="has changed since this run was planned") as caught:
            pipeline.time.run(pipeline.resolver(plan).credentials("r"), pipeline.aws)
        assert "sub `eve`" in caught.value.why
    assert pipeline.aws.calls == []


def test_one_session_serves_one_token(pipeline: Pipeline) -> None:
    """A cached session is used only for the same token."""
    text = store("web_identity_token: '${TOKEN}', role_session_name: job")
    for token in (token_of(), token_of(), token_of("eve"), token_of(mark="rotated")):
        pipeline.environ = {**REGION, "TOKEN": token}
        pipeline.credentials(text, "r")
    sent = [call.parameters["WebIdentityToken"] for call in pipeline.aws.calls]
    assert sent == [token_of(), token_of("eve"), token_of(mark="rotated")]


@pytest.mark.parametrize("content", ["PLANTED private key", "PLANTED.bm8.x", "a.b", f"{token_of()} x", "é.é.é", ""])
def test_nothing_but_a_token_is_ever_sent(pipeline: Pipeline, tmp_path: Path, content: str) -> None:
    """Content that is not a token is never sent, since a configuration may name any file."""
    (tmp_path / "file").write_text(content)
    error = failure(pipeline, store(f"web_identity_token_file: '{tmp_path}/file'"))
    assert isinstance(error, NoCredentials)
    assert pipeline.aws.calls == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_pipe_is_not_waited_for(pipeline: Pipeline, tmp_path: Path) -> None:
    """A pipe in place of the token file is not read, so dsops does not wait for a writer."""
    os.mkfifo(tmp_path / "pipe")
    assert "no token in" in failure(pipeline, store(f"web_identity_token_file: '{tmp_path}/pipe'")).message


def test_of_a_huge_file_only_the_beginning_is_read(pipeline: Pipeline, tmp_path: Path) -> None:
    """dsops reads only the beginning of a huge token file."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    assert "is not a JSON Web Token" in failure(pipeline, store(f"web_identity_token_file: '{tmp_path}/huge'")).message


# --- commands -----------------------------------------------------------------------------------------------


def test_a_commands_output_is_the_token(pipeline: Pipeline, tmp_path: Path) -> None:
    """A command runs for each session and prints the token.

    Any other output is an error that does not show the output.
    """
    pipeline.folder = str(tmp_path)
    program = tmp_path / "print.py"
    text = store(f"web_identity_process: ['{sys.executable}', '{program}']")
    program.write_text(f"print({token_of()!r})")
    pipeline.credentials(text, "r")
    assert pipeline.aws.calls[-1].parameters["WebIdentityToken"] == token_of()
    for source, why in (
        ("import sys; print('PLANTED'); sys.exit(3)", "exit code 3"),
        ("print('PLANTED' * 9000)", "more than a token"),
    ):
        program.write_text(source)
        pipeline.environ = {**REGION, "ANOTHER": why}
        assert why in failure(pipeline, text).why


def test_buildkites_agent_is_asked(pipeline: Pipeline, tmp_path: Path) -> None:
    """`web_identity: buildkite` runs buildkite-agent from PATH; if it is missing, the error says so."""
    pipeline.folder = str(tmp_path)
    text = store("web_identity: buildkite, web_identity_audience: mine")
    pipeline.environ = {**REGION, "PATH": str(tmp_path)}
    assert "can't be run" in failure(pipeline, text).why
    agent = tmp_path / "buildkite-agent"
    agent.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho {token_of()}\n')
    agent.chmod(0o755)
    pipeline.environ = {**REGION, "PATH": f"{tmp_path}:{os.defpath}"}
    pipeline.credentials(text, "r")
    assert (tmp_path / "asked").read_text() == "oidc request-token --audience mine\n"


# --- GitHub -------------------------------------------------------------------------------------------------


def answer(status: int, content: object) -> Response:
    """Return a response of GitHub's endpoint."""
    return Response(status, {}, json.dumps(content).encode())


@pytest.mark.parametrize("audience", ["sts.amazonaws.com", "a&b"])
def test_github_is_asked_for_a_token(pipeline: Pipeline, audience: str) -> None:
    """GitHub's endpoint is called with the audience; the job's own token is sent only in a header."""
    pipeline.environ = {**REGION, **GITHUB}
    quoted = audience.replace("&", "%26")
    pipeline.aws.pages[f"{URL}&audience={quoted}"] = [answer(200, {"value": token_of()})]
    pipeline.credentials(store(f"web_identity: github, web_identity_audience: '{audience}'"), "r")
    (get,) = pipeline.aws.gets
    assert dict(get.headers)["Authorization"] == "Bearer PLANTEDbearer"
    result_text = [event.facts["caller"] for event in pipeline.reports.events if event.name == "credentials.issued"]
    assert result_text == ["the token from GitHub Actions"]
    assert "PLANTED" not in repr(get)
    assert pipeline.aws.calls[-1].parameters["WebIdentityToken"] == token_of()


def test_github_is_asked_again_while_it_is_down(pipeline: Pipeline) -> None:
    """A 5xx response of GitHub's endpoint is retried, up to four attempts; a refusal is not retried."""
    pipeline.environ = {**REGION, **GITHUB}
    page, text = f"{URL}&audience=sts.amazonaws.com", store("web_identity: github")
    pipeline.aws.pages[page] = [Unreachable("down"), answer(503, {}), answer(200, {"value": token_of()})]
    pipeline.credentials(text, "r")
    assert len(pipeline.aws.gets) == 3
    pipeline.environ = {**REGION, **GITHUB, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "PLANTEDother"}
    pipeline.aws.pages[page] = [answer(503, {})] * 5
    assert isinstance(failure(pipeline, text), ServiceError)
    assert len(pipeline.aws.pages[page]) == 1
    pipeline.aws.pages[page] = [Unreachable("down", hint="correct `endpoint_url`") for _ in range(5)]
    error = failure(pipeline, text)
    assert error.message == "store `r`: GitHub's token endpoint: down"
    assert "endpoint_url" not in error.hint
    assert len(pipeline.aws.pages[page]) == 1
    pipeline.aws.pages[page] = [answer(403, {"message": "PLANTED"})] * 2
    assert "id-token: write" in failure(pipeline, text).hint
    assert len(pipeline.aws.pages[page]) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"ACTIONS_ID_TOKEN_REQUEST_URL": ""},
        {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""},
        {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://tokens.example/get"},
        {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://me@tokens.example/get"},
        {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://tokens.example/get?a b"},
        {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "PLANTED\r\nHost: evil"},
    ],
)
def test_githubs_variables_are_checked(pipeline: Pipeline, broken: dict[str, str]) -> None:
    """If GitHub's variables are incomplete or not https, no request is made."""
    pipeline.environ = {**REGION, **GITHUB, **broken}
    assert isinstance(failure(pipeline, store("web_identity: github")), NoCredentials)
    assert pipeline.aws.gets == []


def test_an_answer_without_a_token_is_an_error(pipeline: Pipeline) -> None:
    """If GitHub's response contains no token, dsops raises an error."""
    pipeline.environ = {**REGION, **GITHUB}
    page = f"{URL}&audience=sts.amazonaws.com"
    contents: list[object] = [{"value": 7}, {}, [], {"value": "PLANTED"}]
    for content in contents:
        pipeline.aws.pages[page] = [answer(200, content)]
        assert isinstance(failure(pipeline, store("web_identity: github")), NoCredentials)


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "kind", "hint"),
    [
        (
            Refusal("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403),
            AssumeRoleDenied,
            "its conditions on `aud` and `sub`",
        ),
        (Refusal("ExpiredTokenException", "Token expired: current date/time 2 must be"), StsRefused, "new token"),
        (Refusal("InvalidIdentityToken", "Incorrect token audience"), StsRefused, "IAM OIDC provider lists"),
        (
            Refusal("InvalidIdentityToken", "No OpenIDConnect provider found in your account for x"),
            StsRefused,
            "make an IAM OIDC provider",
        ),
        (
            Refusal(
                "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            ),
            StsRefused,
            "lower `duration_seconds`",
        ),
    ],
)
def test_a_refusal_says_what_to_check(pipeline: Pipeline, refusal: Refusal, kind: type[DsopsError], hint: str) -> None:
    """The error for a refusal shows a hint, the store's line, and the token's issuer, subject and audience."""
    pipeline.environ = {**REGION, "TOKEN": token_of()}
    pipeline.aws.rule = lambda _: refusal
    error = failure(pipeline, store("web_identity_token: '${TOKEN}'"))
    assert type(error) is kind
    assert hint in error.hint
    assert "sub `repo:org/app:ref:refs/heads/main`, aud `sts.amazonaws.com`, iss `https://token.example`" in error.hint
    assert "store `r`" in error.message
    assert str(error.where) == "dsops.yaml:2"
    if isinstance(error, AssumeRoleDenied):
        assert error.speaks_of == ("https://token.example", "repo:org/app:ref:refs/heads/main", "sts.amazonaws.com")


def test_a_message_that_repeats_the_token_is_told_without_it(pipeline: Pipeline) -> None:
    """If the server repeats the token in its message, the error masks it."""
    pipeline.environ = {**REGION, "TOKEN": token_of()}
    pipeline.aws.rule = lambda call: Refusal("InvalidIdentityToken", f"bad: {call.parameters['WebIdentityToken']}")
    assert "bad: ***" in failure(pipeline, store("web_identity_token: '${TOKEN}'")).why
