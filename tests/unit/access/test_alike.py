"""One answer is shared only by callers that no policy tells apart, and each gets its own request."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.access.questions.caller import caller_of, outside_caller
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from tests.groups import examples
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, OTHER, READ, SECRET, policy, world_of

ACCOUNTS = (ACCOUNT, OTHER)
NAMES = ("A", "B", "C")
ROLES = [f"arn:aws:iam::{account}:role/{name}" for account in ACCOUNTS for name in NAMES]
ASSUME = "sts:AssumeRole"

CONDITIONS = st.sampled_from(
    [
        {},
        {"StringEquals": {"aws:PrincipalArn": ROLES[0]}},
        {"StringEquals": {"aws:PrincipalAccount": OTHER}},
        {"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}},
        {"StringEquals": {"aws:PrincipalTag/team": "blue"}},
        {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}},
        {"StringEquals": {"aws:PrincipalType": "User"}},
        {"StringLike": {"aws:userid": "AROA*"}},
        {"StringEquals": {"aws:username": "A"}},
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
        {"Null": {"aws:TokenIssueTime": "true"}},
        {"StringNotEquals": {"aws:RequestedRegion": "eu-central-1"}},
        {"StringEquals": {"sts:ExternalId": "x"}, "Bool": {"aws:SecureTransport": "true"}},
    ]
)
RESOURCES = st.sampled_from(["*", *ROLES[:2], SECRET, "arn:aws:iam::*:role/${aws:username}", "arn:aws:iam::*:role/A"])
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
        "Action": st.sampled_from(["*", ASSUME, READ]),
        "Resource": RESOURCES,
        "Condition": CONDITIONS,
    }
)
POLICIES = st.lists(STATEMENTS, min_size=1, max_size=2).map(lambda statements: policy(*statements))
PRINCIPALS = st.sampled_from([{"AWS": ACCOUNT}, {"AWS": [*ACCOUNTS, FOREIGN]}, {"AWS": ROLES[:3]}, "*"])
NAMING = st.sampled_from(["Principal", "Principal", "NotPrincipal"])

GAPS = st.builds(
    Gap,
    st.sampled_from(["", *ACCOUNTS]),
    st.sampled_from(["identity", "boundary", "scp", "trust", "resource", "context"]),
    st.just("unread"),
    st.sampled_from(["", "", SECRET, ROLES[0]]),
    st.sampled_from([(), ("aws:principaltag/",), ("aws:principalorgid",)]),
)


@st.composite
def worlds(draw: st.DrawFn) -> OrganizationFacts:
    """A world whose users and roles share three managed policies, with and without tags and boundaries."""
    managed = {name: draw(POLICIES) for name in ("P", "Q", "R")}

    def entity(account: str) -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from(["P", "Q", "R"]), max_size=2, unique=True))
        boundary = {"boundary": f"arn:aws:iam::{account}:policy/P"} if draw(st.integers(0, 4)) == 0 else {}
        attached = {"policies": [f"arn:aws:iam::{account}:policy/{name}" for name in names]}
        return attached | boundary | {"tags": {"team": draw(st.sampled_from(["blue", "red"]))}}

    def trust() -> dict[str, Any]:
        action = draw(st.sampled_from([ASSUME, [ASSUME, "sts:TagSession"]]))
        statement = {"Effect": "Allow", "Principal": draw(PRINCIPALS), "Action": action, "Condition": draw(CONDITIONS)}
        second = {"Effect": "Deny", draw(NAMING): draw(PRINCIPALS), "Action": ASSUME, "Condition": draw(CONDITIONS)}
        return {"Version": "2012-10-17", "Statement": [statement, second] if draw(st.booleans()) else [statement]}

    accounts: dict[str, Any] = {
        account: {
            "policies": managed,
            "users": {name: entity(account) for name in NAMES},
            "roles": {name: entity(account) | {"trust": trust()} for name in NAMES},
        }
        for account in ACCOUNTS
    }
    accounts[ACCOUNT]["secrets"] = {"prod/db": "x"}
    members = list(ACCOUNTS) if draw(st.booleans()) else [OTHER]
    unit = {"accounts": members, "service_control_policies": [{"name": "scp", "document": draw(POLICIES)}]}
    organization = {
        "management_account": "333333333333",
        "accounts": ["333333333333", *({ACCOUNT} - {*members})],
        "organizational_units": {"unit": unit},
    }
    return world_of(accounts | {"333333333333": {}}, organization=organization)


@settings(max_examples=examples(150), deadline=None)
@given(worlds(), st.lists(GAPS, max_size=2))
def test_a_shared_answer_is_that_of_the_caller_alone(world: OrganizationFacts, gaps: list[Gap]) -> None:
    """With one topic for all callers, each answer and its request equal those with a topic of its own."""
    evaluator = Evaluator(world._replace(gaps=(*world.gaps, *gaps)), NOW)
    callers = [*map(caller_of, world.identities.values()), outside_caller(FOREIGN), outside_caller("*")]
    for action, resource in ((READ, SECRET), ("sts:GetSessionToken", "*"), *((ASSUME, role) for role in ROLES[:4])):
        topic = Topic(action, resource)
        shared = [evaluator.ask(caller, topic) for caller in callers]
        alone = [evaluator.ask(caller, Topic(action, resource)) for caller in callers]

        assert alone == shared
        assert all(answer.decision.is_allowed for answer in shared if answer.verdict == "conditional")


def test_alike_callers_share_one_answer() -> None:
    """Roles with the same managed policy and no condition on the caller need one decision of the engine."""
    entity = {"policies": [f"arn:aws:iam::{ACCOUNT}:policy/P"]}
    world = world_of(
        {
            ACCOUNT: {
                "policies": {"P": policy({"Action": READ})},
                "secrets": {"prod/db": "x"},
                "users": dict.fromkeys(NAMES, entity),
            }
        }
    )
    evaluator, topic = Evaluator(world, NOW), Topic(READ, SECRET)

    asked = {arn: evaluator.ask(caller_of(identity), topic) for arn, identity in world.identities.items()}

    assert {arn for arn in asked if not arn.endswith(":user/admin")} <= {
        answer.decision.request.principal.arn for answer in asked.values()
    }
    assert len(topic.answers) < len(asked)


def test_a_role_whose_sessions_take_tags_is_not_like_one_without() -> None:
    """Neither role has the tag, and only the first one's sessions may bring it."""
    needs_tag = policy({"Action": READ, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}})
    roles: dict[str, Any] = {
        name: {
            "policies": [f"arn:aws:iam::{ACCOUNT}:policy/P"],
            "trust": {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": actions},
            },
        }
        for name, actions in (("A", [ASSUME, "sts:TagSession"]), ("B", [ASSUME]))
    }
    world = world_of({ACCOUNT: {"policies": {"P": needs_tag}, "secrets": {"prod/db": "x"}, "roles": roles}})
    evaluator, topic = Evaluator(world, NOW), Topic(READ, SECRET)

    verdicts = [evaluator.ask(caller_of(world.identities[role]), topic).verdict for role in ROLES[:2]]

    assert ["conditional", "no"] == verdicts


def test_a_key_that_aws_sets_cannot_be_left_out() -> None:
    """Each session of a role has aws:TokenIssueTime, so a policy for requests without it allows a role nothing."""
    statement = {"Action": READ, "Condition": {"Null": {"aws:TokenIssueTime": "true"}}}
    trust = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": ASSUME}}
    roles = {"A": {"policies": [policy(statement)], "trust": trust}}
    world = world_of({ACCOUNT: {"secrets": {"prod/db": "x"}, "roles": roles}})

    answer = Evaluator(world, NOW).ask(caller_of(world.identities[ROLES[0]]), Topic(READ, SECRET))

    assert "no" == answer.verdict
