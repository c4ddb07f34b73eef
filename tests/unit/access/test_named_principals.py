"""Principals that a policy names otherwise than by the ARN of a user or role, and keys that tell sessions apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.access.facts.files import read_facts
from dsops.access.facts.world import OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import external_uses, public_uses
from dsops.access.questions.who_can import WhoCan
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, READ, SECRET, ask, policy, trust, world_of

BUCKET = "arn:aws:s3:::payroll"
ROLE_ID = "AROAABCDEFGHIJKLMNOP"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/App/nightly"


def with_policy(**principal: Any) -> OrganizationFacts:
    """Return a world with a secret whose policy allows a principal to read it."""
    account = {
        "secrets": {"prod/db": "x"},
        "secret_policies": {"prod/db": policy({"Action": READ, **principal})},
        "users": {"alice": {}, "bob": {}},
        "roles": {"App": {"trust": trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"})}},
    }
    return world_of({ACCOUNT: account})


def verdicts(answer: WhoCan) -> dict[str, str]:
    """Return the last part of each principal's name -> its verdict."""
    found: dict[str, str] = {way.caller.name.rpartition("/")[2]: way.verdict for way in answer.ways}
    found.pop("admin", None)
    return found


def test_a_named_session() -> None:
    """Only the session with this name reads the secret: the role and those who assume it can, with this name."""
    answer = ask(with_policy(Principal={"AWS": SESSION}))

    assert {"App": "conditional", "alice": "conditional"} == verdicts(answer)
    (own,) = [way.steps[-1].answer for way in answer.ways if way.caller.name.endswith(":role/App")]
    assert {"sts:rolesessionname": ("nightly",)} == own.needed


def test_a_named_session_may_assume_a_role() -> None:
    """A trust policy names the session by its ARN, which lacks the role's path."""
    roles: dict[str, Any] = {
        "team/App": {"trust": trust({"Service": "ec2.amazonaws.com"})},
        "Reader": {"trust": trust({"AWS": SESSION}), "policies": [policy({"Action": READ})]},
    }
    identities = [
        {
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
            "RoleId": f"AROA{number}BCDEFGHIJKLMNOP",
            "AssumeRolePolicyDocument": role["trust"],
            "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": text} for text in role.get("policies", ())],
        }
        for number, (name, role) in enumerate(roles.items())
    ]

    assert {"Reader": "yes", "App": "conditional", "ec2.amazonaws.com": "conditional"} == verdicts(
        ask(_dump(*identities))
    )


def test_a_federated_user() -> None:
    """A resource's policy that names a federated user needs no other policy."""
    answer = ask(with_policy(Principal={"AWS": f"arn:aws:sts::{ACCOUNT}:federated-user/bob"}))

    assert {"bob": "yes"} == verdicts(answer)


def test_not_principal_in_an_allow_is_for_any_account() -> None:
    """All but one principal can read the secret, those of any other account too."""
    answer = ask(with_policy(NotPrincipal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}))

    assert {"alice": "yes", "App": "yes", "any account of AWS": "yes"} == verdicts(answer)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("principal", [f"arn:{{partition}}:iam::{FOREIGN}:root", FOREIGN])
def test_a_foreign_account_in_another_partition(partition: str, principal: str) -> None:
    """The caller belongs to the partition of the policy that names its account."""
    role = {
        "Arn": f"arn:{partition}:iam::{ACCOUNT}:role/Vendor",
        "RoleId": ROLE_ID,
        "AssumeRolePolicyDocument": trust({"AWS": principal.format(partition=partition)}),
    }
    evaluator = Evaluator(_dump(role), NOW)
    (use,) = external_uses(evaluator, Assumptions(evaluator))

    assert (FOREIGN, "yes") == (use.caller.name, use.answer.verdict)


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1ABCDEFGHIJKL"},
        {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
    ],
)
def test_a_principal_that_is_none_of_iam_is_a_gap(principal: dict[str, str]) -> None:
    """Who that is can't be told, so that the answer says that it is not known."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    document = PolicyDocument("the bucket's policy", "resource", text)
    world = with_policy(Principal="*")._replace(resources={BUCKET: Resource(BUCKET, ACCOUNT, document)})
    evaluator = Evaluator(world, NOW)
    answer = ask(world, "s3:GetObject", f"{BUCKET}/x")

    assert any("dsops does not know who that is" in gap.why for gap in answer.gaps)
    assert () == external_uses(evaluator, Assumptions(evaluator))
    assert () == public_uses(evaluator, Assumptions(evaluator))


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("StringEquals", f"{ROLE_ID}:i-0123", "conditional"),
        ("StringLike", f"{ROLE_ID}:*", "yes"),
        ("StringLike", "*:alice", "unknown"),
        ("StringLike", "*alice", "unknown"),
        ("StringLike", "AROA*", "yes"),
        ("StringEquals", "AROAOTHERROLE0123456:i-0123", ""),
        ("StringLike", "AROAOTHERROLE0123456:*", ""),
    ],
)
def test_a_session_may_have_any_name_in_its_user_id(operator: str, value: str, expected: str) -> None:
    """A role's session has the role's id and a name that its caller chooses; it never has the id of another role."""
    grant = policy({"Action": READ, "Condition": {operator: {"aws:userid": value}}})

    assert expected == verdicts(ask(_role_with(grant))).get("App", "")


def test_a_variable_of_the_user_id_in_a_resource_is_not_a_no() -> None:
    """The name of the session decides on the resource."""
    grant = policy({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/${aws:userid}/*"})

    assert "unknown" == verdicts(ask(_role_with(grant), "s3:GetObject", "arn:aws:s3:::home/someone/x"))["App"]


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:SourceIdentity": "ada"}},
        {"Null": {"aws:FederatedProvider": "false"}},
        {"StringEquals": {"token.actions.githubusercontent.com:sub": "repo:acme/app"}},
        {"StringEquals": {"saml:aud": "x"}},
        {"StringEquals": {"lambda:SourceFunctionArn": "arn:aws:lambda:us-east-1:111111111111:function:x"}},
        {"Null": {"aws:UserAgent": "true"}},
        {"Null": {"aws:ViaAWSService": "true"}},
    ],
)
def test_a_user_has_no_keys_of_sessions(condition: dict[str, Any]) -> None:
    """No request of an IAM user meets these conditions."""
    grant = policy({"Action": READ, "Condition": condition})
    world = world_of({ACCOUNT: {"secrets": {"prod/db": "x"}, "users": {"alice": {"policies": [grant]}}}})

    assert {} == verdicts(ask(world))


def test_a_role_has_no_user_name() -> None:
    """`aws:username` belongs to users only."""
    grant = policy({"Action": READ, "Condition": {"StringEquals": {"aws:username": "ada"}}})

    assert {} == verdicts(ask(_role_with(grant)))


def _role_with(grant: dict[str, Any]) -> OrganizationFacts:
    return _dump(
        {
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/App",
            "RoleId": ROLE_ID,
            "AssumeRolePolicyDocument": trust({"Service": "ec2.amazonaws.com"}),
            "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": grant}],
        }
    )


def _dump(*roles: dict[str, Any]) -> OrganizationFacts:
    """Return a world of the output of `aws iam get-account-authorization-details`, and of a secret."""
    details = {"UserDetailList": [], "GroupDetailList": [], "Policies": [], "RoleDetailList": [*roles]}
    secret = Resource(SECRET, ACCOUNT, kms_key="")
    return read_facts(json.dumps(details), "details.json", lambda _: "")._replace(resources={SECRET: secret})
