"""Escalations: conditions, boundaries and control policies that stop them, and what a principal gains."""

from __future__ import annotations

from typing import Any

import pytest

from dsops.access.escalations.chains import by_principal, routes_to, steps_to_administrator
from dsops.access.escalations.find import Escalation, Escalations
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from tests.unit.access.worlds import ACCOUNT, NOW, OTHER, ask, policy, trust, ways_of, world_of

IAM = f"arn:aws:iam::{ACCOUNT}"
TRUSTS_LAMBDA = trust({"Service": "lambda.amazonaws.com"})
EVERYTHING = policy({"Action": "*"})
RUNS_CODE = {"Action": ["lambda:CreateFunction", "lambda:InvokeFunction"]}
NO_ADMIN: dict[str, Any] = {"policies": []}
"""Replaces the administrator that a seed has in each account, so that only the test's own targets exist."""


def escalations_of(world: OrganizationFacts) -> Escalations:
    """Return what finds escalations, without roles that are simply assumed."""
    evaluator = Evaluator(world, NOW)
    rules = [rule for rule in ESCALATION_RULES if rule.target != "assumed"]
    return Escalations(evaluator, Assumptions(evaluator), rules)


def found(account: dict[str, Any], **rest: Any) -> list[Escalation]:
    """Return the escalations in a world with one account of interest."""
    users = {"admin": NO_ADMIN, **account.get("users", {})}
    world = world_of({ACCOUNT: {**account, "users": users}, OTHER: {}}, **rest)
    return [*escalations_of(world).find(world.identities.values())]


def told(escalations: list[Escalation]) -> list[str]:
    """Return the escalations as `user/bob becomes role/Admin by lambda-001: yes`."""

    def name(arn: str) -> str:
        return arn.split(":")[5]

    return [
        f"{name(each.caller.name)} becomes {name(each.target)} by {each.rule.identifier}: {each.verdict}"
        for each in escalations
    ]


def passing(**condition: Any) -> dict[str, Any]:
    """Return a statement that allows passing every role, with conditions."""
    return {"Action": "iam:PassRole", **({"Condition": condition} if condition else {})}


