"""`dsops import aws-config`: a store has the same identity as its profile has in botocore."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.testing import LocalAws
from dsops.testing.child import SandboxKeeper
from tests.unit.cli.stub_aws import Dsops

HOME, AWAY = "111111111111", "222222222222"
CONFIG = f"""\
[default]
region = us-east-1
output = json

[profile jump]
role_arn = arn:aws:iam::{HOME}:role/team/Jump
source_profile = default
role_session_name = jumping
external_id = the/external-id

[profile "the target"]\r
role_arn = arn:aws:iam::{AWAY}:role/Target\r
source_profile = jump\r
role_session_name = target
region = eu-west-1

[profile process]
credential_process = {{process}}

[profile through-process]
role_arn = arn:aws:iam::{HOME}:role/Plain
source_profile = process
role_session_name = process

[profile from-environment]
role_arn = arn:aws:iam::{HOME}:role/Plain
credential_source = Environment
role_session_name = environment

[profile web]
web_identity_token_file = {{token}}
role_arn = arn:aws:iam::{HOME}:role/Web
role_session_name = web

[profile after-web]
role_arn = arn:aws:iam::{HOME}:role/Plain
source_profile = web
role_session_name = after

[profile loop]
role_arn = arn:aws:iam::{HOME}:role/Plain
source_profile = loop
"""
SEED = f"""
accounts:
  "{AWAY}": {{}}
  "{HOME}":
    oidc_providers:
    - {{url: "https://oidc.example.com", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}}
    roles:
      Web:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{Federated: "arn:aws:iam::{HOME}:oidc-provider/oidc.example.com"}}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {{StringEquals: {{"oidc.example.com:sub": pod}}}}
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}}}
"""
SAME = {
    "jump": "jump",
    "the target": "the-target",
    "through-process": "through-process",
    "web": "web",
    "after-web": "after-web",
}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """A sandbox with two accounts and their roles; ada may assume the roles of hers."""
    with LocalAws(SandboxKeeper().do, SEED) as aws:
        home, away = aws.account(HOME), aws.account(AWAY)
        assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        home.add_user("ada", policies=[{"Version": "2012-10-17", "Statement": assume}])
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": home.root_arn}}
        asks = {**trust, "Condition": {"StringEquals": {"sts:ExternalId": "the/external-id"}}}
        may = [{"Version": "2012-10-17", "Statement": assume}]
        with_path(aws, "/team/", "Jump", {"Version": "2012-10-17", "Statement": asks}, may[0])
        home.add_role("Plain", trust={"Version": "2012-10-17", "Statement": trust})
        jump = f"arn:aws:iam::{HOME}:role/team/Jump"
        away.add_role("Target", trust={"Version": "2012-10-17", "Statement": {**trust, "Principal": {"AWS": jump}}})
        yield aws


def with_path(aws: LocalAws, path: str, name: str, trust: object, policy: object) -> None:
    """Add a role that has an IAM path."""
    iam = aws.user(f"admin@{HOME}").boto3_session().client("iam")
    iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))


@pytest.fixture
def dsops(tmp_path: Path, aws: LocalAws) -> Dsops:
    """dsops as run by a user whose keys are in ~/.aws/credentials."""
    program = Dsops(tmp_path)
    ada = aws.account(HOME).user("ada")
    folder = tmp_path / "home" / ".aws"
    folder.mkdir(parents=True)
    process = folder / "process"
    ada_keys = ada.credentials
    process.write_text(
        f'#!/bin/sh\necho \'{{"Version": 1, "AccessKeyId": "{ada_keys.access_key_id}", '
        f'"SecretAccessKey": "{ada_keys.secret_access_key.reveal()}"}}\'\n'
    )
    process.chmod(0o700)
    token = folder / "token"
    port = aws.url.rpartition(":")[2]
    minted = program.run("sandbox", "token", "--port", port, "--iss", "https://oidc.example.com", "--sub", "pod")
    token.write_bytes(minted.stdout.strip())
    (folder / "config").write_bytes(CONFIG.format(process=process, token=token).encode())
    (folder / "credentials").write_text(
        f"[default]\naws_access_key_id = {ada_keys.access_key_id}\n"
        f"aws_secret_access_key = {ada_keys.secret_access_key.reveal()}\n"
    )
    kept = {name: value for name, value in ada.environment({}).items() if name.startswith("AWS_ENDPOINT")}
    program.environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "DSOPS_AGENT": "off",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        **kept,
    }
    (tmp_path / "dsops.yaml").unlink()
    return program


def imported(dsops: Dsops, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Import the AWS config; the output becomes the folder's dsops.yaml."""
    return dsops.run("import", "aws-config", "--out", "dsops.yaml", *words)


