"""Policies as Terraform and CloudFormation: independent parsers read the same policies from both formats.

If Terraform is installed, it checks them, too; it needs no provider for these tests.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import hcl2
import pytest

from dsops.arn import parse_arn
from dsops.grants import BaseGrants, Grants, RoleGrants, SessionGrants
from dsops.grants.cloudformation import template
from dsops.grants.names import UniqueNames
from dsops.grants.placeholders import Placeholder, filled
from dsops.grants.selection import Selection
from dsops.grants.terraform import hcl, terraform

TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="neither terraform nor tofu is installed")

CALLER = Placeholder("arn_of_base_caller", "Who calls.")
EXTERNAL_ID = Placeholder("external_id_of_jump", 'What "jump" sends, as ${ID}.', is_secret=True)
ALL = Selection("all")


def arn(text: str) -> Any:
    """Return the parsed ARN, which is valid."""
    found = parse_arn(text)
    assert found is not None
    return found


def role(name: str, principal: object, external_id: object) -> RoleGrants:
    """Return a role with one statement in each policy."""
    return RoleGrants(
        arn(f"arn:aws:iam::222222222222:role/{name}"),
        (name.lower(),),
        (
            {
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
            },
        ),
        ({"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::${aws:userid}/*"},),
        7200,
    )


JUMP = role("apps/Jump-1", CALLER, EXTERNAL_ID)
TARGET = role("Jump_1", str(JUMP.arn), '%{literal} "quoted" \\ ${it}')
POLICY: dict[str, object] = {"Version": "2012-10-17", "Statement": [{"Resource": "$${x}"}]}
SESSION = SessionGrants("jump", str(JUMP.arn), JUMP.arn.account, POLICY, is_sent=True)
BASE = BaseGrants("base", CALLER, "", ({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": str(JUMP.arn)},))
GRANTS = Grants("production", (JUMP, TARGET), (SESSION,), (BASE,), ())


def test_terraform_is_read_by_a_parser_of_others() -> None:
    """An independent parser reads the Terraform text; each resource exists once, with the required fields."""
    document = hcl2.loads(terraform(GRANTS, ALL, "made for a test"))

    kinds = [next(iter(entry.items())) for entry in document["resource"]]
    assert [(kind.strip('"'), next(iter(names)).strip('"')) for kind, names in kinds] == [
        ("aws_iam_role", "Jump-1"),
        ("aws_iam_role_policy", "Jump-1"),
        ("aws_iam_role", "Jump_1"),
        ("aws_iam_role_policy", "Jump_1"),
        ("aws_iam_policy", "base_credentials"),
    ]
    first = document["resource"][0]['"aws_iam_role"']['"Jump-1"']
    assert (first["name"], first["path"], first["max_session_duration"]) == ('"Jump-1"', '"/apps/"', 7200)
    second = document["resource"][2]['"aws_iam_role"']['"Jump_1"']
    assert "aws_iam_role.Jump-1" in str(second["depends_on"])
    assert [next(iter(entry)).strip('"') for entry in document["variable"]] == [
        "arn_of_base_caller",
        "external_id_of_jump",
    ]
    assert document["variable"][1]['"external_id_of_jump"']["sensitive"] is True


def ran(folder: Path, *words: str) -> str:
    """Return Terraform's output in that folder."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "CHECKPOINT_DISABLE": "1",
        "TF_VAR_arn_of_base_caller": "arn:aws:iam::111111111111:user/ada",
        "TF_VAR_external_id_of_jump": "the-id",
    }
    done = subprocess.run(
        [str(TERRAFORM), *words], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evaluated(text: str, folder: Path) -> dict[str, Any]:
    """Return the policies as Terraform computes them; resources are rewritten as outputs, which need no AWS."""
    text = re.sub(r'resource "(\w+)" "([\w-]+)"', r'output "\1_\2"', text)
    text = re.sub(r"^  (?:assume_role_policy|policy) = ", "  value = ", text, flags=re.MULTILINE)
    others = "name|path|role|max_session_duration|depends_on|description"
    text = re.sub(rf"^  (?:{others}) += .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("  value = jsonencode(", "  sensitive = true\n  value = jsonencode(")
    (folder / "main.tf").write_text(text)
    done = ""
    for words in (["init", "-backend=false"], ["apply", "-auto-approve", "-no-color"], ["output", "-json"]):
        done = ran(folder, *words)
    return {name: json.loads(load["value"]) for name, load in json.loads(done).items()}


@needs_terraform
@pytest.mark.clients
def test_terraform_computes_the_policies_that_were_meant(tmp_path: Path) -> None:
    """Terraform computes the intended policies: IAM's `${...}`, quotes and backslashes are kept.

    Each blank is a variable.
    """
    found = evaluated(terraform(GRANTS, ALL, "made for a test"), tmp_path)

    [statement] = found["aws_iam_role_Jump-1"]["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111111111111:user/ada"}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "the-id"}}
    assert found["aws_iam_role_Jump_1"]["Statement"] == list(TARGET.trust)
    assert found["aws_iam_role_policy_Jump-1"]["Statement"] == list(JUMP.permissions)
    assert found["aws_iam_policy_base_credentials"]["Statement"] == list(BASE.permissions)
    assert found["session_policy_of_jump"] == SESSION.policy


@needs_terraform
@pytest.mark.clients
def test_terraform_fmt_has_nothing_to_change(tmp_path: Path) -> None:
    """`terraform fmt -check`, which repositories run, reports no change."""
    (tmp_path / "main.tf").write_text(terraform(GRANTS, ALL, "made for a test"))
    assert ran(tmp_path, "fmt", "-check", "-diff") == ""


@needs_terraform
@pytest.mark.clients
def test_any_text_stays_a_text(tmp_path: Path) -> None:
    """Terraform evaluates any string of up to four of its special characters to the original string."""
    texts = ["".join(entry) for length in range(5) for entry in product('$%{}"\\\n', repeat=length)]
    found = evaluated(f'output "texts" {{\n  value = jsonencode({hcl(texts, 1)})\n}}\n', tmp_path)
    assert found["texts"] == texts


# --- CloudFormation ---------------------------------------------------------------------------------------------


def test_a_template_has_the_same_policies() -> None:
    """The CloudFormation template has the same policies, with a parameter for each blank.

    The parameter of a secret blank has NoEcho.
    """
    parsed_template: dict[str, Any] = json.loads(json.dumps(template(GRANTS, ALL, "made for a test")))

    assert list(parsed_template["Resources"]) == ["Jump1", "Jump12", "BaseCredentials"]
    first, second, base = parsed_template["Resources"].values()
    trust = first["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Principal"] == {"AWS": {"Ref": "ArnOfBaseCaller"}}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalIdOfJump"}}}
    assert parsed_template["Parameters"]["ExternalIdOfJump"]["NoEcho"] is True
    assert "NoEcho" not in parsed_template["Parameters"]["ArnOfBaseCaller"]
    assert first["Properties"]["Policies"][0]["PolicyDocument"]["Statement"] == list(JUMP.permissions)
    assert second["DependsOn"] == ["Jump1"]
    assert "DependsOn" not in first
    assert second["Properties"]["AssumeRolePolicyDocument"]["Statement"] == filled(list(TARGET.trust))
    assert base["Properties"]["PolicyDocument"]["Statement"] == list(BASE.permissions)
    assert json.loads(parsed_template["Outputs"]["SessionPolicyOfJump"]["Value"]) == SESSION.policy


def test_permissions_alone_go_to_roles_that_are_there() -> None:
    """Permissions without trust policies are attached to existing roles by name; no role is created."""
    found: dict[str, Any] = template(GRANTS, Selection("permissions"), "made for a test")
    assert [resource["Type"] for resource in found["Resources"].values()] == [
        "AWS::IAM::RolePolicy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::ManagedPolicy",
    ]
    assert found["Resources"]["Jump1"]["Properties"]["RoleName"] == "Jump-1"
    assert "Outputs" not in found
    assert "Parameters" not in found
    assert '  role   = "Jump-1"' in terraform(GRANTS, Selection("permissions"), "x").replace("role = ", "role   = ")


def test_cfn_lint_finds_nothing_in_a_template(tmp_path: Path) -> None:
    """cfn-lint finds no errors: types, properties and references match AWS's resource schema."""
    program = Path(sys.executable).with_name("cfn-lint")
    for kind in ("all", "trust", "permissions"):
        path = tmp_path / f"{kind}.json"
        path.write_text(json.dumps(template(GRANTS, Selection(kind), "made for a test")))
        done = subprocess.run([str(program), str(path)], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout) == (0, ""), kind


def test_names_are_fit_and_unique() -> None:
    """Generated names are valid and unique, even for names with a leading digit or that differ only in case."""
    names = UniqueNames(r"[^A-Za-z0-9]", "")
    assert [names.of(text) for text in ("a-b", "ab", "A.B", "1x")] == ["ab", "ab2", "AB3", "X1x"]
