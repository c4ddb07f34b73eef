"""Callers that share an answer get the one that each of them gets alone, on random worlds.

The policies name the caller in every way: condition keys of the caller, policy variables, and principals.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.access.facts.world import OrganizationFacts, PolicyDocument
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.caller import AccessCaller, caller_of, outside_caller, provider_caller
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from tests.groups import examples
from tests.unit.access.worlds import ACCOUNT, NOW, OTHER, READ, SECRET, policy, trust, world_of

IAM = f"arn:aws:iam::{ACCOUNT}"
GITHUB = f"{IAM}:oidc-provider/token.actions.githubusercontent.com"
PARTNER = "999999999999"
NAMES = ("A", "B", "C")
KEYS = (
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalTag/team",
    "aws:PrincipalType",
    "aws:RequestTag/team",
    "aws:ResourceAccount",
    "aws:ResourceTag/team",
    "aws:SourceIdentity",
    "aws:userid",
    "aws:username",
    "sts:ExternalId",
    "sts:RoleSessionName",
)
VALUES = (
    "*",
    "A",
    "B",
    "blue",
    "red",
    ACCOUNT,
    OTHER,
    PARTNER,
    "User",
    "AssumedRole",
    f"{IAM}:role/A",
    f"{IAM}:user/*",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/A/one",
    "AROA1:one",
    "AROA1:*",
    "AROA*:two",
    "AIDA1",
    "${aws:PrincipalAccount}",
    "${aws:PrincipalTag/team}",
    "${aws:SourceIdentity}",
    "${aws:userid}",
    "${aws:username}",
    "${aws:ResourceAccount}",
)
OF_CALLERS = st.dictionaries(
    st.sampled_from(
        [
            "StringEquals",
            "StringLike",
            "StringNotEquals",
            "StringNotLike",
            "StringEqualsIfExists",
            "ForAnyValue:StringLike",
        ]
    ),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), min_size=1, max_size=2),
    max_size=2,
)
OPEN: list[dict[str, Any]] = [
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}},
]
CONDITIONS = st.one_of(OF_CALLERS, st.sampled_from(OPEN))
EFFECTS = st.sampled_from(["Allow", "Allow", "Allow", "Deny"])
PLAIN: dict[str, Any] = {"Effect": "Allow", "Action": [READ, "sts:AssumeRole"], "Resource": "*"}
RESOURCES = st.sampled_from(
    [
        "*",
        SECRET,
        f"{IAM}:role/A",
        f"{IAM}:role/${{aws:username}}",
        "arn:aws:iam::${aws:PrincipalAccount}:role/*",
        "arn:aws:secretsmanager:us-east-1:${aws:PrincipalAccount}:secret:*",
        "arn:aws:secretsmanager:us-east-1:*:secret:${aws:PrincipalTag/team}*",
    ]
)
PRINCIPALS = st.sampled_from(
    [
        "*",
        {"AWS": "*"},
        {"AWS": ACCOUNT},
        {"AWS": OTHER},
        {"AWS": PARTNER},
        {"AWS": f"{IAM}:role/A"},
        {"AWS": f"{IAM}:user/B"},
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/A/one"},
        {"Federated": GITHUB},
        {"Service": "lambda.amazonaws.com"},
    ]
)


def statements(rest: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return statements about reading the secret and assuming roles, with perhaps a condition."""
    return st.builds(
        lambda effect, condition, rest: {"Effect": effect, **rest, **({"Condition": condition} if condition else {})},
        EFFECTS,
        CONDITIONS,
        st.fixed_dictionaries(rest),
    )


