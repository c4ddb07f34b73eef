"""IAM's policy simulator: what it answers for principals and for policies that are nowhere attached."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.sandbox.clock import MovableClock
from tests.sandboxes import ACCOUNT, OTHER, Lab, Person

USER = f"arn:aws:iam::{ACCOUNT}:user/bob"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
GROUP = f"arn:aws:iam::{ACCOUNT}:group/team"
BUCKET = "arn:aws:s3:::data"
PUT = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
DENY = {"Effect": "Deny", "Action": "s3:*", "Resource": f"{BUCKET}/secret"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
}


def document(*statements: Any, version: str = "2012-10-17") -> str:
    """A policy; one statement needs no list."""
    return json.dumps({"Version": version, "Statement": statements[0] if len(statements) == 1 else list(statements)})


@pytest.fixture
def lab() -> Lab:
    """Bob of the group `team`, and a role."""
    lab = Lab.of(
        f"""
accounts:
  "{ACCOUNT}":
    users: {{bob: {{tags: {{color: blue}}}}}}
    roles: {{Deploy: {{trust: {json.dumps(TRUST)}}}}}
  "{OTHER}": {{}}
""",
        MovableClock(),
    )
    admin = lab.user("admin")
    admin.call("iam", "CreateGroup", GroupName="team")
    admin.call("iam", "AddUserToGroup", GroupName="team", UserName="bob")
    return lab


@pytest.fixture
def admin(lab: Lab) -> Person:
    """Who may simulate."""
    return lab.user("admin")


def simulate(admin: Person, *policies: str, **parameters: Any) -> list[dict[str, Any]]:
    """The results for policies that are nowhere attached."""
    given = {"PolicyInputList": list(policies), "ActionNames": ["s3:PutObject"], **parameters}
    results: list[dict[str, Any]] = admin.call("iam", "SimulateCustomPolicy", **given)["EvaluationResults"]
    return results


def decision(admin: Person, *policies: str, **parameters: Any) -> str:
    """The only result's decision."""
    (result,) = simulate(admin, *policies, **parameters)
    said: str = result["EvalDecision"]
    return said


@pytest.mark.parametrize(
    ("arn", "kind", "name"), [(USER, "User", "bob"), (ROLE, "Role", "Deploy"), (GROUP, "Group", "team")]
)
def test_a_principals_own_policies_are_weighed(admin: Person, arn: str, kind: str, name: str) -> None:
    """As AWS answered to LocalStack's test: one result an action, with lines and columns of the statement."""
    owner = {f"{kind}Name": name}
    admin.call("iam", f"Put{kind}Policy", **owner, PolicyName="p", PolicyDocument=document({"Sid": "", **PUT}))

    answer = admin.call(
        "iam",
        "SimulatePrincipalPolicy",
        PolicySourceArn=arn,
        ActionNames=["s3:PutObject", "s3:GetObjectVersion"],
        ResourceArns=[BUCKET],
    )

    matched = [
        {
            "SourcePolicyId": f"{kind.lower()}_{name}_p",
            "SourcePolicyType": "IAM Policy",
            "StartPosition": {"Line": 1, "Column": 41},
            "EndPosition": {"Line": 1, "Column": 113},
        }
    ]
    expected = [
        {
            "EvalActionName": action,
            "EvalResourceName": BUCKET,
            "EvalDecision": said,
            "MatchedStatements": found,
            "MissingContextValues": [],
            "EvalDecisionDetails": {},
            "ResourceSpecificResults": [
                {
                    "EvalResourceName": BUCKET,
                    "EvalResourceDecision": said,
                    "MatchedStatements": found,
                    "MissingContextValues": [],
                }
            ],
        }
        for action, said, found in (("s3:PutObject", "allowed", matched), ("s3:GetObjectVersion", "implicitDeny", []))
    ]
    assert expected == answer["EvaluationResults"]
    assert answer["IsTruncated"] is False


