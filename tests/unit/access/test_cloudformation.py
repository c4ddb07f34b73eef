"""The facts in CloudFormation templates: policies of resources, references, and values that are not known yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsops.access.facts.cdk_folder import is_cdk_folder, read_cdk_folder
from dsops.access.facts.files import read_facts
from dsops.access.facts.templates import NO_ACCOUNT
from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import external_uses
from dsops.cli import main
from dsops.errors import PolicyInvalid
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, ask, policy, trust, ways_of

LAMBDA = trust({"Service": "lambda.amazonaws.com"})
ARN = {"Fn::GetAtt": ["Role", "Arn"]}


def template(**resources: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a template with resources, each given by its type and properties."""
    body = {key: {"Type": f"AWS::{kind}", "Properties": values} for key, (kind, values) in resources.items()}
    # A resource of the account's own, by which the account is known.
    body["Own"] = {"Type": "AWS::X::Y", "Properties": {"Role": f"arn:aws:iam::{ACCOUNT}:role/x"}}
    return {"Resources": body}


def user(resource: Any) -> tuple[str, dict[str, Any]]:
    """Return a user who may do everything with a resource."""
    document = policy({"Action": "*", "Resource": resource})
    return "IAM::User", {"Policies": [{"PolicyName": "p", "PolicyDocument": document}]}


def facts_of(**resources: tuple[str, dict[str, Any]]) -> OrganizationFacts:
    """Return the facts in a template."""
    return read_facts(json.dumps(template(**resources)), "t.json", lambda _: "")


def policy_of(facts: OrganizationFacts, arn: str) -> Any:
    """Return a resource's policy, parsed."""
    document = facts.resources[arn].policy
    return json.loads(document.text) if document is not None else None


def gaps_of(facts: OrganizationFacts) -> set[tuple[str, str]]:
    """Return the place and the last part of the ARN of each gap of the account."""
    return {(gap.place, gap.arn.rpartition(":")[2]) for gap in facts.gaps if gap.account}


@pytest.mark.parametrize(
    ("kind", "policy_kind", "names", "arn"),
    [
        ("S3::Bucket", "S3::BucketPolicy", {"Bucket": {"Ref": "It"}}, "arn:aws:s3:::It"),
        ("SQS::Queue", "SQS::QueuePolicy", {"Queues": [{"Ref": "It"}]}, f"arn:aws:sqs:us-east-1:{ACCOUNT}:It"),
        ("SNS::Topic", "SNS::TopicPolicy", {"Topics": [{"Ref": "It"}]}, f"arn:aws:sns:us-east-1:{ACCOUNT}:It"),
        (
            "SecretsManager::Secret",
            "SecretsManager::ResourcePolicy",
            {"SecretId": {"Ref": "It"}},
            f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:It-000000",
        ),
    ],
)
def test_the_policy_of_a_resource(kind: str, policy_kind: str, names: dict[str, Any], arn: str) -> None:
    """The policy is found by reference, and a resource without a name has its logical id as name."""
    document = policy({"Action": "*", "Principal": {"AWS": FOREIGN}})
    key = "ResourcePolicy" if kind.startswith("Secrets") else "PolicyDocument"
    facts = facts_of(It=(kind, {}), Policy=(policy_kind, {**names, key: document}))

    assert document == policy_of(facts, arn)
    assert set() == gaps_of(facts)


def test_a_key_without_a_policy_has_the_default_one() -> None:
    """AWS gives such a key a policy that lets the account's identity policies decide."""
    facts = facts_of(Key=("KMS::Key", {}))

    (statement,) = policy_of(facts, f"arn:aws:kms:us-east-1:{ACCOUNT}:key/Key")["Statement"]
    assert ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "kms:*") == (statement["Principal"], statement["Action"])


def test_a_function_with_its_role_and_permission() -> None:
    """The role of a function is known, and a permission becomes a statement of the function's policy."""
    facts = facts_of(
        Role=("IAM::Role", {"AssumeRolePolicyDocument": LAMBDA}),
        Run=("Lambda::Function", {"FunctionName": "run", "Role": ARN}),
        Allowed=(
            "Lambda::Permission",
            {
                "FunctionName": {"Ref": "Run"},
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceAccount": {"Ref": "AWS::AccountId"},
            },
        ),
    )
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:run"

    assert f"arn:aws:iam::{ACCOUNT}:role/Role" == facts.resources[arn].role
    (statement,) = policy_of(facts, arn)["Statement"]
    assert {"Service": "events.amazonaws.com"} == statement["Principal"]
    assert {"StringEquals": {"AWS:SourceAccount": ACCOUNT}} == statement["Condition"]


