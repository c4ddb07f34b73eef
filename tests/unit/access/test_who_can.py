"""Who can do something: directly, through roles, under open conditions, and who is stopped."""

from __future__ import annotations

from typing import Any

from dsops.access.facts.world import Gap
from tests.unit.access.worlds import ACCOUNT, FOREIGN, OTHER, READ, SECRET, ask, policy, trust, ways_of, world_of

GITHUB = "token.actions.githubusercontent.com"
READER = policy({"Action": "secretsmanager:Get*"})


def test_a_role_that_may_read_and_those_who_may_assume_it() -> None:
    """A user with permission for AssumeRole reaches the secret through the role; others do not."""
    user = policy({"Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{ACCOUNT}:role/Reader"})
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "users": {"alice": {"policies": [user]}, "bob": {}},
                "roles": {"Reader": {"trust": trust({"AWS": ACCOUNT}), "policies": [READER]}},
            }
        }
    )

    assert {"role/Reader": "yes", "user/alice": "yes role/Reader"} == ways_of(ask(world))


def test_a_chain_of_roles_across_accounts() -> None:
    """Each hop needs the trust of the next role and a permission in its own account."""
    hop = policy({"Action": "sts:AssumeRole"})
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "roles": {"Reader": {"trust": trust({"AWS": f"arn:aws:iam::{OTHER}:role/Hub"}), "policies": [READER]}},
            },
            OTHER: {
                "users": {"carol": {"policies": [hop]}, "dave": {}},
                "roles": {"Hub": {"trust": trust({"AWS": f"arn:aws:iam::{OTHER}:root"}), "policies": [hop]}},
            },
        }
    )

    assert {"role/Reader": "yes", "role/Hub": "yes role/Reader", "user/carol": "yes role/Hub role/Reader"} == ways_of(
        ask(world)
    )


def test_open_conditions_come_with_a_request_that_meets_them() -> None:
    """MFA, an external ID and the claims of a token are open; the way names values that the engine accepts."""
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "users": {"alice": {"policies": [policy({"Action": "sts:AssumeRole"})]}},
                "roles": {
                    "Admin": {
                        "trust": trust({"AWS": ACCOUNT}, Bool={"aws:MultiFactorAuthPresent": "true"}),
                        "policies": [READER],
                    },
                    "Ci": {
                        "trust": trust(
                            {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"},
                            "sts:AssumeRoleWithWebIdentity",
                            StringLike={f"{GITHUB}:sub": "repo:acme/*"},
                        ),
                        "policies": [READER],
                    },
                    "Vendor": {
                        "trust": trust({"AWS": FOREIGN}, StringEquals={"sts:ExternalId": "hush"}),
                        "policies": [READER],
                    },
                },
            }
        }
    )
    answer = ask(world)

    ways = ways_of(answer)
    assert "conditional role/Admin" == ways["user/alice"]
    assert "conditional role/Ci" == ways[f"oidc-provider/{GITHUB}"]
    assert "conditional role/Vendor" == ways[FOREIGN]
    needed = {key: value for way in answer.ways for step in way.steps for key, value in step.answer.needed.items()}
    assert ("true",) == needed["aws:multifactorauthpresent"]
    assert ("repo:acme/x",) == needed[f"{GITHUB}:sub"]


def test_conditions_that_no_request_meets_are_no_way() -> None:
    """An Allow for a team and a Deny for the same team contradict each other."""
    contradiction = policy(
        {"Action": READ, "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}},
        {"Effect": "Deny", "Action": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}},
    )
    world = world_of({ACCOUNT: {"secrets": {"prod/db": "x"}, "users": {"alice": {"policies": [contradiction]}}}})
    answer = ask(world)

    assert {} == ways_of(answer)
    assert [f"arn:aws:iam::{ACCOUNT}:user/alice"] == [stopped.caller.name for stopped in answer.stopped]


