"""Web identity tokens with real processes: with an agent, over several hours, and verified by the sandbox."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dsops
from dsops.errors import NoCredentials
from dsops.sandbox.control.running_sandboxes import ask
from dsops.testing.local_aws import LocalAws
from tests.desk import Desk

ISSUER = "https://oidc.example.com"
SEED = """
accounts:
  "123456789012":
    oidc_providers:
    - {url: "https://oidc.example.com", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}
    - {url: "https://token.actions.githubusercontent.com", client_ids: [mine], issued_by_sandbox: true}
    roles:
      Reader:
        max_session_duration: 7200
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {Federated: "arn:aws:iam::123456789012:oidc-provider/oidc.example.com"}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {StringLike: {"oidc.example.com:sub": "pod:*"}}
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}
      Deploy:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {Federated: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}
            Action: sts:AssumeRoleWithWebIdentity
            Condition:
              StringEquals: {"token.actions.githubusercontent.com:aud": mine}
              StringLike: {"token.actions.githubusercontent.com:sub": "repo:org/app:*"}
    secrets: {prod/token: the-secret}
"""
CONFIG = """
version: 1
secretStores:
  role:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Reader
    web_identity: kubernetes
    duration_seconds: 7200
  job:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Deploy
    web_identity: github
    web_identity_audience: ${AUDIENCE:-mine}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: role}
envs:
  production: {SECRET: {from: {store: secrets, key: prod/token}}}
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Pod(Desk):
    """A container without keys, with a token file and its own agent."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        self.file = folder / "token"
        super().__init__(sandbox, folder, CONFIG, AWS_WEB_IDENTITY_TOKEN_FILE=str(self.file))

    def mint(self, subject: str, *, seconds: int = 300) -> str:
        """A token of the sandbox's issuer for this subject."""
        port = self.sandbox.url.rpartition(":")[2]
        minted = self.dsops(
            "sandbox", "token", "--port", port, "--iss", ISSUER, "--sub", subject, "--expires", str(seconds)
        )
        assert minted.returncode == 0, minted.stderr
        return minted.stdout.strip()

    def secret(self) -> str:
        """The secret that `dsops exec` passes to a command; its stderr if it fails."""
        done = self.dsops("exec", "--env", "production", "--", "printenv", "SECRET")
        return done.stdout.strip() if not done.returncode else done.stderr

    def sessions(self) -> list[str]:
        """The token subjects of the sessions that the sandbox issued."""
        called = [event for event in self.sandbox.events() if event["eventName"] == "AssumeRoleWithWebIdentity"]
        return [each["userIdentity"]["userName"] for each in called if "errorCode" not in each]


@pytest.fixture
def pod(sandbox: LocalAws, tmp_path: Path) -> Iterator[Pod]:
    """A pod; its agent is stopped when the test ends."""
    with Pod(sandbox, tmp_path) as made:
        yield made


def test_one_session_serves_a_token_and_no_other(pod: Pod) -> None:
    """The agent serves a web identity session only to clients with the token that it was issued for."""
    pod.file.write_text(pod.mint("pod:one"))
    assert [pod.secret(), pod.secret()] == ["the-secret"] * 2
    assert pod.sessions() == ["pod:one"]
    pod.file.write_text(pod.mint("pod:two"))
    assert pod.secret() == "the-secret"
    assert pod.sessions() == ["pod:one", "pod:two"]
    pod.file.write_text(pod.mint("stranger"))
    assert "may not assume" in pod.secret()
    pod.file.write_text("pod:one")
    assert "is not a JSON Web Token" in pod.secret()
    pod.file.unlink()
    assert "there is no token in" in pod.secret()
    assert pod.sessions() == ["pod:one", "pod:two"]


def test_an_expired_token_has_a_hint(pod: Pod) -> None:
    """An expired token fails with a hint to get a new token; a session that was issued earlier stays valid."""
    pod.file.write_text(pod.mint("pod:one", seconds=60))
    assert pod.secret() == "the-secret"
    pod.sandbox.clock.advance(3600)
    assert pod.secret() == "the-secret"
    pod.dsops("agent", "stop")
    stderr = pod.secret()
    assert "Token expired" in stderr
    assert "get a new token" in stderr
    assert pod.mint("pod:one").split(".")[0] not in stderr


