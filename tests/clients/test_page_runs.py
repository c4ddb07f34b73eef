"""The AWS STS page's code blocks, extracted from the unmodified page, run in a sandbox.

Each block runs in `dsops sandbox run` with the real program, the AWS CLI and boto3.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.founding_page import Block, blocks
from tests.permission import allow_found

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    # Environment variables that the page's dynamic configurations read.
    "TARGET_ROLE_ARN": "arn:aws:iam::123456789012:role/DynamicRole",
    "EXTERNAL_ID": "an-external-id",
    "PROD_ACCOUNT_ID": "012345678901",
    "SERVICE_NAME": "billing",
    "CUSTOMER_ROLE_ARN": "arn:aws:iam::987654321098:role/CustomerAccess",
    "CUSTOMER_EXTERNAL_ID": "customer-42",
    "MFA_DEVICE_ARN": "arn:aws:iam::123456789012:mfa/on-call",
    "AWS_REGION": "us-east-1",
    "USER": "alice",
}
DEVICES = {
    "aws-sts-sensitive": ("MFA_TOKEN", "arn:aws:iam::123456789012:mfa/username"),
    "aws-sts-mfa": ("MFA_CODE", "arn:aws:iam::123456789012:mfa/admin"),
    "break-glass": ("MFA_TOKEN", "arn:aws:iam::123456789012:mfa/on-call"),
}
"""Store -> the variable that its `token_code` reads, and the MFA device that shows the code."""

CONFIGURATIONS = [block for block in blocks("yaml") if "secretStores:" in block.text]
DURATIONS = next(block for block in blocks("yaml") if "TOO LONG" in block.text)
DENY_ONLY = next(block for block in blocks("yaml") if block.text.startswith("session_policy:"))
WORKFLOW = next(block for block in blocks("yaml") if "uses: aws-actions" in block.text)
TRUST = next(block for block in blocks("json") if block.heading == "Trust Policy (in target account)")
PERMISSIONS = next(block for block in blocks("json") if block.heading == "Role Permissions")
CONDITIONS = next(block for block in blocks("json") if block.heading == "4. Use Condition Keys")
LAMBDA = blocks("python")[0]
DENIAL = next(block for block in blocks("bash") if block.heading == "Access Denied Errors")


def in_sandbox(
    folder: Path, script: str, *options: str, check: bool = True, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a bash script in this folder inside `dsops sandbox run`."""
    allow_found(folder)
    done = subprocess.run(
        [BIN / "dsops", "sandbox", "run", *options, "--", "bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, "PATH": f"{BIN}:{os.environ['PATH']}", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def write(folder: Path, name: str, text: str) -> Path:
    """Write a file into the folder; return its path."""
    path = folder / name
    path.write_text(text)
    return path


def stores_of(text: str) -> dict[str, dict[str, Any]]:
    """The configuration's stores, parsed by PyYAML rather than dsops."""
    stores: dict[str, dict[str, Any]] = yaml.safe_load(text)["secretStores"]
    return stores


def test_the_page_has_thirteen_configurations() -> None:
    """The AWS STS page has thirteen configurations, as the issue says, so the tests below skip none."""
    assert len(CONFIGURATIONS) == 13


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=lambda block: block.heading)
def test_every_store_issues_credentials(block: Block, tmp_path: Path) -> None:
    """Each aws.sts store of the AWS STS page issues its role's session in a sandbox made from the page."""
    write(tmp_path, "dsops.yaml", block.text)
    roles = {name: store for name, store in stores_of(block.text).items() if store["type"] == "aws.sts"}
    lines = []
    for name in roles:
        code = ""
        if name in DEVICES:
            variable, serial = DEVICES[name]
            code = f"{variable}=$(dsops sandbox totp {serial}) "
        lines.append(f"{code}dsops whoami {name} --json")

    done = in_sandbox(tmp_path, "\n".join(lines), "--from", "dsops.yaml")

    callers = [json.loads(line)["arn"] for line in re.findall(r"^\{.*?^\}", done.stdout, re.DOTALL | re.MULTILINE)]
    assert len(callers) == len(roles)
    for (name, store), caller in zip(roles.items(), callers, strict=True):
        role = re.sub(r"\$\{(\w+)\}", lambda match: ENVIRONMENT[match[1]], store["role_arn"])
        account, role_name = role.split(":")[4], role.rpartition("/")[2]
        assert caller.startswith(f"arn:aws:sts::{account}:assumed-role/{role_name}/"), name
        if "role_session_name" in store:
            session_name_pattern = re.escape(store["role_session_name"]).replace(r"\$\{TIMESTAMP\}", r"\d{8}T\d{6}Z")
            session_name_pattern = re.sub(
                r"\\\$\\\{(\w+)\\\}", lambda match: ENVIRONMENT[match[1]], session_name_pattern
            )
            assert re.fullmatch(session_name_pattern, caller.rpartition("/")[2]), name


def test_the_basic_configuration_runs_a_command(tmp_path: Path) -> None:
    """The AWS STS page's first environment reaches the command; stdout has only the command's output."""
    write(tmp_path, "dsops.yaml", CONFIGURATIONS[0].text)

    done = in_sandbox(tmp_path, "dsops exec --env production -- printenv DATABASE_URL", "--from", "dsops.yaml")

    assert done.stdout == "invented-connection\n"


def test_a_duration_over_the_limit_is_refused_before_any_call(tmp_path: Path) -> None:
    """The AWS STS page's store with a too long duration is refused before any call; its valid store works."""
    text = "secretStores:\n" + textwrap.indent(DURATIONS.text, "  ")
    line = next(number for number, text_line in enumerate(text.splitlines(), 1) if "TOO LONG" in text_line)
    write(tmp_path, "dsops.yaml", text)

    script = "dsops credentials aws-sts-valid --format json; dsops credentials aws-sts-long || exit $?"
    done = in_sandbox(tmp_path, script, "--from", "dsops.yaml", check=False)

    assert done.returncode == 2
    assert json.loads(done.stdout)["access_key_id"].startswith("ASIA")
    assert "43200" in done.stderr
    assert f"dsops.yaml:{line}:" in done.stderr


def test_a_session_policy_of_denials_leaves_nothing(tmp_path: Path) -> None:
    """A session with the AWS STS page's deny-only policy can't read the secret; without the policy, it can."""
    basic = CONFIGURATIONS[0].text
    limited = basic.replace(
        "    duration_seconds: 3600\n", "    duration_seconds: 3600\n" + textwrap.indent(DENY_ONLY.text, "    ")
    )
    assert limited != basic
    write(tmp_path, "dsops.yaml", basic)
    write(tmp_path, "limited.yaml", limited)

    script = """
        dsops exec --env production -- true
        dsops --config limited.yaml credentials aws-sts-prod --format json > /dev/null
        dsops --config limited.yaml get --env production DATABASE_URL || exit $?
    """
    done = in_sandbox(tmp_path, script, "--from", "dsops.yaml", check=False)

    assert done.returncode == 3
    assert "secret.access-denied" in done.stderr
    assert done.stdout == ""


WORKFLOW_SEED = """
accounts:
  "123456789012":
    users:
      runner:
        policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: sts:AssumeRole, Resource: "*"}]}]
    roles:
      GitHubActions:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:user/runner"}, Action: sts:AssumeRole}
        policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: sts:AssumeRole, Resource: "*"}]}]
      ProdAccessRole:
        max_session_duration: 43200
        trust:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: {AWS: "arn:aws:iam::123456789012:role/GitHubActions"}
              Action: sts:AssumeRole
        policies:
          - Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: "*"}]
    secrets: {prod/database/connection: the-connection}
"""

AS_A_RUNNER = """
read -r AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN < <(aws sts assume-role --output text \
    --role-arn arn:aws:iam::123456789012:role/GitHubActions --role-session-name GitHubActions \
    --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]')
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN PATH="$PWD:$PATH"
bash -e step.sh
"""


@pytest.mark.parametrize(("seconds", "code"), [(3600, 0), (7200, 125)])
def test_the_workflow_deploys(tmp_path: Path, seconds: int, code: int) -> None:
    """The AWS STS page's workflow step works with a runner's session; more than an hour is refused (role chaining)."""
    step = yaml.safe_load(WORKFLOW.text)["steps"][1]
    write(tmp_path, "dsops.yaml", CONFIGURATIONS[0].text.replace("3600", str(seconds)))
    write(tmp_path, "seed.yaml", WORKFLOW_SEED)
    write(tmp_path, "step.sh", step["run"])
    write(tmp_path, "deploy.sh", '#!/bin/sh\necho "deployed with $DATABASE_URL"\n').chmod(0o755)

    done = in_sandbox(tmp_path, AS_A_RUNNER, "--seed", "seed.yaml", "--as", "runner", check=False, CI="true")

    assert done.returncode == code, done.stderr
    if code:
        assert "chain" in done.stderr
        assert done.stdout == ""
    else:
        assert done.stdout == "deployed with the-connection\n"


def policy_seed(source_ip: str) -> str:
    """A seed with the page's two policies on a role, and a user of the trusted account with this source IP."""
    assume = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
    target = {
        "roles": {"Target": {"trust": json.loads(TRUST.text), "policies": [json.loads(PERMISSIONS.text)]}},
        "secrets": {"prod/key": "in-prod", "dev/key": "in-dev"},
    }
    source = {"users": {"alice": {"source_ip": source_ip, "policies": [assume]}}}
    return json.dumps({"accounts": {"098765432109": source, "123456789012": target}})


POLICY_CONFIG = """
version: 1
secretStores:
  target:
    type: aws.sts
    role_arn: arn:aws:iam::123456789012:role/Target
    external_id: ${WANTED}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
envs:
  prod: {KEY: {from: {store: secrets, key: prod/key}}}
  dev: {KEY: {from: {store: secrets, key: dev/key}}}
"""


@pytest.mark.parametrize(
    ("source_ip", "external_id", "env", "code"),
    [
        ("203.0.113.9", "unique-external-id", "prod", 0),
        ("203.0.113.9", "unique-external-id", "dev", 3),
        ("203.0.113.9", "Unique-External-Id", "prod", 3),
        ("198.51.100.9", "unique-external-id", "prod", 3),
    ],
    ids=["as the policies say", "a secret outside of prod/", "another external ID", "another address"],
)
def test_the_policies_decide(tmp_path: Path, source_ip: str, external_id: str, env: str, code: int) -> None:
    """In a sandbox with the AWS STS page's trust and permission policies, exactly the described callers are allowed."""
    write(tmp_path, "dsops.yaml", POLICY_CONFIG)
    write(tmp_path, "seed.yaml", policy_seed(source_ip))

    done = in_sandbox(
        tmp_path, f"dsops get --env {env} KEY", "--seed", "seed.yaml", "--as", "alice", check=False, WANTED=external_id
    )

    assert (code, "" if code else "in-prod") == (done.returncode, done.stdout.strip()), done.stderr
    assert external_id not in done.stderr


@pytest.mark.parametrize(
    ("user_id", "source_ip", "code"),
    [
        ("AIDAI23HXD3MBVD4EFPWX", "10.1.2.3", 0),
        ("AIDAI23HXD3MBVD4EFPWX", "172.31.255.255", 0),
        ("AIDAI23HXD3MBVD4EFPWX", "192.168.1.1", 3),
        ("AIDAI23HXD3MBVD4EFPWY", "10.1.2.3", 3),
    ],
)
def test_the_condition_keys_decide(tmp_path: Path, user_id: str, source_ip: str, code: int) -> None:
    """The AWS STS page's trust policy condition admits only the user with that id from those networks."""
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:user/alice"}}
    statement |= {"Action": "sts:AssumeRole", **json.loads(CONDITIONS.text)}
    account = {
        "users": {"alice": {"id": user_id, "source_ip": source_ip}},
        "roles": {"Target": {"trust": {"Version": "2012-10-17", "Statement": statement}}},
    }
    write(tmp_path, "seed.yaml", json.dumps({"accounts": {"123456789012": account}}))
    write(tmp_path, "dsops.yaml", POLICY_CONFIG.replace("    external_id: ${WANTED}\n", ""))

    done = in_sandbox(tmp_path, "dsops whoami target", "--seed", "seed.yaml", "--as", "alice", check=False)

    assert done.returncode == code, done.stderr


LAMBDA_SEED = """
accounts:
  "123456789012":
    roles:
      LambdaRole:
        trust: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "*"}, Action: sts:AssumeRole}]}
      CrossAccountRole:
        trust:
          Version: "2012-10-17"
          Statement: [{Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:user/admin"}, Action: sts:AssumeRole}]
        policies:
          - Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: "*"}]
    secrets: {a-secret: its-value}
"""

RUN_LAMBDA = """
import sys
from handler import lambda_handler

found = {}

def watch(frame, event, argument):
    if frame.f_code.co_name != "lambda_handler":
        return None
    if event == "return":
        found.update(frame.f_locals)
    return watch

sys.settrace(watch)
lambda_handler({}, None)
sys.settrace(None)
print(found["assumed_role"]["AssumedRoleUser"]["Arn"])
print(found["secrets_client"].get_secret_value(SecretId="a-secret")["SecretString"])
"""


def test_the_lambda_function_runs(tmp_path: Path) -> None:
    """The AWS STS page's boto3 code runs unchanged, and its client reads a secret as the role."""
    write(tmp_path, "handler.py", LAMBDA.text)
    write(tmp_path, "run.py", RUN_LAMBDA)
    write(tmp_path, "seed.yaml", LAMBDA_SEED)

    done = in_sandbox(tmp_path, f"{sys.executable} run.py", "--seed", "seed.yaml")

    arn = "arn:aws:sts::123456789012:assumed-role/CrossAccountRole/lambda-session"
    assert done.stdout.splitlines() == [arn, "its-value"]


def test_the_troubleshooting_commands_run(tmp_path: Path) -> None:
    """The AWS STS page's AWS CLI commands for debugging a denial run in a sandbox and print the caller."""
    seed = LAMBDA_SEED.replace("CrossAccountRole", "TestRole")
    write(tmp_path, "seed.yaml", seed)
    write(tmp_path, "commands.sh", DENIAL.text)

    done = in_sandbox(tmp_path, "bash -e commands.sh", "--seed", "seed.yaml", AWS_DEFAULT_OUTPUT="json")

    assert "assumed-role/TestRole/test-session" in done.stdout
    assert "arn:aws:iam::123456789012:user/admin" in done.stdout