def test_a_parameter_is_unknown_and_never_allowed() -> None:
    """The statement about a parameter's resource stays out of the policy, and a gap stands for it."""
    secret = "arn:aws:secretsmanager:us-east-1:111111111111:secret:a-000000"
    facts = facts_of(
        Secret=("SecretsManager::Secret", {"Name": "a"}), Known=user(secret), Unknown=user({"Ref": "Parameter"})
    )
    answer = ask(without_organization(facts), resource=secret)

    assert {"user/Known": "yes", "user/Unknown": "unknown"} == ways_of(answer)
    assert {("identity", "user/Unknown")} == gaps_of(facts)


def without_organization(facts: OrganizationFacts) -> OrganizationFacts:
    """Return the facts as if there were certainly no control policies."""
    return facts._replace(gaps=tuple(gap for gap in facts.gaps if gap.account))


def test_an_unknown_deny_makes_an_allow_uncertain() -> None:
    """A bucket's policy with an unknown statement is kept without it, and the answer is not a plain yes."""
    statements = policy(
        {"Action": "s3:GetObject", "Principal": {"AWS": FOREIGN}, "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Deny", "Action": "s3:GetObject", "Principal": {"Ref": "Who"}, "Resource": "arn:aws:s3:::b/*"},
    )
    facts = facts_of(
        B=("S3::Bucket", {"BucketName": "b"}), P=("S3::BucketPolicy", {"Bucket": "b", "PolicyDocument": statements})
    )
    answer = ask(without_organization(facts), "s3:GetObject", "arn:aws:s3:::b/x")

    assert 1 == len(policy_of(facts, "arn:aws:s3:::b")["Statement"])
    assert [{"resource"}] == [{gap.place for gap in way.gaps} for way in answer.ways if way.caller.name == FOREIGN]


def test_groups_managed_policies_profiles_and_providers() -> None:
    """A user has the policies of its groups; a managed policy of the template is attached by reference."""
    reader = policy({"Action": "s3:*"})
    facts = facts_of(
        Read=("IAM::ManagedPolicy", {"PolicyDocument": reader, "Groups": [{"Ref": "Staff"}]}),
        Staff=("IAM::Group", {"GroupName": "Staff"}),
        Ann=("IAM::User", {"UserName": "ann", "Groups": [{"Ref": "Staff"}]}),
        Role=(
            "IAM::Role",
            {"Path": "/app/", "AssumeRolePolicyDocument": LAMBDA, "ManagedPolicyArns": [{"Ref": "Read"}]},
        ),
        Profile=("IAM::InstanceProfile", {"InstanceProfileName": "web", "Roles": [{"Ref": "Role"}]}),
        GitHub=("IAM::OIDCProvider", {"Url": "https://token.actions.githubusercontent.com"}),
    )
    user = facts.identities[f"arn:aws:iam::{ACCOUNT}:user/ann"]
    role = facts.identities[f"arn:aws:iam::{ACCOUNT}:role/app/Role"]

    assert [f"arn:aws:iam::{ACCOUNT}:policy/Read"] == [document.name for document in user.policies]
    assert [document.text for document in user.policies] == [document.text for document in role.policies]
    assert (("Staff",), (f"arn:aws:iam::{ACCOUNT}:instance-profile/web",)) == (user.groups, role.instance_profiles)
    assert [f"arn:aws:iam::{ACCOUNT}:group/Staff"] == [*facts.groups]
    assert {f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"} == facts.providers


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Fn::Sub": "arn:${AWS::Partition}:s3:::${Files}/${!x}"}, "arn:aws:s3:::files/${x}"),
        ({"Fn::Sub": ["${a}-${Files.Arn}", {"a": {"Ref": "AWS::Region"}}]}, "us-east-1-arn:aws:s3:::files"),
        ({"Fn::Join": ["", [{"Fn::GetAtt": ["Files", "Arn"]}, "/*"]]}, "arn:aws:s3:::files/*"),
        ({"Fn::Select": ["1", {"Fn::Split": [":", "a:b:c"]}]}, "b"),
        ({"Fn::If": ["Any", "same", "same"]}, "same"),
        ({"Fn::If": ["Any", "one", "other"]}, None),
        ({"Fn::Sub": "arn:aws:s3:::${Parameter}"}, None),
        ({"Fn::GetAtt": ["Files", "DomainName"]}, None),
        ({"Fn::ImportValue": "elsewhere"}, None),
        ({"Fn::Cidr": ["10.0.0.0/8", 1]}, None),
        ({"Fn::Select": ["7", ["a"]]}, None),
        ({"Fn::Join": "x"}, None),
    ],
)
def test_functions(value: Any, resolved: str | None) -> None:
    """A function has its value, or the statement with it is unknown."""
    facts = facts_of(
        Files=("S3::Bucket", {"BucketName": "files"}),
        It=(
            "IAM::User",
            {"Policies": [{"PolicyName": "p", "PolicyDocument": policy({"Action": "*", "Resource": value})}]},
        ),
    )
    documents = facts.identities[f"arn:aws:iam::{ACCOUNT}:user/It"].policies

    assert ([resolved] if resolved else []) == [
        json.loads(document.text)["Statement"][0]["Resource"] for document in documents
    ]
    assert (set() if resolved else {("identity", "user/It")}) == gaps_of(facts)