def test_a_tokens_session_lasts_as_long_as_the_role_allows(pod: Pod) -> None:
    """A web identity session can last the role's maximum (2 hours); for 3 hours the error names `duration_seconds`."""
    pod.file.write_text(pod.mint("pod:one"))
    assert "in 1 h 59 min" in pod.dsops("whoami", "role", "--no-agent").stdout
    (pod.folder / "dsops.yaml").write_text(CONFIG.replace("7200", "10800"))
    assert "lower `duration_seconds`" in pod.dsops("whoami", "role", "--no-agent").stderr


@pytest.mark.parametrize("transport", ["pycurl", "urllib3"])
def test_a_job_of_a_trusted_repository_is_let_in(pod: Pod, transport: str) -> None:
    """dsops requests a GitHub job's token with GitHub's variables; another repository or audience is refused."""
    token = str(ask(pod.sandbox.url, "identity")["GitHubToken"])
    answers = {}
    for repository, audience in (("org/app", ""), ("evil/app", ""), ("org/app", "sts.amazonaws.com")):
        job = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{pod.sandbox.url}/_sandbox/github?repository={repository}",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": token,
            "AUDIENCE": audience,
            "DSOPS_TRANSPORT": transport,
        }
        done = pod.dsops("whoami", "job", "--no-agent", **job)
        answers[repository, audience] = done.stdout + done.stderr
        assert token not in answers[repository, audience]
    assert "assumed-role/Deploy" in answers["org/app", ""]
    assert "sub `repo:evil/app:" in answers["evil/app", ""]
    assert "Incorrect token audience" in answers["org/app", "sts.amazonaws.com"]


def test_a_command_works_with_the_session_of_a_token(pod: Pod) -> None:
    """With `exec --credentials --serve`, a command gets the session of a web identity token from an endpoint."""
    pod.file.write_text(pod.mint("pod:one"))
    done = pod.dsops(
        "exec",
        "--no-agent",
        "--credentials",
        "role",
        "--serve",
        "--env",
        "production",
        "--",
        sys.executable,
        "-c",
        "import boto3; print(boto3.client('sts', region_name='us-east-1').get_caller_identity()['Arn'])",
    )
    assert "assumed-role/Reader" in done.stdout, done.stderr


def test_no_base_credentials_are_looked_for(pod: Pod) -> None:
    """A web identity store ignores base credentials, so a wrong key or half a key pair causes no error."""
    pod.file.write_text(pod.mint("pod:one"))
    for keys in ({"AWS_ACCESS_KEY_ID": "AKIAHALFAPAIR"}, {"AWS_PROFILE": "absent"}):
        done = pod.dsops("exec", "--no-agent", "--env", "production", "--", "printenv", "SECRET", **keys)
        assert (done.returncode, done.stdout) == (0, "the-secret\n"), done.stderr


def test_the_library_reads_the_token_file_for_each_session(pod: Pod) -> None:
    """`dsops.open` reads the token file for each session and refuses a token whose subject is not the planned one."""
    library = dsops.open(folder=pod.folder, environ=pod.environ, now=pod.sandbox.clock.now)
    with pytest.raises(NoCredentials, match="there is no token in"):
        library.credentials("role")
    pod.file.write_text(pod.mint("pod:one"))
    first = library.credentials("role")
    assert library.secrets("production")["SECRET"].reveal() == "the-secret"

    pod.sandbox.clock.advance(2 * 3600)
    pod.file.write_text(pod.mint("pod:one"))
    second = library.credentials("role")
    assert first.access_key_id != second.access_key_id
    pod.sandbox.clock.advance(2 * 3600)
    pod.file.write_text(pod.mint("pod:two"))
    with pytest.raises(NoCredentials, match="has changed since this run was planned"):
        library.credentials("role")
    assert pod.sessions() == ["pod:one", "pod:one"]