def with_lambda(*statements: dict[str, Any], role: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an account in which bob may run functions, and a role trusts Lambda."""
    return {
        "users": {"bob": {"policies": [policy(RUNS_CODE, *statements)]}},
        "roles": {"Admin": {"trust": TRUSTS_LAMBDA, "policies": [EVERYTHING], **(role or {})}},
    }


def test_a_passed_role_with_a_new_function() -> None:
    """PassRole, CreateFunction and InvokeFunction together make an administrator."""
    assert ["user/bob becomes role/Admin by lambda-001: yes"] == told(found(with_lambda(passing())))


def test_a_condition_on_the_service_that_fits() -> None:
    """PassRole only to Lambda is enough for the rule about Lambda."""
    fits = passing(StringEquals={"iam:PassedToService": "lambda.amazonaws.com"})

    assert ["user/bob becomes role/Admin by lambda-001: yes"] == told(found(with_lambda(fits)))


@pytest.mark.parametrize(
    "account",
    [
        with_lambda(passing(StringEquals={"iam:PassedToService": "ec2.amazonaws.com"})),
        with_lambda({**passing(), "Resource": f"{IAM}:role/Other"}),
        with_lambda(passing(), role={"trust": trust({"Service": "ec2.amazonaws.com"})}),
        with_lambda(passing(), {"Effect": "Deny", "Action": "lambda:InvokeFunction"}),
        with_lambda(passing(StringEquals={"aws:PrincipalTag/team": "security"})),
        with_lambda(passing(StringEquals={"iam:ResourceTag/team": "security"})),
    ],
    ids=[
        "condition on the service",
        "another role",
        "trust of another service",
        "deny",
        "principal tag",
        "tag of the role",
    ],
)
def test_traps_around_pass_role(account: dict[str, Any]) -> None:
    """A condition, a resource, a trust policy or a Deny that stops one of the requests leaves no way."""
    assert [] == found(account)


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "iam:PutUserPolicy", "Resource": f"{IAM}:user/other"},
        {"Action": "iam:CreateAccessKey", "Resource": f"{IAM}:user/${{aws:username}}"},
        {
            "Action": "iam:AttachUserPolicy",
            "Condition": {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/ReadOnlyAccess"}},
        },
        {
            "Action": "iam:PutUserPolicy",
            "Condition": {"StringEquals": {"iam:PermissionsBoundary": f"{IAM}:policy/limit"}},
        },
        {"Action": "iam:PutRolePolicy"},
        {"Action": "iam:CreatePolicyVersion", "Resource": f"{IAM}:policy/not-attached"},
    ],
    ids=[
        "another user",
        "own keys",
        "another policy",
        "boundary required",
        "a user is no role",
        "policy that is attached to no user",
    ],
)
def test_traps_around_own_policies(statement: dict[str, Any]) -> None:
    """Permissions that look dangerous, and are limited to what gives nothing."""
    assert [] == found({"users": {"bob": {"policies": [policy(statement)]}}})


def test_a_boundary_that_is_required_and_there() -> None:
    """With the boundary that the condition requires, the user writes its policy, and gains what the boundary allows."""
    statement = {
        "Action": "iam:PutUserPolicy",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": f"{IAM}:policy/limit"}},
    }
    account = {
        "policies": {"limit": policy({"Action": ["iam:PutUserPolicy", "s3:*"]})},
        "users": {"bob": {"policies": [policy(statement)], "boundary": f"{IAM}:policy/limit"}},
    }
    (escalation,) = found(account)

    assert ["user/bob becomes user/bob by iam-007: yes"] == told([escalation])
    assert "s3:* on *" == escalation.gain.permission


def test_a_boundary_stops_the_request() -> None:
    """A boundary without IAM stops a principal that may write its own policy."""
    account = {
        "policies": {"limit": policy({"Action": "s3:*"})},
        "users": {"bob": {"policies": [policy({"Action": "iam:PutUserPolicy"})], "boundary": f"{IAM}:policy/limit"}},
    }

    assert [] == found(account)


def test_a_boundary_of_the_target_limits_the_gain() -> None:
    """A role that looks like an administrator and has a boundary gives only what the boundary allows."""
    limit = {"limit": policy({"Action": "s3:Get*"})}
    account = with_lambda(passing(), role={"boundary": f"{IAM}:policy/limit"}) | {"policies": limit}
    (escalation,) = found(account)
    assert "s3:Get* on *" == escalation.gain.permission

    reader = with_lambda(passing(), {"Action": "s3:*"}, role={"boundary": f"{IAM}:policy/limit"}) | {"policies": limit}
    assert [] == found(reader)


def test_a_control_policy_stops_the_request() -> None:
    """A service control policy that denies the making of access keys leaves no way to the user."""
    account = {
        "users": {"bob": {"policies": [policy({"Action": "iam:CreateAccessKey"})]}, "boss": {"policies": [EVERYTHING]}}
    }
    organization = {
        "management_account": OTHER,
        "accounts": [OTHER],
        "organizational_units": {
            "prod": {
                "accounts": [ACCOUNT],
                "service_control_policies": [
                    {"name": "no-keys", "document": policy({"Effect": "Deny", "Action": "iam:CreateAccessKey"})}
                ],
            }
        },
    }

    assert ["user/bob becomes user/boss by iam-002: yes"] == told(found(account))
    assert [] == found(account, organization=organization)


def test_only_what_is_more_is_told() -> None:
    """A role with no other permission than the caller's, and administrators themselves, are no escalation."""
    same = policy({"Action": ["lambda:CreateFunction"]})

    assert [] == found(with_lambda(passing(), role={"policies": [same]}))
    assert [] == found({"users": {"bob": {"policies": [EVERYTHING]}, "boss": {"policies": [EVERYTHING]}}})


def test_a_principal_that_may_assume_an_administrator_gains_nothing() -> None:
    """What a principal reaches by AssumeRole counts as its own; so the passed role adds nothing."""
    hop = {"Action": "sts:AssumeRole", "Resource": f"{IAM}:role/Boss"}
    account = with_lambda(passing(), hop)
    account["roles"]["Boss"] = {"trust": trust({"AWS": ACCOUNT}), "policies": [EVERYTHING]}

    assert [] == found(account)


def test_open_conditions_are_told() -> None:
    """A way that needs MFA is conditional, with the key in the request."""
    (escalation,) = found(with_lambda(passing(Bool={"aws:MultiFactorAuthPresent": "true"})))

    assert "conditional" == escalation.verdict
    assert {"aws:multifactorauthpresent": ("true",)} == escalation.requests[0].answer.needed


def test_names_of_new_resources_follow_the_policies() -> None:
    """A caller who may only make functions with a prefix makes one; it must be the one that it may invoke."""
    function = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function"
    makes = {"Action": "lambda:CreateFunction", "Resource": f"{function}:dev-*"}
    invokes = {"Action": "lambda:InvokeFunction", "Resource": f"{function}:*"}
    other = {**invokes, "Resource": f"{function}:prod-*"}

    def account(*statements: dict[str, Any]) -> dict[str, Any]:
        return {**with_lambda(), "users": {"bob": {"policies": [policy(passing(), *statements)]}}}

    (escalation,) = found(account(makes, invokes))
    assert f"{function}:dev-dsops-new" == escalation.requests[1].resource
    assert [] == found(account(makes, other))


def test_a_group_gives_its_policies_to_a_new_member() -> None:
    """A user who may add itself to the administrators' group becomes one; a member gains nothing."""
    join = policy({"Action": "iam:AddUserToGroup"})
    account = {
        "groups": {"admins": {"policies": [EVERYTHING]}},
        "users": {"bob": {"policies": [join]}, "member": {"policies": [join], "groups": ["admins"]}},
    }

    assert ["user/bob becomes group/admins by iam-013: yes"] == told(found(account))


def test_roles_that_iam_protects_are_no_targets() -> None:
    """The trust policies of service-linked roles can't be changed."""
    roles = {
        "Linked": {"path": "/aws-service-role/x/", "trust": TRUSTS_LAMBDA, "policies": [EVERYTHING]},
        "Plain": {"trust": TRUSTS_LAMBDA, "policies": [EVERYTHING]},
    }
    account = {"roles": roles, "users": {"bob": {"policies": [policy({"Action": "iam:UpdateAssumeRolePolicy"})]}}}

    assert ["user/bob becomes role/Plain by iam-012: yes"] == told(found(account))


def test_a_missing_policy_makes_the_way_uncertain() -> None:
    """If a policy of the principal could not be read, the ways that the others allow may be denied."""
    world = world_of({ACCOUNT: with_lambda(passing())})
    gap = Gap(ACCOUNT, "boundary", "AccessDenied", f"{IAM}:user/bob")
    world = world._replace(gaps=(gap,))
    (escalation,) = escalations_of(world).find([world.identities[f"{IAM}:user/bob"]])

    assert (gap,) == escalation.gaps


def test_several_steps_and_the_callers_behind_a_role() -> None:
    """Who may assume the principal is listed; the steps to an administrator are counted."""
    account = {
        "users": {
            "admin": NO_ADMIN,
            "carol": {"policies": [policy({"Action": "sts:AssumeRole"})]},
            "keys": {"policies": [policy({"Action": "iam:PutUserPolicy"})]},
        },
        "roles": {
            "Deploy": {
                "trust": trust({"AWS": ACCOUNT}),
                "policies": [policy({"Action": "iam:CreateAccessKey", "Resource": f"{IAM}:user/keys"})],
            }
        },
    }
    world = world_of({ACCOUNT: account})
    escalations = escalations_of(world)
    ways = escalations.find_from(world.identities[f"{IAM}:user/carol"])
    deploy = world.identities[f"{IAM}:role/Deploy"]
    routes = [*routes_to(Assumptions(Evaluator(world, NOW)), escalations.gains, deploy)]

    assert [f"{IAM}:role/Deploy", f"{IAM}:user/keys"] == [*by_principal(ways)]
    assert {f"{IAM}:user/keys": 1, f"{IAM}:role/Deploy": 2} == steps_to_administrator(
        ways, escalations.gains, world.identities
    )
    assert [(f"{IAM}:user/carol", (deploy.arn,))] == [(route.caller.name, route.roles) for route in routes]


def test_a_trust_policy_does_not_decide_on_pass_role() -> None:
    """Only STS asks a role's trust policy; `who-can iam:PassRole` lists those whose policies allow it."""
    world = world_of({ACCOUNT: with_lambda(passing())})

    assert "yes" == ways_of(ask(world, "iam:PassRole", f"{IAM}:role/Admin"))["user/bob"]