def test_names_that_depend_on_themselves() -> None:
    """A cycle of names is unknown, and the logical ids stand for the names."""
    facts = facts_of(
        A=("S3::Bucket", {"BucketName": {"Ref": "B"}}),
        B=("S3::Bucket", {"BucketName": {"Fn::Sub": "${A}"}}),
        C=("IAM::User", {"Path": {"Fn::GetAtt": ["C", "Arn"]}}),
    )

    assert {"arn:aws:s3:::A", "arn:aws:s3:::B"} == {*facts.resources}
    assert [f"arn:aws:iam::{ACCOUNT}:user/C"] == [*facts.identities]


def test_what_a_condition_or_a_transform_decides_is_told() -> None:
    """A resource with a condition may not exist, a policy with one allows nothing, a transform adds resources."""
    document = policy({"Action": "*"})
    body = template(
        Role=("IAM::Role", {"RoleName": "R", "AssumeRolePolicyDocument": LAMBDA}),
        Policy=("IAM::Policy", {"PolicyName": "p", "Roles": [{"Ref": "Role"}], "PolicyDocument": document}),
        Nested=("CloudFormation::Stack", {"TemplateURL": "x"}),
    )
    body["Transform"] = "AWS::Serverless-2016-10-31"
    body["Resources"]["Role"]["Condition"] = body["Resources"]["Policy"]["Condition"] = "InProduction"
    facts = read_facts(json.dumps(body), "t.json", lambda _: "")
    told = " ".join(gap.why for gap in facts.gaps)

    assert () == facts.identities[f"arn:aws:iam::{ACCOUNT}:role/R"].policies
    assert {("identities", ""), ("resources", ""), ("identity", "role/R")} == gaps_of(facts)
    for words in ("only if condition InProduction is true", "has a transform", "nested stack Nested"):
        assert words in told


def test_the_account_is_not_that_of_a_principal() -> None:
    """An ARN in a principal or condition says nothing of the template's account."""
    document = trust({"AWS": f"arn:aws:iam::{FOREIGN}:root"})
    body = {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}}}
    facts = read_facts(json.dumps(body), "t.json", lambda _: "")

    assert [NO_ACCOUNT] == [*facts.accounts]
    evaluator = Evaluator(without_organization(facts), NOW)
    assert [FOREIGN] == [use.caller.name for use in external_uses(evaluator, Assumptions(evaluator))]