def test_a_user_has_its_groups_and_managed_policies(admin: Person) -> None:
    """A managed policy goes by its own name."""
    admin.call("iam", "PutGroupPolicy", GroupName="team", PolicyName="g", PolicyDocument=document(PUT))
    admin.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")

    (result,) = admin.call("iam", "SimulatePrincipalPolicy", PolicySourceArn=USER, ActionNames=["s3:PutObject"])[
        "EvaluationResults"
    ]

    found = {each["SourcePolicyId"] for each in result["MatchedStatements"]}
    assert {"AmazonS3FullAccess", "group_team_g"} == found
    assert "ResourceSpecificResults" not in result


def test_a_deny_is_the_only_statement_that_is_named(admin: Person) -> None:
    """On the one resource; with both the more restrictive decision stands for the action."""
    resources = [f"{BUCKET}/secret", f"{BUCKET}/plain"]
    (result,) = simulate(admin, document(PUT, DENY), ResourceArns=resources)

    specific = result["ResourceSpecificResults"]
    assert ["explicitDeny", "allowed"] == [each["EvalResourceDecision"] for each in specific]
    assert "explicitDeny" == result["EvalDecision"]
    assert specific[0]["MatchedStatements"] == result["MatchedStatements"]
    (matched,) = result["MatchedStatements"]
    assert "PolicyInputList.1" == matched["SourcePolicyId"]


CONFUSING = {**PUT, "Condition": {"StringEquals": {"aws:userid": ['}{"Statement": [{', "x"]}}}


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        (document(DENY, PUT), PUT),
        (json.dumps({"Version": "2012-10-17", "Statement": [DENY, PUT]}, indent=1), PUT),
        (document(DENY, CONFUSING), CONFUSING),
        (json.dumps({"Statement": [CONFUSING], "Version": "2012-10-17"}), CONFUSING),
    ],
)
def test_statements_are_found_where_they_stand(admin: Person, text: str, statement: dict[str, Any]) -> None:
    """Positions are those behind the braces, whatever texts and other braces hold."""
    entry = {"ContextKeyName": "aws:userid", "ContextKeyValues": ["x"], "ContextKeyType": "string"}
    (result,) = simulate(admin, text, ResourceArns=[f"{BUCKET}/plain"], ContextEntries=[entry])
    (matched,) = result["MatchedStatements"]
    lines = text.splitlines(keepends=True)
    first, last = (
        sum(map(len, lines[: position["Line"] - 1])) + position["Column"] - 2
        for position in (matched["StartPosition"], matched["EndPosition"])
    )

    assert statement == json.loads(text[first : last + 1])


def test_context_decides_and_what_is_missing_is_told(admin: Person) -> None:
    """Keys of conditions and of variables; at the top for `*`, else for each resource."""
    policy = document(
        {**PUT, "Resource": f"{BUCKET}/${{aws:username}}/*", "Condition": {"StringEquals": {"aws:PrincipalTag/t": "x"}}}
    )
    resource = f"{BUCKET}/bob/file"
    entries = [
        {"ContextKeyName": name, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for name, value in (("aws:username", "bob"), ("AWS:principaltag/T", "x"))
    ]

    (bare,) = simulate(admin, policy, ResourceArns=[resource])
    (anywhere,) = simulate(admin, policy)

    missing = ["aws:PrincipalTag/t", "aws:username"]
    assert ([], missing) == (bare["MissingContextValues"], bare["ResourceSpecificResults"][0]["MissingContextValues"])
    assert missing == anywhere["MissingContextValues"]
    assert "implicitDeny" == bare["EvalDecision"]
    assert "allowed" == decision(admin, policy, ResourceArns=[resource], ContextEntries=entries)


def test_a_principals_own_keys_are_known(admin: Person) -> None:
    """Its name, its tags, its ARN."""
    conditions = {"aws:username": "bob", "aws:PrincipalTag/color": "blue", "aws:PrincipalArn": USER}
    document_ = document({**PUT, "Condition": {"StringEquals": conditions}})
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=document_)

    (result,) = admin.call("iam", "SimulatePrincipalPolicy", PolicySourceArn=USER, ActionNames=["s3:PutObject"])[
        "EvaluationResults"
    ]

    assert ("allowed", []) == (result["EvalDecision"], result["MissingContextValues"])


