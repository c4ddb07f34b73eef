"""Unchanged boto3 and AWS CLI assume a role with a web identity token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from dsops.sandbox.control.client import client_environment
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed

BIN = Path(sys.executable).parent
ROLE = "arn:aws:iam::111111111111:role/Deploy"
SEED = """
accounts:
  "111111111111":
    oidc_providers:
    - {url: "https://token.actions.githubusercontent.com", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}
    roles:
      Deploy:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {Federated: "arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com"}
            Action: sts:AssumeRoleWithWebIdentity
            Condition:
              StringEquals: {"token.actions.githubusercontent.com:aud": sts.amazonaws.com}
              StringLike: {"token.actions.githubusercontent.com:sub": "repo:org/app:*"}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}
    secrets: {db: invented}
"""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A sandbox with a role for the jobs of one repository."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


def job_token(server: SandboxServer, repository: str) -> str:
    """The OIDC token of a GitHub Actions job in this repository, requested as GitHub's toolkit does."""
    query = urlencode({"api-version": "2.0", "repository": repository})
    url = f"{server.url}/_sandbox/github?{query}&audience=sts.amazonaws.com"
    request = Request(url, headers={"Authorization": f"Bearer {server.control.tokens.github_token}"})
    with urlopen(request, timeout=10) as answer:
        token: str = json.loads(answer.read())["value"]
    return token


def test_boto3_reads_the_token_from_its_file(
    server: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 needs only AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN to assume the role and read the secret."""
    file = tmp_path / "token"
    file.write_text(job_token(server, "org/app"))
    for name, value in {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
        "AWS_ROLE_ARN": ROLE,
        "AWS_ROLE_SESSION_NAME": "job",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)

    session = boto3.Session()

    assert session.client("sts").get_caller_identity()["Arn"] == "arn:aws:sts::111111111111:assumed-role/Deploy/job"
    assert session.client("secretsmanager").get_secret_value(SecretId="db")["SecretString"] == "invented"


def test_boto3_gets_the_reason_for_another_repository(server: SandboxServer) -> None:
    """boto3 raises InvalidIdentityToken for a bad token, AccessDenied for a token that the trust policy excludes."""
    client = boto3.client(
        "sts", region_name="us-east-1", endpoint_url=server.url, aws_access_key_id="x", aws_secret_access_key="y"
    )
    wish = {"RoleArn": ROLE, "RoleSessionName": "job"}

    with pytest.raises(ClientError, match=r"\(AccessDenied\).*Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        client.assume_role_with_web_identity(**wish, WebIdentityToken=job_token(server, "evil/app"))
    with pytest.raises(client.exceptions.InvalidIdentityTokenException):
        client.assume_role_with_web_identity(**wish, WebIdentityToken=job_token(server, "org/app")[:-8] + "AAAAAAAA")


def test_the_aws_cli_takes_a_token_minted_by_dsops(server: SandboxServer, tmp_path: Path) -> None:
    """The AWS CLI assumes a role with a token file of `dsops sandbox token`, and fails without a valid token."""
    variables = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": "token",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "DSOPS_AGENT": "off",
    }
    script = f"""
    set -e
    dsops sandbox token --port {server.port} --sub repo:org/app:ref:refs/heads/main actor=me > token
    aws sts get-caller-identity --query Arn --output text
    aws secretsmanager get-secret-value --secret-id db --query SecretString --output text
    dsops sandbox token --port {server.port} --sub repo:evil/app:ref:refs/heads/main > token
    aws sts get-caller-identity
    """
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=client_environment(dict(os.environ), variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert len(done.stdout.split()) == 2, done.stderr
    arn, secret = done.stdout.split()
    assert arn.startswith("arn:aws:sts::111111111111:assumed-role/Deploy/")
    assert secret == "invented"
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in done.stderr
    assert done.returncode != 0


def test_a_job_finds_its_token_by_the_variables_of_github(server: SandboxServer, tmp_path: Path) -> None:
    """`dsops sandbox env --github-repository` sets GitHub's two OIDC variables and no AWS keys."""
    environment = client_environment(dict(os.environ), {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)})
    done = subprocess.run(
        [BIN / "dsops", "sandbox", "env", "--port", str(server.port), "--github-repository", "org/app"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert f"export ACTIONS_ID_TOKEN_REQUEST_TOKEN={server.control.tokens.github_token}" in done.stdout
    assert "repository=org%2Fapp" in done.stdout
    assert "AWS_ACCESS_KEY_ID=" not in done.stdout


def test_tokens_that_cannot_be_minted(server: SandboxServer, tmp_path: Path) -> None:
    """`dsops sandbox token` rejects an unknown issuer, a missing subject and a malformed claim."""
    for words, message in (
        (["--sub", "s", "--iss", "https://login.example.com"], "holds no keys of https://login.example.com"),
        ([], "--sub is missing"),
        (["--sub", "s", "actor"], "`actor` is not NAME=VALUE"),
        (["--sub", "s", "amr=[1"], "the value of the claim `amr` is not JSON"),
    ):
        done = subprocess.run(
            [BIN / "dsops", "sandbox", "token", "--port", str(server.port), *words],
            cwd=tmp_path,
            env=client_environment(dict(os.environ), {"HOME": str(tmp_path)}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in {2, 5}
        assert message in done.stderr