def write_stacks(folder: Path, *, region: str = "eu-west-1") -> None:
    """Write a folder as `cdk synth` does, with two stacks of which the second uses the first."""
    exported = {"Value": {"Fn::GetAtt": ["Role", "Arn"]}, "Export": {"Name": "Base:Role"}}
    base = {
        "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": LAMBDA}}},
        "Outputs": {"It": exported},
    }
    properties = {"FunctionName": "run", "Role": {"Fn::ImportValue": "Base:Role"}}
    use = {"Resources": {"Run": {"Type": "AWS::Lambda::Function", "Properties": properties}}}
    artifacts = {}
    for name, body in (("Use", use), ("Base", base)):
        (folder / f"{name}.template.json").write_text(json.dumps(body), encoding="utf-8")
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://{ACCOUNT}/{region}",
            "properties": {"templateFile": f"{name}.template.json"},
        }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}), encoding="utf-8")


def test_a_folder_of_cdk(tmp_path: Path) -> None:
    """Account and region come from the manifest, and one stack uses what another exports."""
    write_stacks(tmp_path)
    facts = read_cdk_folder(str(tmp_path))

    assert is_cdk_folder(str(tmp_path))
    role = f"arn:aws:iam::{ACCOUNT}:role/Base-Role"
    assert [role] == [*facts.identities]
    assert {f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:run": role} == {
        arn: resource.role for arn, resource in facts.resources.items()
    }


def test_stages_of_cdk_are_read_and_names_that_lead_out_are_not(tmp_path: Path) -> None:
    """A stage is a folder in the folder; a manifest can't name another place."""
    (tmp_path / "out" / "assembly-prod").mkdir(parents=True)
    write_stacks(tmp_path)
    write_stacks(tmp_path / "out" / "assembly-prod")
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-prod"}}
    away = {"type": "cdk:cloud-assembly", "properties": {"directoryName": ".."}}
    manifest = json.dumps({"artifacts": {"prod": stage, "away": away}})
    (tmp_path / "out" / "manifest.json").write_text(manifest, encoding="utf-8")

    assert [f"arn:aws:iam::{ACCOUNT}:role/Base-Role"] == [*read_cdk_folder(str(tmp_path / "out")).identities]


def test_a_folder_of_cdk_with_mistakes(tmp_path: Path) -> None:
    """A folder without stacks and a broken template are errors."""
    assert not is_cdk_folder(str(tmp_path))
    with pytest.raises(PolicyInvalid, match="contains no CDK stacks"):
        read_cdk_folder(str(tmp_path))
    (tmp_path / "A.template.json").write_text('{"Resources": {', encoding="utf-8")
    with pytest.raises(PolicyInvalid, match="can't be used"):
        read_cdk_folder(str(tmp_path))


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run `dsops access diff WORDS`, and return the exit code, stdout and stderr."""
    code = main(["access", "diff", *words])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def write_role(folder: Path, principal: str) -> None:
    """Write a folder of the CDK with one role, which a principal can assume."""
    folder.mkdir()
    values = {"RoleName": "Deploy", "AssumeRolePolicyDocument": trust({"AWS": principal})}
    body = template(Role=("IAM::Role", values))
    (folder / "App.template.json").write_text(json.dumps(body), encoding="utf-8")


@pytest.mark.parametrize("is_flag", [False, True], ids=["two folders", "--cdk"])
def test_the_difference_of_stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *, is_flag: bool
) -> None:
    """What the stacks open is told, against another folder or against facts."""
    monkeypatch.chdir(tmp_path)
    write_role(tmp_path / "old", f"arn:aws:iam::{ACCOUNT}:user/ann")
    write_role(tmp_path / "new", FOREIGN)
    sides = ("--cdk", "new", "--from", "old") if is_flag else ("old", "new")
    code, text, _ = run(capfd, *sides, "--fail-on", "new-access")

    assert 6 == code
    assert f"1 principal newly reaches role Deploy of {ACCOUNT}\n  account {FOREIGN}" in text


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--cdk", "new"), "there is nothing to compare the stacks with"),
        (("--cdk", "new", "old"), "`--cdk` can't be combined with BEFORE and AFTER"),
        (("--cdk", "new", "--plan", "x"), "`--plan` can't be combined with `--cdk`"),
        (("--cdk", "none", "--from", "new"), "none can't be read"),
    ],
)
def test_mistakes_with_stacks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    error: str,
) -> None:
    """A wrong combination of sides is a usage error."""
    monkeypatch.chdir(tmp_path)
    write_role(tmp_path / "new", FOREIGN)
    code, _, text = run(capfd, *words)

    assert 2 == code
    assert error in text