def caller(dsops: Dsops, store: str, **environ: str) -> str:
    """The ARN of a store's session."""
    done = dsops.run("whoami", store, JUMP_EXTERNAL_ID="the/external-id", **environ)
    assert 0 == done.returncode, done.stderr
    return done.stdout.decode().partition("\n")[0].split()[1]


def theirs(dsops: Dsops, profile: str) -> str:
    """The ARN of the identity that botocore has with this profile."""
    code = f"import boto3; print(boto3.Session(profile_name={profile!r}).client('sts').get_caller_identity()['Arn'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=dsops.environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("profile", "store"), SAME.items())
def test_a_store_has_the_identity_of_its_profile(dsops: Dsops, profile: str, store: str) -> None:
    """Each imported store has its profile's identity, whether the profile uses keys, a role, a program or a token."""
    assert 0 == imported(dsops).returncode
    assert theirs(dsops, profile) == caller(dsops, store)


def test_credential_source_environment(dsops: Dsops, aws: LocalAws) -> None:
    """A profile with `credential_source = Environment` becomes a store that uses the environment's keys."""
    ada_keys = aws.account(HOME).user("ada").credentials
    keys = {"AWS_ACCESS_KEY_ID": ada_keys.access_key_id, "AWS_SECRET_ACCESS_KEY": ada_keys.secret_access_key.reveal()}
    assert 0 == imported(dsops).returncode
    mine = caller(dsops, "from-environment", **keys)
    dsops.environ |= keys

    assert theirs(dsops, "from-environment") == mine


def test_the_result_is_valid_and_can_be_planned(dsops: Dsops) -> None:
    """The imported configuration is valid and contains no secret; stderr names what could not be imported."""
    done = imported(dsops)
    text = (dsops.folder / "dsops.yaml").read_text()

    assert [0, 0] == [dsops.run(*words).returncode for words in (("validate",), ("plan",))]
    assert b"loop -> loop" in done.stderr
    assert b"set JUMP_EXTERNAL_ID" in done.stderr
    for secret in ("the/external-id", (Path(dsops.environ["HOME"]) / ".aws/credentials").read_text().split()[-1]):
        assert secret not in text + done.stderr.decode()


def test_a_dry_run_prints_the_file(dsops: Dsops) -> None:
    """--dry-run prints the file on stdout and writes nothing, even with --out."""
    done = imported(dsops, "--dry-run")

    assert (0, True) == (done.returncode, done.stdout.startswith(b"# Made of "))
    assert not (dsops.folder / "dsops.yaml").exists()


def test_an_existing_file_is_not_overwritten(dsops: Dsops) -> None:
    """--out never overwrites an existing file."""
    (dsops.folder / "dsops.yaml").write_text("mine")
    done = imported(dsops)

    assert 2 == done.returncode
    assert "mine" == (dsops.folder / "dsops.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "environ", "says"),
    [
        (("--profile", "jmup"), {}, "did you mean `jump`"),
        (("--profile", "process"), {}, "there is no profile to import"),
        ((), {"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}, "no AWS profiles were found"),
        (("--out", "no/where/dsops.yaml"), {}, "mkdir -p no/where"),
    ],
)
def test_profiles_that_cannot_be_imported(
    dsops: Dsops, words: tuple[str, ...], environ: dict[str, str], says: str
) -> None:
    """Profiles that cannot be imported are an error with a hint, and nothing is written."""
    done = dsops.run("import", "aws-config", *words, **environ)

    assert (2, b"") == (done.returncode, done.stdout)
    assert says in done.stderr.decode()
