"""`dsops plan --check --policies` with CloudFormation templates and Terraform plans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dsops.cli import main
from dsops.cli.policy.files import read_policy_file
from dsops.errors import PolicyInvalid
from tests.fakes import make_runtime
from tests.unit.plan_check.test_plan_check import ADA, HOME, MAY, PLAIN, ROLE, checked, document, verdicts

if TYPE_CHECKING:
    from pathlib import Path

CHAIN = PLAIN.replace("last:", "first:") + (
    '  last: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/T", credentials_from: first}\n'
)
TARGET_TRUST = document(Action="sts:AssumeRole", Principal={"AWS": ROLE})


def template(**resources: Any) -> dict[str, Any]:
    """Return a template with user ada, role R that trusts her, role T that trusts R, and more resources."""
    trust = document(Action="sts:AssumeRole", Principal={"AWS": ADA})
    jump = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "R", "AssumeRolePolicyDocument": trust}}
    target = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "T", "AssumeRolePolicyDocument": TARGET_TRUST}}
    ada = {"Type": "AWS::IAM::User", "Properties": {"UserName": "ada", "Policies": [{"PolicyDocument": MAY}]}}
    own = {"Ada": ada, "Jump": jump, "Target": target}
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {**own, **resources}}


def attached(kind: str, **properties: Any) -> dict[str, Any]:
    """Return a policy as a separate resource."""
    return {"Type": f"AWS::IAM::{kind}", "Properties": {"PolicyDocument": MAY} | properties}


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (attached("RolePolicy", RoleName="R"), "allowed"),
        (attached("RolePolicy", RoleName={"Ref": "Jump"}), "allowed"),
        (attached("Policy", Roles=["Other", {"Ref": "Jump"}]), "allowed"),
        (attached("ManagedPolicy", Roles=["R"]), "allowed"),
        (attached("RolePolicy", RoleName="T"), "denied"),
        (attached("RolePolicy", RoleName={"Fn::ImportValue": "name"}), "unknown"),
        (attached("RolePolicy", RoleName="R", PolicyDocument={"Ref": "P"}), "unknown"),
        (attached("UserPolicy", UserName={"Ref": "Parameter"}), "denied"),
    ],
    ids=["by name", "by Ref", "among several", "managed", "another's", "whose is open", "what is open", "a user's"],
)
def test_a_policy_counts_for_those_it_is_attached_to(tmp_path: Path, policy: dict[str, Any], verdict: str) -> None:
    """A policy that is a resource of its own applies to the roles that it is attached to."""
    assert verdict == verdicts(checked(tmp_path, template(More=policy), CHAIN))[1]


def test_what_stands_in_the_role_itself_counts(tmp_path: Path) -> None:
    """A role's inline policies, managed policies and boundary in the template are evaluated."""
    content = template(Managed=attached("ManagedPolicy"))
    properties = content["Resources"]["Jump"]["Properties"]
    assert ["allowed", "denied"] == verdicts(checked(tmp_path, content, CHAIN))
    properties["Policies"] = [{"PolicyName": "p", "PolicyDocument": MAY}]
    assert ["allowed", "allowed"] == verdicts(checked(tmp_path, content, CHAIN))
    properties["PermissionsBoundary"] = {"Ref": "Managed"}
    assert ["allowed", "allowed"] == verdicts(checked(tmp_path, content, CHAIN))
    content["Resources"]["Managed"]["Properties"]["PolicyDocument"] = document(Action="s3:*", Resource="*")
    assert ["allowed", "denied"] == verdicts(checked(tmp_path, content, CHAIN))
    properties["PermissionsBoundary"] = {"Ref": "Parameter"}
    assert ["allowed", "unknown"] == verdicts(checked(tmp_path, content, CHAIN))
    del properties["PermissionsBoundary"]
    properties["Policies"] = []
    properties["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AdministratorAccess"]
    assert ["allowed", "allowed"] == verdicts(checked(tmp_path, content, CHAIN))


