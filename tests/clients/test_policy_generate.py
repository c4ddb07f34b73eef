"""`dsops policy generate`: an environment runs with exactly these policies, and is denied if one statement is missing.

kms:Decrypt is the exception: the sandbox's secrets are encrypted with AWS's own key, which any reader of a secret may
use.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import dsops
from dsops.errors import AccessDenied, AssumeRoleDenied, DsopsError, Failures, SecretAccessDenied
from dsops.testing.child import SandboxKeeper
from dsops.testing.local_aws import LocalAws

BIN = Path(sys.executable).parent
ADA = "arn:aws:iam::111111111111:user/ada"
EXTERNAL_ID = "an-external-id"
UNUSED = "sts:GetServiceBearerToken"
"""An action that replaces the only action of a statement; no test calls it."""
STORES = """
version: 1
secretStores:
  jump:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::222222222222:role/hops/Jump
    role_session_name: ada
    external_id: ${EXTERNAL_ID}
    serial_number: arn:aws:iam::111111111111:mfa/ada
    token_code: ${MFA_TOKEN}
    tags: {team: blue}
    transitive_tag_keys: [team]
    source_identity: dev-${WHO}
    session_policy: auto
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::333333333333:role/Target
    role_session_name: ada
    credentials_from: jump
    session_policy: auto
  sibling:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::333333333333:role/Sibling
    role_session_name: ada
    credentials_from: target
    session_policy: auto
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
  far: {type: aws.secretsmanager, region: eu-west-1, credentials_from: sibling}
  parameters: {type: aws.ssm, region: us-east-1, credentials_from: target}
"""
CONFIG = f"""{STORES}
envs:
  production:
    A: {{from: {{store: secrets, key: prod/a}}}}
    B: {{from: {{store: secrets, key: prod/b, version: AWSCURRENT}}}}
    C: {{from: {{store: far, key: prod/c}}}}
    D: {{from: {{store: parameters, key: /prod/d}}}}
"""
VALUES = {"A": "a", "B": "b", "C": "c", "D": "d"}
REGIONS = {
    "us-east-1": {"secrets": {"prod/a": "a", "prod/b": "b"}, "parameters": {"/prod/d": "d"}},
    "eu-west-1": {"secrets": {"prod/c": "c"}},
}

Generated = dict[str, Any]


def generate(folder: Path, *words: str, config: str = CONFIG) -> subprocess.CompletedProcess[str]:
    """Run `policy generate` as a user types it: without keys, MFA codes or the external ID."""
    (folder / "dsops.yaml").write_text(config)
    return subprocess.run(
        [str(BIN / "dsops"), "policy", "generate", "--env", "production", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "DSOPS_AGENT": "off", "WHO": "ada"},
        timeout=60,
    )


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """All generated policies, with the external ID filled in."""
    done = generate(tmp_path_factory.mktemp("generated"), "--caller", ADA)
    assert not done.returncode, done.stderr
    assert EXTERNAL_ID not in done.stdout
    document: Generated = json.loads(done.stdout.replace("<external id of jump>", EXTERNAL_ID))
    return document


def run(generated: Generated, folder: Path) -> Mapping[str, str]:
    """Get the environment's values in a sandbox that has these policies and no others."""
    roles: dict[str, dict[str, Any]] = {"222222222222": {}, "333333333333": {}}
    for role in generated["roles"]:
        _, _, _, _, account, resource = role["arn"].split(":")
        path, _, name = resource.removeprefix("role").rpartition("/")
        policies = [role["permissions"]] if role["permissions"] else []
        roles[account][name] = {"trust": role["trust"], "policies": policies, "path": f"{path}/"}
    policies = [base["permissions"] for base in generated["bases"]]
    seed = {
        "accounts": {
            "111111111111": {"users": {"ada": {"mfa": {"name": "ada"}, "policies": policies}}},
            "222222222222": {"roles": roles["222222222222"]},
            "333333333333": {"roles": roles["333333333333"], "regions": REGIONS},
        }
    }
    stores = yaml.safe_load(CONFIG)
    for session in generated["sessions"]:
        stores["secretStores"][session["store"]]["session_policy"] = session["policy"]
    (folder / "run.json").write_text(json.dumps(stores))
    with LocalAws(SandboxKeeper().do, json.dumps(seed), folder) as sandbox:
        environ = {
            **sandbox.user("ada").environment(),
            "EXTERNAL_ID": EXTERNAL_ID,
            "WHO": "ada",
            "MFA_TOKEN": sandbox.totp("arn:aws:iam::111111111111:mfa/ada"),
        }
        secrets = dsops.open(folder / "run.json", environ, folder=folder).secrets("production")
        return {name: value.reveal() for name, value in secrets.items()}