def test_a_boundary_limits(admin: Person) -> None:
    """One that is passed, or the principal's own; the answer says so."""
    other = document({**PUT, "Action": "s3:GetObject"})
    (within,) = simulate(admin, document(PUT), PermissionsBoundaryPolicyInputList=[document(PUT)])
    (beyond,) = simulate(admin, document(PUT), PermissionsBoundaryPolicyInputList=[other])
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=document(PUT))
    admin.call(
        "iam",
        "PutUserPermissionsBoundary",
        UserName="bob",
        PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess",
    )
    (own,) = admin.call("iam", "SimulatePrincipalPolicy", PolicySourceArn=USER, ActionNames=["s3:PutObject"])[
        "EvaluationResults"
    ]

    told = [
        (each["EvalDecision"], each["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"])
        for each in (within, beyond, own)
    ]
    assert [("allowed", True), ("implicitDeny", False), ("implicitDeny", False)] == told


def test_control_policies_of_an_organization_can_be_passed(admin: Person) -> None:
    """Each level has to allow."""
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    nothing = document({"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    for policies, said in (([everything], ("allowed", True)), ([everything, nothing], ("explicitDeny", False))):
        levels = [{"ServiceControlPolicyInputList": [everything]}, {"ServiceControlPolicyInputList": policies}]
        (result,) = simulate(admin, document(PUT), OrderedOrganizationPolicyInputList=levels)
        detail = result["OrganizationsDecisionDetail"]["AllowedByOrganizations"]
        assert said == (result["EvalDecision"], detail)


@pytest.mark.parametrize(
    ("identity", "owner", "said"), [([], ACCOUNT, "allowed"), ([], OTHER, "implicitDeny"), ([PUT], OTHER, "allowed")]
)
def test_a_resource_policy_is_weighed_for_its_caller(
    admin: Person, identity: list[dict[str, str]], owner: str, said: str
) -> None:
    """In the caller's own account it suffices; in another's the caller's policies must allow as well."""
    resource_policy = document({**PUT, "Principal": {"AWS": USER}})
    policies = [document(*(identity or [{**PUT, "Action": "s3:GetObject"}]))]
    given = {"ResourceArns": [f"{BUCKET}/x"], "ResourcePolicy": resource_policy, "CallerArn": USER}

    assert said == decision(admin, *policies, **given, ResourceOwner=f"arn:aws:iam::{owner}:root")
    del given["CallerArn"]
    refused = admin.refused(
        "iam", "SimulateCustomPolicy", PolicyInputList=policies, ActionNames=["s3:PutObject"], **given
    )
    assert "InvalidInput" == refused.code


def test_a_roles_trust_policy_has_no_part_in_it(admin: Person) -> None:
    """As on AWS (aws/aws-cli#10314): what the caller's own policies say of sts:AssumeRole is the answer."""
    may = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE})
    given = {"ActionNames": ["sts:AssumeRole"], "ResourceArns": [ROLE]}

    assert "allowed" == decision(admin, may, **given)
    assert "implicitDeny" == decision(admin, document(PUT), **given)


