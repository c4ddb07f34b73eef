"""IAM's policy simulator, for existing principals and for custom policies."""

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
    """Return a policy of these statements; a single statement is not put into a list."""
    return json.dumps({"Version": version, "Statement": statements[0] if len(statements) == 1 else list(statements)})


@pytest.fixture
def lab() -> Lab:
    """A sandbox with Bob in the group `team`, and a role."""
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
    """An administrator."""
    return lab.user("admin")


def simulate(admin: Person, *policies: str, **parameters: Any) -> list[dict[str, Any]]:
    """Call SimulateCustomPolicy with these policies; return the results."""
    given = {"PolicyInputList": list(policies), "ActionNames": ["s3:PutObject"], **parameters}
    results: list[dict[str, Any]] = admin.call("iam", "SimulateCustomPolicy", **given)["EvaluationResults"]
    return results


def decision(admin: Person, *policies: str, **parameters: Any) -> str:
    """Call SimulateCustomPolicy; return the decision of the only result."""
    (result,) = simulate(admin, *policies, **parameters)
    said: str = result["EvalDecision"]
    return said


@pytest.mark.parametrize(
    ("arn", "kind", "name"), [(USER, "User", "bob"), (ROLE, "Role", "Deploy"), (GROUP, "Group", "team")]
)
def test_a_principals_own_policies_are_evaluated(admin: Person, arn: str, kind: str, name: str) -> None:
    """A principal's own policies are evaluated; each action has a result, with statement positions as on AWS."""
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
    """The simulation's result for a user names the user's inline, managed and group policies."""
    admin.call("iam", "PutGroupPolicy", GroupName="team", PolicyName="g", PolicyDocument=document(PUT))
    admin.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")

    (result,) = admin.call("iam", "SimulatePrincipalPolicy", PolicySourceArn=USER, ActionNames=["s3:PutObject"])[
        "EvaluationResults"
    ]

    found = {each["SourcePolicyId"] for each in result["MatchedStatements"]}
    assert {"AmazonS3FullAccess", "group_team_g"} == found
    assert "ResourceSpecificResults" not in result


def test_a_deny_is_the_only_listed_statement(admin: Person) -> None:
    """An explicit deny decides for the action, and only the denying statement is listed."""
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
def test_positions_of_statements(admin: Person, text: str, statement: dict[str, Any]) -> None:
    """Statement positions are correct even if strings in the policy contain braces."""
    entry = {"ContextKeyName": "aws:userid", "ContextKeyValues": ["x"], "ContextKeyType": "string"}
    (result,) = simulate(admin, text, ResourceArns=[f"{BUCKET}/plain"], ContextEntries=[entry])
    (matched,) = result["MatchedStatements"]
    lines = text.splitlines(keepends=True)
    first, last = (
        sum(map(len, lines[: position["Line"] - 1])) + position["Column"] - 2
        for position in (matched["StartPosition"], matched["EndPosition"])
    )

    assert statement == json.loads(text[first : last + 1])


def test_context_decides_and_missing_keys_are_listed(admin: Person) -> None:
    """Context entries affect the decision; missing keys are listed for each resource, or at the top for `*`."""
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


def test_condition_keys_of_the_principal_are_known(admin: Person) -> None:
    """The principal's name, tags and ARN are set as condition keys."""
    conditions = {"aws:username": "bob", "aws:PrincipalTag/color": "blue", "aws:PrincipalArn": USER}
    document_ = document({**PUT, "Condition": {"StringEquals": conditions}})
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=document_)

    (result,) = admin.call("iam", "SimulatePrincipalPolicy", PolicySourceArn=USER, ActionNames=["s3:PutObject"])[
        "EvaluationResults"
    ]

    assert ("allowed", []) == (result["EvalDecision"], result["MissingContextValues"])