def documents(generated: Generated) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every generated policy: its name and document."""
    for role in generated["roles"]:
        for kind in ("trust", "permissions"):
            if role[kind]:
                yield f"{kind} of {role['arn']}", role[kind]
    for session in generated["sessions"]:
        yield f"session of {session['store']}", session["policy"]
    for base in generated["bases"]:
        yield f"permissions of {base['credentials']}", base["permissions"]


def test_with_exactly_these_policies_the_environment_runs(generated: Generated, tmp_path: Path) -> None:
    """The generated policies suffice for three chained roles, MFA, an external ID, tags and secrets in two regions."""
    assert run(generated, tmp_path) == VALUES


def test_without_any_one_statement_or_action_it_is_denied(generated: Generated, tmp_path: Path) -> None:
    """If any one statement or action of the generated policies is removed, the environment is denied."""
    text, tried = json.dumps(generated), 0
    for number, (name, document) in enumerate(documents(generated)):
        for index, statement in enumerate(document["Statement"]):
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            for action in actions:
                if action == "kms:Decrypt":
                    continue
                less = json.loads(text)
                _, changed = list(documents(less))[number]
                changed["Statement"][index]["Action"] = [
                    other_action for other_action in actions if other_action != action
                ] or UNUSED
                with pytest.raises(DsopsError) as caught:
                    run(less, tmp_path)
                assert is_denial(caught.value), (name, action, caught.value)
                tried += 1
    assert tried == 27


def is_denial(error: DsopsError) -> bool:
    """Whether AWS denied access, and nothing else went wrong."""
    if isinstance(error, Failures):
        return all(map(is_denial, error.errors))
    return isinstance(error, (AccessDenied, AssumeRoleDenied, SecretAccessDenied))


@pytest.mark.parametrize("condition", ["StringEquals", "Bool", "StringLike", "ForAllValues:StringEquals"])
def test_the_conditions_hold_for_what_is_sent_and_for_nothing_else(
    generated: Generated, tmp_path: Path, condition: str
) -> None:
    """If the trust policy requires another external ID, source identity or tag, the environment is denied."""
    changed = json.loads(json.dumps(generated))
    changes = 0
    for statement in changed["roles"][0]["trust"]["Statement"]:
        for key in statement.get("Condition", {}).get(condition, {}):
            statement["Condition"][condition][key] = "false" if condition == "Bool" else "something-else"
            changes += 1
    assert changes
    with pytest.raises(DsopsError) as caught:
        run(changed, tmp_path)
    assert is_denial(caught.value)


def test_policy_check_finds_nothing_wrong_in_them(tmp_path: Path) -> None:
    """`policy check` reports no error and no warning for the generated files."""
    done = generate(tmp_path, "--caller", ADA, "--out", "policies")
    files = done.stdout.split()
    assert [file.removeprefix("policies/") for file in files] == [
        "222222222222/Jump.trust.json",
        "222222222222/Jump.permissions.json",
        "222222222222/jump.session.json",
        "333333333333/Target.trust.json",
        "333333333333/Target.permissions.json",
        "333333333333/Sibling.trust.json",
        "333333333333/Sibling.permissions.json",
        "333333333333/target.session.json",
        "333333333333/sibling.session.json",
        "111111111111/base.permissions.json",
    ]
    for kind, ending in (("trust", "trust"), ("identity", "permissions"), ("session", "session")):
        policy_files = [file for file in files if file.endswith(f".{ending}.json")]
        checked = subprocess.run(
            [str(BIN / "dsops"), "policy", "check", "--type", kind, *policy_files],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert checked.returncode == 0, checked.stdout
