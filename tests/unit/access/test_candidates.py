"""The indexes leave out no caller: what they find equals a loop over all users and roles, also with unread facts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.access.questions.assuming import ASSUME, Assumption, Assumptions
from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from tests.groups import examples
from tests.unit.access.random_seeds import OF_CALLERS, OF_RESOURCES, ROLES, seeds
from tests.unit.access.worlds import ACCOUNT, NOW, OTHER, READ, SECRET, policy, trust, ways_of, world_of
from tests.unit.access.worlds import ask as who_can_read


@settings(max_examples=examples(100), deadline=None)
@given(seeds().map(lambda seed: world_of(**seed)), st.lists(st.one_of(OF_CALLERS, OF_RESOURCES), max_size=3))
def test_each_caller_that_a_policy_may_allow_is_a_candidate(world: OrganizationFacts, gaps: list[Gap]) -> None:
    """Each user and role with a possible answer is among those that the index returns."""
    evaluator = Evaluator(world._replace(gaps=(*world.gaps, *gaps)), NOW)
    requests = ((READ, SECRET), (READ, f"{SECRET}x"), ("s3:GetObject", "arn:aws:s3:::other/x"), (ASSUME, ROLES[0]))
    for action, resource in requests:
        topic = Topic(action, resource)
        able = {
            identity.arn
            for identity in world.identities.values()
            if evaluator.ask(caller_of(identity), topic).verdict != "no"
        }

        candidates = {identity.arn for identity in evaluator.identities_about(topic)}

        assert able <= candidates
        assert able <= {arn for arn in candidates if evaluator.may_allow(caller_of(world.identities[arn]), topic)}


@settings(max_examples=examples(100), deadline=None)
@given(seeds().map(lambda seed: world_of(**seed)), st.lists(OF_CALLERS, max_size=2))
def test_all_who_can_assume_a_role_are_found(world: OrganizationFacts, gaps: list[Gap]) -> None:
    """A role can be assumed by each principal for which the engine's answer is not `no`."""
    evaluator = Evaluator(world._replace(gaps=(*world.gaps, *gaps)), NOW)
    assumptions = Assumptions(evaluator)
    for role in ROLES:
        able = {
            identity.arn
            for identity in world.identities.values()
            if evaluator.ask(caller_of(identity), Topic(ASSUME, role)).verdict != "no"
        }

        assert able == {each.caller.name for each in assumptions.of(role) if not each.caller.outside}


def test_a_user_with_unread_policies_may_assume_a_role() -> None:
    """A role trusts the account; whether the user has the permission is not known, and the answer says so."""
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "users": {"alice": {}, "bob": {}},
                "roles": {"Reader": {"trust": trust({"AWS": ACCOUNT}), "policies": [policy({"Action": READ})]}},
            }
        }
    )
    gap = Gap(ACCOUNT, "identity", "AccessDenied", f"arn:aws:iam::{ACCOUNT}:user/alice")

    ways = ways_of(who_can_read(world._replace(gaps=(gap,))))

    assert {"role/Reader": "yes", "user/alice": "unknown"} == {name: way.split()[0] for name, way in ways.items()}


def test_a_role_that_trusts_everyone_is_open_to_those_who_name_it() -> None:
    """A user of another account has the permission for exactly this role; another user has it for another role."""
    role = f"arn:aws:iam::{ACCOUNT}:role/Reader"
    names_it, names_another = (policy({"Action": ASSUME, "Resource": text}) for text in (role, f"{role}2"))
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "roles": {"Reader": {"trust": trust("*"), "policies": [policy({"Action": READ})]}},
            },
            OTHER: {"users": {"carol": {"policies": [names_it]}, "dave": {"policies": [names_another]}}},
        }
    )

    ways = ways_of(who_can_read(world))

    assert "yes role/Reader" == ways["user/carol"]
    assert "user/dave" not in ways


def test_a_statement_with_not_resource_gives_the_permission_for_other_roles() -> None:
    """NotResource names the roles that a user may not assume; the user may assume the others of the account."""
    statement = {"Effect": "Allow", "Action": ASSUME, "NotResource": f"arn:aws:iam::{ACCOUNT}:role/Admin"}
    world = world_of(
        {
            ACCOUNT: {
                "secrets": {"prod/db": "x"},
                "users": {"alice": {"policies": [{"Version": "2012-10-17", "Statement": statement}]}},
                "roles": {
                    name: {"trust": trust({"AWS": ACCOUNT}), "policies": [policy({"Action": READ})]}
                    for name in ("Reader", "Admin")
                },
            }
        }
    )

    assert "yes role/Reader" == ways_of(who_can_read(world))["user/alice"]


@settings(max_examples=examples(100), deadline=None)
@given(seeds().map(lambda seed: world_of(**seed)), st.lists(OF_CALLERS, max_size=2))
def test_what_a_principal_assumes_is_who_assumes_a_role(world: OrganizationFacts, gaps: list[Gap]) -> None:
    """Both directions have the same answers: the roles of a principal, and the principals of a role."""
    world = world._replace(gaps=(*world.gaps, *gaps))
    one, other = (Assumptions(Evaluator(world, NOW)) for _ in range(2))
    roles = [identity.arn for identity in world.identities.values() if identity.kind == "role"]
    of_roles = {(role, *_said(each)) for role in roles for each in one.of(role)}

    of_principals = {(role, *_said(each)) for arn in world.identities for role, each in other.by(arn)}
    inside = {
        (role, *_said(each))
        for identity in world.identities.values()
        for role, each in Assumptions(Evaluator(world, NOW)).by(identity.arn, identity.account)
    }

    assert of_principals == {entry for entry in of_roles if entry[1] in world.identities}
    assert inside == {entry for entry in of_principals if entry[0].split(":")[4] == entry[1].split(":")[4]}


def _said(assumption: Assumption) -> tuple[str, str, str, str]:
    return assumption.caller.name, assumption.caller.session, assumption.action, assumption.answer.verdict
