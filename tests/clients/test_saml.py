"""Unchanged boto3 and AWS CLI assume a role with a SAML response."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from dsops.sandbox.control.client import client_environment
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.running_sandboxes import ask, tell
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed

BIN = Path(sys.executable).parent
ROLE = "arn:aws:iam::111111111111:role/Deploy"
PROVIDER = "arn:aws:iam::111111111111:saml-provider/Corp"
SEED = f"""
accounts:
  "111111111111":
    saml_providers: [{{name: Corp, issued_by_sandbox: true}}]
    roles:
      Deploy:
        trust:
          Version: "2012-10-17"
          Statement:
          - Effect: Allow
            Principal: {{Federated: "{PROVIDER}"}}
            Action: ["sts:AssumeRoleWithSAML", "sts:TagSession"]
            Condition:
              StringEquals: {{"SAML:aud": "https://signin.aws.amazon.com/saml", "aws:RequestTag/team": blue}}
        policies:
        - Version: "2012-10-17"
          Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}
    secrets: {{db: invented}}
"""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A sandbox with a role for the company's users of team blue."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


def test_boto3_becomes_the_role(server: SandboxServer) -> None:
    """boto3 assumes a role by SAML and reads a secret; a modified response raises InvalidIdentityTokenException."""
    options = {"region_name": "us-east-1", "endpoint_url": server.url}
    client = boto3.client("sts", aws_access_key_id="x", aws_secret_access_key="y", **options)
    wish = {"role": ROLE, "session_name": "alice", "tags": {"team": "blue"}}
    response = tell(server.url, "saml", wish)["assertion"]

    answer = client.assume_role_with_saml(RoleArn=ROLE, PrincipalArn=PROVIDER, SAMLAssertion=response)

    assert (answer["Subject"], answer["SubjectType"], answer["Audience"]) == (
        "alice",
        "persistent",
        "https://signin.aws.amazon.com/saml",
    )
    credentials = answer["Credentials"]
    secrets = boto3.client(
        "secretsmanager",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        **options,
    )
    assert secrets.get_secret_value(SecretId="db")["SecretString"] == "invented"
    other = tell(server.url, "saml", {**wish, "session_name": "mallory"})["assertion"]
    spliced = other[: len(other) // 2] + response[len(other) // 2 :]
    with pytest.raises(client.exceptions.InvalidIdentityTokenException):
        client.assume_role_with_saml(RoleArn=ROLE, PrincipalArn=PROVIDER, SAMLAssertion=spliced)


def test_boto3_makes_a_provider_of_the_sandboxs_metadata(server: SandboxServer) -> None:
    """boto3 creates a SAML provider from the sandbox's metadata, and the role that trusts it admits team blue only."""
    keys = ask(server.url, "identity", **{"as": "admin"})
    iam = boto3.client(
        "iam",
        region_name="us-east-1",
        endpoint_url=server.url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
    )
    metadata = ask(server.url, "saml")["metadata"]

    made = iam.create_saml_provider(Name="Made", SAMLMetadataDocument=metadata)["SAMLProviderArn"]

    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": made},
            "Action": "sts:AssumeRoleWithSAML",
            "Condition": {"StringEquals": {"saml:sub": "alice"}},
        },
    }
    role = iam.create_role(RoleName="Made", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    client = boto3.client(
        "sts", region_name="us-east-1", endpoint_url=server.url, aws_access_key_id="x", aws_secret_access_key="y"
    )
    for subject, is_let_in in (("alice", True), ("bob", False)):
        response = tell(server.url, "saml", {"role": role, "provider": "Made", "subject": subject})["assertion"]
        wish = {"RoleArn": role, "PrincipalArn": made, "SAMLAssertion": response}
        if is_let_in:
            assert client.assume_role_with_saml(**wish)["Subject"] == subject
        else:
            with pytest.raises(client.exceptions.ClientError, match="Not authorized to perform sts:AssumeRoleWithSAML"):
                client.assume_role_with_saml(**wish)


def test_the_aws_cli_takes_a_response_minted_by_dsops(server: SandboxServer, tmp_path: Path) -> None:
    """The AWS CLI accepts a minted SAML response from a file or as JSON; a user of another team is denied."""
    variables = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }
    script = f"""
    set -e
    mint() {{ dsops sandbox saml --port {server.port} --role {ROLE} --session-name alice "$@"; }}
    mint --tag team=blue --out response.b64
    aws sts assume-role-with-saml --role-arn {ROLE} --principal-arn {PROVIDER} \
        --saml-assertion file://response.b64 --query AssumedRoleUser.Arn --output text
    aws sts assume-role-with-saml --cli-input-json "$(mint --tag team=blue --json)" \
        --duration-seconds 900 --query Subject --output text
    aws sts assume-role-with-saml --cli-input-json "$(mint --tag team=red --json)"
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

    assert done.stdout.split() == ["arn:aws:sts::111111111111:assumed-role/Deploy/alice", "alice"], done.stderr
    assert "(AccessDenied)" in done.stderr
    assert "Not authorized to perform sts:AssumeRoleWithSAML" in done.stderr
    assert done.returncode != 0