SHORT = """\
Resources:
  Jump:
    Type: AWS::IAM::Role
    Properties:
      RoleName: R
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111111111111:user/ada"}, Action: sts:AssumeRole}
      ManagedPolicyArns: [!Ref May, !GetAtt Limit.PolicyArn, !Sub "arn:${AWS::Partition}:iam::aws:policy/Own"]
  Named: {Type: AWS::IAM::Role, Properties: {RoleName: !Sub "${Stage}-role", AssumeRolePolicyDocument: {}}}
  May: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {Version: "2012-10-17", Statement: []}}}
"""


def test_short_tags_are_their_long_form(tmp_path: Path) -> None:
    """CloudFormation tags (`!Ref`, `!GetAtt`, `!Sub`, ...) are read like their long forms.

    A tag that refers to a missing name is reported.
    """
    policy = '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "s3:*", Resource: "*"}}'
    text = SHORT.replace('{Version: "2012-10-17", Statement: []}', policy)
    (tmp_path / "t.yaml").write_text(text)

    (role,) = read_policy_file("t.yaml", make_runtime(folder=str(tmp_path))).people

    assert role.arn == "arn:aws:iam::*:role/R"
    assert len(role.identity) == 1
    assert role.unread_identity == "Limit is not in t.yaml"


def test_a_tag_is_a_problem_where_no_template_is(tmp_path: Path) -> None:
    """A CloudFormation tag in a sandbox seed is an error, and so is a tag that CloudFormation does not know."""
    for text in ("accounts: {'111111111111': {users: !Ref Name}}\n", SHORT.replace("!Ref", "!!python/name")):
        (tmp_path / "t.yaml").write_text(text)
        with pytest.raises(PolicyInvalid) as caught:
            read_policy_file("t.yaml", make_runtime(folder=str(tmp_path)))
        assert "means nothing here" in caught.value.problems[0].message


def test_a_policy_with_a_short_tag_in_it_is_open(tmp_path: Path) -> None:
    """A policy that contains `!Sub` gives the verdict unknown, since the tag's value is unknown before deployment."""
    (tmp_path / "t.yaml").write_text(SHORT.replace('"arn:aws:iam::111111111111:user/ada"', "!Sub '${Name}'"))

    (role,) = read_policy_file("t.yaml", make_runtime(folder=str(tmp_path))).people

    assert role.trust is None
    assert role.unread_trust.startswith("t.yaml:8: ")


def test_a_trust_policy_with_a_parameter_is_open(tmp_path: Path) -> None:
    """If a trust policy contains a parameter, the verdict is unknown and the message names the policy's line."""
    content = template()
    trust = document(Action="sts:AssumeRole", Principal={"AWS": {"Ref": "Caller"}})
    content["Resources"]["Jump"]["Properties"]["AssumeRolePolicyDocument"] = trust
    hop = checked(tmp_path, content, PLAIN)[0]
    assert hop.verdict == "unknown"
    assert any(each.place == "trust" for each in hop.rows[0].outcome.unread)


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(None, "denied"), (7200, "allowed"), (3600, "denied"), ({"Ref": "Longest"}, "unknown")]
)
def test_the_longest_session_of_the_template_counts(tmp_path: Path, seconds: Any, verdict: str) -> None:
    """The template's MaxSessionDuration limits the session's duration; the default is one hour."""
    content = template()
    if seconds is not None:
        content["Resources"]["Jump"]["Properties"]["MaxSessionDuration"] = seconds
    assert [verdict] == verdicts(checked(tmp_path, content, PLAIN.replace("sts,", "sts, duration_seconds: 7200,")))


ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def terraform(*resources: tuple[str, dict[str, Any]], is_state: bool = False) -> dict[str, Any]:
    """Return output as of `terraform show -json`, with ada and the roles in a module.

    Further resources are at the top level.
    """
    trust = document(Action="sts:AssumeRole", Principal={"AWS": ADA})
    jump = ("aws_iam_role", {"name": "R", "assume_role_policy": json.dumps(trust)})
    target = ("aws_iam_role", {"name": "T", "path": "/", "assume_role_policy": json.dumps(TARGET_TRUST)})
    ada = ("aws_iam_user", {"name": "ada"})
    may = ("aws_iam_user_policy", {"user": "ada", "policy": json.dumps(MAY)})
    groups = ([ada, may, jump, target], resources)
    rows = [[{"type": kind, "values": values} for kind, values in group] for group in groups]
    root = {"resources": rows[1], "child_modules": [{"resources": rows[0]}]}
    return {"format_version": "1.2", "values" if is_state else "planned_values": {"root_module": root}}