def test_a_boundary_limits(admin: Person) -> None:
    """A permissions boundary limits the decision, and the result reports it.

    The boundary is passed in the request or attached to the principal.
    """
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
    """Control policies can be passed to the simulator, and each level must allow."""
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
def test_a_resource_policy_is_evaluated_for_its_caller(
    admin: Person, identity: list[dict[str, str]], owner: str, said: str
) -> None:
    """Within the account the resource policy alone can allow; across accounts both policies must allow."""
    resource_policy = document({**PUT, "Principal": {"AWS": USER}})
    policies = [document(*(identity or [{**PUT, "Action": "s3:GetObject"}]))]
    parameters = {"ResourceArns": [f"{BUCKET}/x"], "ResourcePolicy": resource_policy, "CallerArn": USER}

    assert said == decision(admin, *policies, **parameters, ResourceOwner=f"arn:aws:iam::{owner}:root")
    del parameters["CallerArn"]
    refused = admin.refused(
        "iam", "SimulateCustomPolicy", PolicyInputList=policies, ActionNames=["s3:PutObject"], **parameters
    )
    assert "InvalidInput" == refused.code


def test_a_trust_policy_is_not_evaluated(admin: Person) -> None:
    """A role's trust policy is not evaluated, as on AWS (aws/aws-cli#10314)."""
    may = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE})
    parameters = {"ActionNames": ["sts:AssumeRole"], "ResourceArns": [ROLE]}

    assert "allowed" == decision(admin, may, **parameters)
    assert "implicitDeny" == decision(admin, document(PUT), **parameters)


def test_results_are_paged(admin: Person) -> None:
    """Results are returned in pages of MaxItems."""
    parameters = {"PolicyInputList": [document(PUT)], "ActionNames": ["s3:PutObject", "s3:GetObject", "s3:ListBucket"]}
    first = admin.call("iam", "SimulateCustomPolicy", **parameters, MaxItems=2)
    second = admin.call("iam", "SimulateCustomPolicy", **parameters, MaxItems=2, Marker=first["Marker"])

    pages = [[each["EvalActionName"] for each in page["EvaluationResults"]] for page in (first, second)]
    assert [parameters["ActionNames"][:2], parameters["ActionNames"][2:]] == pages
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
def test_invalid_simulations_are_refused(admin: Person, parameters: dict[str, Any], code: str) -> None:
    """Invalid principals, actions and page markers are refused."""
    refused = admin.refused("iam", "SimulatePrincipalPolicy", **({"ActionNames": ["s3:PutObject"]} | parameters))

    assert code == refused.code


def test_simulation_needs_a_permission_on_the_principal(lab: Lab, admin: Person) -> None:
    """Simulation needs iam:SimulatePrincipalPolicy on the principal's ARN."""
    allowed = document({"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": USER})
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=allowed)
    bob = lab.user("bob")
    parameters = {"ActionNames": ["s3:PutObject"]}

    assert 200 == bob.answer("iam", "SimulatePrincipalPolicy", PolicySourceArn=USER, **parameters).status
    assert 403 == bob.answer("iam", "SimulatePrincipalPolicy", PolicySourceArn=ROLE, **parameters).status


def test_the_context_keys_of_policies_are_listed(admin: Person) -> None:
    """Context keys in conditions and policy variables are listed once each, as they are written."""
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
def test_policies_of_the_same_name_are_distinguished(admin: Person, name: str) -> None:
    """Two policies with the same name are distinguished in the result."""
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


def test_a_simulation_that_blocks_others_is_refused(admin: Person) -> None:
    """A simulation that would take so long that it blocks other requests is refused with a 501."""
    many = {"ActionNames": ["s3:PutObject"] * 1000, "ResourceArns": [f"{BUCKET}/{number}" for number in range(1000)]}

    refused = admin.refused("iam", "SimulateCustomPolicy", PolicyInputList=[document(PUT)], **many)

    assert ("NotImplemented", 501) == (refused.code, refused.status)
    assert 1 == len(simulate(admin, document(PUT), MaxItems=1, **many))