def test_results_come_in_pages(admin: Person) -> None:
    """MaxItems results at a time, each action once."""
    given = {"PolicyInputList": [document(PUT)], "ActionNames": ["s3:PutObject", "s3:GetObject", "s3:ListBucket"]}
    first = admin.call("iam", "SimulateCustomPolicy", **given, MaxItems=2)
    second = admin.call("iam", "SimulateCustomPolicy", **given, MaxItems=2, Marker=first["Marker"])

    pages = [[each["EvalActionName"] for each in page["EvaluationResults"]] for page in (first, second)]
    assert [given["ActionNames"][:2], given["ActionNames"][2:]] == pages
    assert (True, False) == (first["IsTruncated"], second["IsTruncated"])


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/nobody"}, "NoSuchEntity"),
        ({"PolicySourceArn": f"arn:aws:iam::{OTHER}:user/admin"}, "NoSuchEntity"),
        ({"PolicySourceArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/session"}, "InvalidInput"),
        ({"PolicySourceArn": USER, "ActionNames": ["PutObject"]}, "InvalidInput"),
        ({"PolicySourceArn": USER, "ActionNames": ["s3:*"]}, "InvalidInput"),
        ({"PolicySourceArn": USER, "Marker": "x"}, "InvalidInput"),
        (
            {"PolicySourceArn": USER, "PolicyExclusionList": [{"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]},
            "NotImplemented",
        ),
    ],
)
def test_what_can_t_be_simulated_is_refused(admin: Person, parameters: dict[str, Any], code: str) -> None:
    """Nobody's ARN, another account's, a session, actions that are none, a page that is none."""
    refused = admin.refused("iam", "SimulatePrincipalPolicy", **({"ActionNames": ["s3:PutObject"]} | parameters))

    assert code == refused.code


def test_simulating_takes_a_permission_on_the_principal(lab: Lab, admin: Person) -> None:
    """iam:SimulatePrincipalPolicy on the user's ARN, and on no other's."""
    allowed = document({"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": USER})
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=allowed)
    bob = lab.user("bob")
    asked = {"ActionNames": ["s3:PutObject"]}

    assert 200 == bob.answer("iam", "SimulatePrincipalPolicy", PolicySourceArn=USER, **asked).status
    assert 403 == bob.answer("iam", "SimulatePrincipalPolicy", PolicySourceArn=ROLE, **asked).status


def test_the_context_keys_of_policies_are_listed(admin: Person) -> None:
    """Of conditions and variables, as written, each once; of a principal's policies with those that are passed."""
    first = document(
        {
            **PUT,
            "Resource": f"{BUCKET}/${{aws:PrincipalTag/team, 'none'}}/*",
            "Condition": {"StringEquals": {"aws:SourceIdentity": "${aws:username}"}},
        }
    )
    second = document({**PUT, "Condition": {"Null": {"AWS:SourceIdentity": "true", "aws:SecureTransport": "true"}}})
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=first)

    custom = admin.call("iam", "GetContextKeysForCustomPolicy", PolicyInputList=[first, second])["ContextKeyNames"]
    principal = admin.call("iam", "GetContextKeysForPrincipalPolicy", PolicySourceArn=USER, PolicyInputList=[second])[
        "ContextKeyNames"
    ]

    keys = ["aws:SourceIdentity", "aws:PrincipalTag/team", "aws:username", "aws:SecureTransport"]
    assert [keys, keys] == [custom, principal]


@pytest.mark.parametrize("name", ["ReadOnlyAccess", "ResourcePolicy", "PolicyInputList.1", "user_bob_inline"])
def test_policies_of_one_name_are_kept_apart(admin: Person, name: str) -> None:
    """An account may call its policy as AWS calls one, or as the simulator calls what has no name."""
    statements = [{**PUT, "Action": f"s3:PutObject{number}"} for number in range(20)]
    own = admin.call("iam", "CreatePolicy", PolicyName=name, PolicyDocument=document(*statements, PUT))
    admin.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=own["Policy"]["Arn"])
    admin.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="inline", PolicyDocument=document(PUT))

    [result] = admin.call(
        "iam",
        "SimulatePrincipalPolicy",
        PolicySourceArn=USER,
        ActionNames=["s3:PutObject"],
        PolicyInputList=[document(PUT)],
    )["EvaluationResults"]

    matched = [each["SourcePolicyId"] for each in result["MatchedStatements"]]
    assert sorted(["user_bob_inline", "PolicyInputList.1", name]) == sorted(matched)
    assert {"IAM Policy"} == {each["SourcePolicyType"] for each in result["MatchedStatements"]}


def test_a_request_that_would_hold_up_all_others_is_refused(admin: Person) -> None:
    """Actions times resources times statements are bounded; a page of them is what counts."""
    many = {"ActionNames": ["s3:PutObject"] * 1000, "ResourceArns": [f"{BUCKET}/{number}" for number in range(1000)]}

    refused = admin.refused("iam", "SimulateCustomPolicy", PolicyInputList=[document(PUT)], **many)

    assert ("NotImplemented", 501) == (refused.code, refused.status)
    assert 1 == len(simulate(admin, document(PUT), MaxItems=1, **many))