@pytest.mark.parametrize("is_state", [False, True], ids=["plan", "state"])
@pytest.mark.parametrize(
    ("resource", "verdict"),
    [
        (("aws_iam_role_policy", {"role": "R", "policy": json.dumps(MAY)}), "allowed"),
        (("aws_iam_role_policy", {"role": "T", "policy": json.dumps(MAY)}), "denied"),
        (("aws_iam_role_policy", {"role": "R"}), "unknown"),
        (("aws_iam_role_policy", {"policy": json.dumps(MAY)}), "unknown"),
        (("aws_iam_user_policy", {"policy": json.dumps(MAY)}), "denied"),
        (("aws_iam_role_policy_attachment", {"role": "R"}), "unknown"),
        (("aws_iam_role_policy_attachment", {"role": "R", "policy_arn": ADMINISTRATOR}), "allowed"),
    ],
)
def test_a_policy_of_terraform_counts_for_its_role(
    tmp_path: Path, resource: tuple[str, dict[str, Any]], verdict: str, *, is_state: bool
) -> None:
    """A Terraform policy applies to its role; if a value is known only after apply, the verdict is unknown."""
    assert verdict == verdicts(checked(tmp_path, terraform(resource, is_state=is_state), CHAIN))[1]


def test_a_managed_policy_of_a_state_is_attached_by_its_arn(tmp_path: Path) -> None:
    """In a Terraform state a managed policy is found by its ARN.

    In a plan the policy has no ARN yet, so the verdict is unknown.
    """
    arn = f"arn:aws:iam::{HOME}:policy/May"
    policy = ("aws_iam_policy", {"arn": arn, "policy": json.dumps(MAY)})
    attachment = ("aws_iam_role_policy_attachment", {"role": "R", "policy_arn": arn})
    assert ["allowed", "allowed"] == verdicts(checked(tmp_path, terraform(policy, attachment, is_state=True), CHAIN))
    assert ["allowed", "unknown"] == verdicts(checked(tmp_path, terraform(attachment), CHAIN))


def test_a_role_of_another_account_is_another_one(tmp_path: Path) -> None:
    """A role of another account in a Terraform state is not the role that the plan assumes."""
    content = terraform(is_state=True)
    role = content["values"]["root_module"]["child_modules"][0]["resources"][2]["values"]
    role["arn"] = ROLE.replace(HOME, "333333333333")
    assert ["unknown"] == verdicts(checked(tmp_path, content, PLAIN))
    role["arn"] = ROLE
    assert ["allowed"] == verdicts(checked(tmp_path, content, PLAIN))


CONFIG = """\
version: 1
secretStores:
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Jump", duration_seconds: 7200}
  target:
    type: aws.sts
    role_arn: arn:aws:iam::222222222222:role/team/Target
    credentials_from: jump
    tags: {team: core}
    transitive_tag_keys: [team]
    source_identity: ada
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
envs:
  production: {DATABASE_URL: {from: {store: secrets, key: prod/db}}}
"""


def test_what_policy_generate_prints_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With both templates of `dsops policy generate` every hop is allowed.

    With only one of the templates, or with none, at least one hop is unknown.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dsops.yaml").write_text(CONFIG)
    (tmp_path / "may.json").write_text(json.dumps(MAY))
    assert 0 == main(["policy", "generate", "--format", "cloudformation", "--caller", ADA, "--out", "made"])
    files = sorted(str(file.relative_to(tmp_path)) for file in (tmp_path / "made").rglob("*.json"))
    assert 2 == len(files)
    capfd.readouterr()

    def told(*given: str) -> list[str]:
        policies = [word for file in given for word in ("--policies", file)]
        own = ["--caller", ADA, "--identity-policy", f"{ADA}=may.json"]
        assert 0 == main(["plan", "--check", "--json", *own, *policies])
        return [hop["verdict"] for hop in json.loads(capfd.readouterr().out)["hops"]]

    assert ["allowed", "allowed"] == told(*files)
    assert ["allowed", "unknown"] == told(files[0])
    assert ["unknown", "unknown"] == told(files[1])
    assert ["unknown", "unknown"] == told()
