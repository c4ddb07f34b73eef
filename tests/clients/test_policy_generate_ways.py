"""`dsops policy generate` for tokens, SAML, federated users and users: each needs exactly these policies."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import dsops
from dsops.errors import AccessDenied, AssumeRoleDenied, DsopsError, Failures, SecretAccessDenied
from dsops.sandbox.control.running_sandboxes import tell
from dsops.testing.child import SandboxKeeper
from dsops.testing.local_aws import LocalAws

BIN = Path(sys.executable).parent
ADA = "arn:aws:iam::111111111111:user/ada"
ISSUER = "https://oidc.example.com/pool"
UNUSED = "sts:GetServiceBearerToken"
CONFIG = """
version: 1
defaults: {aws.sts: {region: us-east-1}, aws.secretsmanager: {region: us-east-1}}
secretStores:
  pod:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/Pod
    web_identity_token_file: token
    session_policy: auto
  staff:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/Staff
    principal_arn: arn:aws:iam::111111111111:saml-provider/Company
    saml_assertion_file: response
    session_policy: auto
  guest: {type: aws.sts, federated_user_name: guest, session_policy: auto, tags: {team: blue}}
  pod-secrets: {type: aws.secretsmanager, credentials_from: pod}
  staff-secrets: {type: aws.secretsmanager, credentials_from: staff}
  guest-secrets: {type: aws.secretsmanager, credentials_from: guest}
  own-secrets: {type: aws.secretsmanager}
envs:
  pod: {A: {from: {store: pod-secrets, key: prod/a}}}
  staff: {A: {from: {store: staff-secrets, key: prod/b}}}
  guest: {A: {from: {store: guest-secrets, key: prod/c}}}
  own: {A: {from: {store: own-secrets, key: prod/d}}}
"""
VALUES = {"pod": "a", "staff": "b", "guest": "c", "own": "d"}
SEED: dict[str, Any] = {
    "saml_providers": [{"name": "Company", "issued_by_sandbox": True}],
    "oidc_providers": [{"url": ISSUER, "client_ids": ["sts.amazonaws.com"], "issued_by_sandbox": True}],
    "secrets": {"prod/a": "a", "prod/b": "b", "prod/c": "c", "prod/d": "d"},
}

Generated = dict[str, Any]


def claims() -> str:
    """An unsigned web identity token with these claims."""
    body = {"iss": ISSUER, "sub": "pod:a", "aud": "sts.amazonaws.com", "exp": 4102444800, "iat": 1}
    parts = [urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "RS256"}, body)]
    return ".".join([*parts, "c2lnbmF0dXJl"])


def generate(folder: Path, environment: str, *words: str) -> Generated:
    """The generated policies of one environment."""
    (folder / "dsops.yaml").write_text(CONFIG)
    (folder / "token").write_text(claims())
    (folder / "response").write_text("")
    done = subprocess.run(
        [str(BIN / "dsops"), "policy", "generate", "--env", environment, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "DSOPS_AGENT": "off"},
        timeout=60,
    )
    assert not done.returncode, done.stderr
    document: Generated = json.loads(done.stdout)
    return document


def run(generated: Generated, folder: Path, *, subject: str = "pod:a") -> Mapping[str, str]:
    """Get the environment's values in a sandbox that has these policies and no others."""
    roles = {
        role["arn"].rpartition("/")[2]: {"trust": role["trust"], "policies": [role["permissions"]]}
        for role in generated["roles"]
    }
    users = {"ada": {"policies": [base["permissions"] for base in generated["bases"]]}}
    config = yaml.safe_load(CONFIG)
    for session in generated["sessions"]:
        config["secretStores"][session["store"]]["session_policy"] = session["policy"]
    (folder / "run.json").write_text(json.dumps(config))
    seed = {"accounts": {"111111111111": {**SEED, "users": users, "roles": roles}}}
    with LocalAws(SandboxKeeper().do, seed, folder) as sandbox:
        if "Staff" in roles:
            provider = {"role": "arn:aws:iam::111111111111:role/Staff", "provider": "Company", "subject": "alice"}
            (folder / "response").write_text(str(tell(sandbox.url, "saml", provider)["assertion"]))
        port = sandbox.url.rpartition(":")[2]
        mint = ["sandbox", "token", "--port", port, "--iss", ISSUER, "--sub", subject]
        minted = subprocess.run([str(BIN / "dsops"), *mint], capture_output=True, text=True, check=True, timeout=60)
        (folder / "token").write_text(minted.stdout.strip())
        library = dsops.open(folder / "run.json", sandbox.user("ada").environment(), folder=folder)
        return {name: value.reveal() for name, value in library.secrets(generated["environment"]).items()}


def denied(generated: Generated, folder: Path, **options: str) -> bool:
    """Whether the environment is denied with these policies."""
    with pytest.raises(DsopsError) as caught:
        run(generated, folder, **options)
    errors = caught.value.errors if isinstance(caught.value, Failures) else (caught.value,)
    return all(isinstance(error, (AccessDenied, AssumeRoleDenied, SecretAccessDenied)) for error in errors)


@pytest.mark.parametrize("environment", VALUES)
def test_each_way_works_with_its_policies_and_with_nothing_less(environment: str, tmp_path: Path) -> None:
    """A token, a SAML response, a federated user and a user's key each need every generated statement and action."""
    generated = generate(tmp_path, environment, "--caller", ADA)
    assert run(generated, tmp_path) == {"A": VALUES[environment]}

    tried = 0
    for number in range(len(statements(generated))):
        for action in actions(statements(generated)[number]):
            if action == "kms:Decrypt":
                continue  # AWS's own key encrypts the sandbox's secrets, so a missing kms:Decrypt has no effect.
            less = json.loads(json.dumps(generated))
            changed = statements(less)[number]
            changed["Action"] = [other_action for other_action in actions(changed) if other_action != action] or UNUSED
            assert denied(less, tmp_path), (number, action)
            tried += 1
    assert tried == {"pod": 3, "staff": 3, "guest": 4, "own": 1}[environment]


def statements(generated: Generated) -> list[dict[str, Any]]:
    """Every statement of every generated policy."""
    documents = [role[kind] for role in generated["roles"] for kind in ("trust", "permissions") if role[kind]]
    documents += [session["policy"] for session in generated["sessions"]]
    documents += [base["permissions"] for base in generated["bases"]]
    return [statement for document in documents for statement in document["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    """The actions of a statement."""
    actions_value = statement["Action"]
    return actions_value if isinstance(actions_value, list) else [actions_value]


def test_a_token_of_another_subject_is_denied(tmp_path: Path) -> None:
    """A web identity token is denied if its subject differs from the one that the policies were generated for."""
    assert denied(generate(tmp_path, "pod"), tmp_path, subject="pod:b")


@pytest.mark.parametrize("environment", ["own", "guest"])
def test_without_a_caller_secrets_are_of_its_own_account(environment: str, tmp_path: Path) -> None:
    """Without --caller the policies name no account, and the caller still reads the secrets of its own account."""
    generated = generate(tmp_path, environment)
    assert "111111111111" not in json.dumps([generated["bases"], generated["sessions"]])
    assert run(generated, tmp_path) == {"A": VALUES[environment]}