def test_what_stops_a_principal_is_named() -> None:
    """A boundary and a service control policy stop principals whose own policies allow the action."""
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "policies": {"only-s3": policy({"Action": "s3:*"})},
                "users": {
                    "alice": {"policies": [READER], "boundary": f"arn:aws:iam::{ACCOUNT}:policy/only-s3"},
                    "bob": {"policies": [READER]},
                },
            },
            OTHER: {},
        },
        organization={
            "management_account": OTHER,
            "accounts": [OTHER],
            "organizational_units": {
                "prod": {
                    "accounts": [ACCOUNT],
                    "service_control_policies": [
                        {
                            "name": "no-bob",
                            "document": policy(
                                {
                                    "Effect": "Deny",
                                    "Action": "*",
                                    "Condition": {"StringLike": {"aws:PrincipalArn": "*/bob"}},
                                }
                            ),
                        }
                    ],
                }
            },
        },
    )
    stopped = {entry.caller.name.rpartition("/")[2]: entry.answer.decision for entry in ask(world).stopped}

    assert "permissions boundary" == stopped["alice"].decided_by
    assert "service control policy" == stopped["bob"].decided_by
    assert "ExplicitDeny" == stopped["bob"].effect


def test_a_policy_that_could_not_be_read_is_named() -> None:
    """With an unread identity policy, a user is a perhaps; the gap says why."""
    world = world_of({ACCOUNT: {"secrets": {"prod/db": "x"}, "users": {"alice": {}, "bob": {}}}})
    gap = Gap(ACCOUNT, "identity", "AccessDenied", f"arn:aws:iam::{ACCOUNT}:user/alice")
    answer = ask(world._replace(gaps=(gap,)))

    assert {"user/alice": "unknown"} == ways_of(answer)
    assert (gap,) == next(way.gaps for way in answer.ways if way.verdict == "unknown")


def test_an_outsider_that_the_resource_policy_names() -> None:
    """The policy of a secret lets another account in, and everyone of the organization under a condition."""
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "secret_policies": {
                    "prod/db": {
                        "Version": "2012-10-17",
                        "Statement": {
                            "Effect": "Allow",
                            "Principal": {"AWS": FOREIGN},
                            "Action": READ,
                            "Resource": "*",
                        },
                    }
                },
            }
        }
    )

    assert {FOREIGN: "yes"} == ways_of(ask(world, READ, SECRET))


def test_roles_that_trust_each_other_end() -> None:
    """A cycle of trust is walked once."""
    hop = policy({"Action": "sts:AssumeRole"}, {"Action": READ})
    one, two = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("One", "Two"))
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "roles": {
                    "One": {"trust": trust({"AWS": two}), "policies": [hop]},
                    "Two": {"trust": trust({"AWS": one}), "policies": [hop]},
                },
            }
        }
    )

    assert {"role/One": "yes", "role/Two": "yes"} == ways_of(ask(world))


def test_services_and_foreign_accounts_can_assume_a_role() -> None:
    """Who can assume a role contains the services and accounts of its trust policy, also a service in a condition."""
    named: dict[str, Any] = {"StringEquals": {"aws:PrincipalServiceName": "states.amazonaws.com"}}
    statements = [
        trust({"Service": "lambda.amazonaws.com"})["Statement"],
        trust({"AWS": FOREIGN})["Statement"],
        trust("*", **named)["Statement"],
        trust({"Federated": "cognito-identity.amazonaws.com"}, "sts:AssumeRoleWithWebIdentity")["Statement"],
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    world = world_of({ACCOUNT: {"roles": {"Worker": {"trust": document}}}})
    role = f"arn:aws:iam::{ACCOUNT}:role/Worker"

    assert {"lambda.amazonaws.com": "yes", "states.amazonaws.com": "yes", FOREIGN: "yes"} == ways_of(
        ask(world, "sts:AssumeRole", role)
    )
    assert {} == ways_of(ask(world, "iam:PassRole", role))