IDENTITY = st.lists(
    statements({"Action": st.sampled_from(["*", READ, "sts:AssumeRole"]), "Resource": RESOURCES}),
    min_size=1,
    max_size=2,
).flatmap(lambda each: st.sampled_from([policy(*each), policy(PLAIN, *each)]))
TRUST = st.lists(
    statements({"Principal": PRINCIPALS, "Action": st.just(["sts:AssumeRole", "sts:TagSession"])}),
    min_size=1,
    max_size=2,
).map(lambda each: policy(*each))
TRUSTS = st.one_of(st.just(trust({"AWS": [ACCOUNT, OTHER]})), TRUST)
OF_SECRET = st.one_of(
    st.none(),
    st.lists(
        statements({"Principal": PRINCIPALS, "Action": st.just(READ), "Resource": st.just("*")}), min_size=1, max_size=2
    ).map(lambda each: policy(*each)),
)
TAGS = st.sampled_from([{}, {"team": "blue"}, {"team": "red"}])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Draw two accounts whose users and roles share one of four sets of policies, and a policy for the secret."""
    with_mfa = {**PLAIN, "Condition": OPEN[0]}
    shared = [
        [policy(PLAIN)],
        [policy(with_mfa)],
        *(draw(st.lists(IDENTITY, min_size=1, max_size=2)) for _ in range(2)),
    ]
    accounts: dict[str, Any] = {}
    for account in (ACCOUNT, OTHER):
        kinds = {"users": {}, "roles": {name: {"trust": draw(TRUSTS)} for name in NAMES}}
        kinds["users"] = {name: {} for name in NAMES}
        for members in kinds.values():
            for member in members.values():
                member |= {"policies": draw(st.sampled_from(shared)), "tags": draw(TAGS)}
        accounts[account] = kinds
    accounts[ACCOUNT]["secrets"] = {"prod/db": "x"}
    return accounts, draw(OF_SECRET)


def with_shared_documents(world: OrganizationFacts) -> OrganizationFacts:
    """Return the facts in which identities with the same policy have one document, as with managed policies."""
    known: dict[str, PolicyDocument] = {}
    identities = {
        arn: identity._replace(policies=tuple(known.setdefault(each.text, each) for each in identity.policies))
        for arn, identity in world.identities.items()
    }
    return world._replace(identities=identities)


def callers_in(evaluator: Evaluator) -> list[AccessCaller]:
    """Return all users and roles, two named sessions of a role, and callers of other kinds."""
    identities = evaluator.world.identities
    role = identities[f"{IAM}:role/A"]
    sessions = [caller_of(role, f"arn:aws:sts::{ACCOUNT}:assumed-role/A/{name}") for name in ("one", "two")]
    others = [outside_caller("*"), outside_caller(PARTNER), outside_caller(PARTNER, f"arn:aws:iam::{PARTNER}:role/A")]
    services = [provider_caller("lambda.amazonaws.com"), provider_caller("ec2.amazonaws.com")]
    return [*map(caller_of, identities.values()), *sessions, *others, *services]


def test_a_shared_answer_is_that_of_the_caller_alone() -> None:
    """The verdict, the conditions that are left open, and the gaps are the same; the request works for the caller."""
    shared: Counter[str] = Counter()

    @settings(max_examples=examples(100), deadline=None)
    @given(worlds())
    def holds(drawn: tuple[dict[str, Any], Any]) -> None:
        accounts, of_secret = drawn
        world = with_shared_documents(world_of(accounts))
        if of_secret is not None:
            secret = world.resources[SECRET]
            document = PolicyDocument("the secret's policy", "resource", json.dumps(of_secret))
            world = world._replace(resources={**world.resources, SECRET: secret._replace(policy=document)})
        evaluator = Evaluator(world, NOW)
        for action, resource in ((READ, SECRET), ("sts:AssumeRole", f"{IAM}:role/A")):
            topic = Topic(action, resource)
            for caller in callers_in(evaluator):
                together = evaluator.decide(caller, topic)
                alone = evaluator.decide(caller, Topic(action, resource))
                assert _told(alone) == _told(together), (caller.name, action)
                shared[together.verdict] += together.decision.request.principal != caller.principal
                if together.verdict == "conditional" and not caller.session and together.if_key is None:
                    case = evaluator._case(caller, topic, evaluator.account_of(resource, caller))
                    assert evaluator._decide(case, together.needed).is_allowed, (caller.name, action)

    holds()
    assert min(shared[verdict] for verdict in ("yes", "conditional", "no")) > 0, shared


def _told(answer: AccessAnswer) -> tuple[Any, ...]:
    return answer.verdict, dict(answer.needed), answer.open, answer.gaps, answer.is_blocked, answer.stopped_by_key
