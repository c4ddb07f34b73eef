"""`dsops plan --check` predicts what the sandbox does: a hop is `allowed` if and only if the role can be assumed.

Both share policy evaluation, but nothing before it: one reads the seed's text and a plan, the other loads the seed
and answers signed requests. The setups are generated: users, trust policies, boundaries, organizations, and the
parameters that a store sends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsops.cli.policy.files import read_policy_file
from dsops.plan_check.hops import hops_of
from dsops.policy.sources.declared import DeclaredPolicies
from tests.fakes import make_runtime
from tests.groups import examples
from tests.plans import plan_of
from tests.sandboxes import Lab, Person, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

HOME, OTHER = "111111111111", "222222222222"
JUMP, TARGET = f"arn:aws:iam::{HOME}:role/Jump", f"arn:aws:iam::{OTHER}:role/team/Target"

Statement = dict[str, Any]


def policy(*statements: Statement) -> dict[str, Any]:
    """A policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, resource: str = "*", **more: Any) -> Statement:
    """An identity policy statement that allows access to this resource."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def often(usual: Any, others: list[Any]) -> st.SearchStrategy[Any]:
    """Draw the usual value in half of the cases, since several values must fit for a role to be assumed."""
    return st.one_of(st.just(usual), st.sampled_from(others))


EVERYTHING = policy(allow("*"))
IDENTITIES = often(
    (EVERYTHING,),
    [
        (),
        (policy(allow("sts:AssumeRole")),),
        (policy(allow("sts:*", resource=f"arn:aws:iam::{OTHER}:role/team/*"), allow("sts:*", resource=JUMP)),),
        (policy(allow("sts:*", resource=f"arn:aws:iam::{OTHER}:role/Target")),),
        (EVERYTHING, policy({"Effect": "Deny", "Action": "sts:TagSession", "Resource": "*"})),
        (
            EVERYTHING,
            policy(
                {
                    "Effect": "Deny",
                    "Action": "sts:AssumeRole",
                    "Resource": "*",
                    "Condition": {"StringNotLike": {"sts:RoleSessionName": "ada-*"}},
                }
            ),
        ),
    ],
)
LIMITS = often(None, [policy(allow("sts:*")), policy(allow("s3:*")), policy(allow("sts:AssumeRole"))])
ACTIONS = often(
    ["sts:*"],
    [
        ["sts:AssumeRole"],
        ["sts:AssumeRole", "sts:TagSession"],
        ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        ["sts:TagSession"],
    ],
)
CONDITIONS = often(
    None,
    [
        {"StringEquals": {"sts:ExternalId": "right-one"}},
        {"StringEquals": {"aws:RequestTag/team": "core"}},
        {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
        {"StringLike": {"sts:RoleSessionName": "ada-*"}},
        {"StringEquals": {"sts:SourceIdentity": "ada"}},
        {"Null": {"sts:SourceIdentity": "true"}},
        {"StringEquals": {"aws:PrincipalTag/team": "core"}},
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
        {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        {"StringEquals": {"aws:ResourceTag/stage": "prod"}},
        {"StringEquals": {"aws:PrincipalAccount": HOME}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:role/*"}},
        {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
        {"NumericLessThan": {"sts:DurationSeconds": "7200"}},
    ],
)
PRINCIPALS = often(
    f"arn:aws:iam::{HOME}:root",
    [
        f"arn:aws:iam::{HOME}:user/ada",
        f"arn:aws:iam::{HOME}:user/bob",
        JUMP,
        "*",
        f"arn:aws:sts::{HOME}:assumed-role/Jump/ada-at-work",
        OTHER,
    ],
)


SECRET = f"arn:aws:secretsmanager:us-east-1:{OTHER}:secret:"
READ = "secretsmanager:GetSecretValue"
READING = often(
    policy(allow("secretsmanager:*")),
    [
        policy(allow(READ, resource=f"{SECRET}db-??????")),
        policy(allow(READ, resource=f"{SECRET}d*")),
        policy(allow(READ, resource=f"{SECRET}other-??????")),
        policy(allow("secretsmanager:DescribeSecret")),
        policy(allow(READ, Condition={"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}})),
        policy(allow(READ, Condition={"StringEquals": {"aws:PrincipalTag/team": "core"}})),
    ],
)
SECRET_POLICIES = often(
    None,
    [
        policy({"Effect": "Deny", "Principal": "*", "Action": READ, "Resource": "*"}),
        policy(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": READ,
                "Resource": "*",
                "Condition": {"StringNotEquals": {"aws:PrincipalTag/team": "core"}},
            }
        ),
        policy({"Effect": "Allow", "Principal": {"AWS": TARGET}, "Action": READ, "Resource": "*"}),
    ],
)


@st.composite
def trusts(draw: st.DrawFn) -> dict[str, Any]:
    """A trust policy of one or two statements, the second of which may deny."""
    statements = []
    for effect in ("Allow", draw(st.sampled_from(["", "", "Allow", "Deny"]))):
        condition = draw(CONDITIONS)
        statement = {"Effect": effect, "Principal": {"AWS": draw(PRINCIPALS)}, "Action": draw(ACTIONS)}
        if effect:
            statements.append({**statement, **({"Condition": condition} if condition else {})})
    return policy(*statements)


@dataclass(frozen=True)
class Sent:
    """The parameters that a store sends with its role."""

    session_name: str
    external_id: str
    tags: dict[str, str]
    transitive: bool
    source_identity: str
    duration: int
    session_policy: dict[str, Any] | None

    def keys(self) -> dict[str, Any]:
        """The parameters as the keys of a store."""
        found: dict[str, Any] = {"role_session_name": self.session_name, "duration_seconds": self.duration}
        found |= {"external_id": self.external_id} if self.external_id else {}
        found |= {"tags": self.tags} if self.tags else {}
        found |= {"transitive_tag_keys": list(self.tags)} if self.tags and self.transitive else {}
        found |= {"source_identity": self.source_identity} if self.source_identity else {}
        found |= {"session_policy": self.session_policy} if self.session_policy else {}
        return found

    def parameters(self) -> dict[str, Any]:
        """The parameters as those of AssumeRole."""
        found: dict[str, Any] = {"DurationSeconds": self.duration}
        found |= {"ExternalId": self.external_id} if self.external_id else {}
        found |= {"Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()]} if self.tags else {}
        found |= {"TransitiveTagKeys": list(self.tags)} if self.tags and self.transitive else {}
        found |= {"SourceIdentity": self.source_identity} if self.source_identity else {}
        found |= {"Policy": json.dumps(self.session_policy)} if self.session_policy else {}
        return found


def sent(longest: int) -> st.SearchStrategy[Sent]:
    """Draw parameters of a store with at most this duration."""
    return st.builds(
        Sent,
        session_name=st.sampled_from(["ada-at-work", "bob"]),
        external_id=st.sampled_from(["", "right-one", "wrong-one", "Right-One"]),
        tags=often({}, [{"team": "core"}, {"team": "other"}, {"team": "core", "cost": "1"}]),
        transitive=st.booleans(),
        source_identity=often("", ["ada", "bob"]),
        duration=st.sampled_from([number for number in (900, 3600, 7200) if number <= longest]),
        session_policy=LIMITS,
    )


@st.composite
def seeds(draw: st.DrawFn) -> dict[str, Any]:
    """Two accounts with a user, a role in each account, and perhaps an organization."""
    boundary = draw(LIMITS)
    limits = {"boundary": f"arn:aws:iam::{HOME}:policy/Limit"} if boundary else {}
    home = {
        "users": {"ada": {"policies": list(draw(IDENTITIES)), "tags": draw(TAGS), **limits}, "bob": {}},
        "policies": {"Limit": boundary or EVERYTHING},
        "roles": {"Jump": {"trust": draw(trusts()), "policies": list(draw(IDENTITIES)), "tags": draw(TAGS)}},
    }
    target = {
        "path": "/team/",
        "trust": draw(trusts()),
        "tags": draw(st.sampled_from([{}, {"stage": "prod"}])),
        "max_session_duration": draw(st.sampled_from([3600, 7200])),
        "policies": [draw(READING)],
    }
    own = draw(SECRET_POLICIES)
    other = {"roles": {"Target": target}, "secrets": {"db": "1"}, "secret_policies": {"db": own} if own else {}}
    seed: dict[str, Any] = {"accounts": {HOME: home, OTHER: other, "333333333333": {}}}
    if draw(st.booleans()):
        denied = draw(st.sampled_from(["sts:AssumeRole", "sts:TagSession", "s3:*"]))
        deny = {"Effect": "Deny", "Action": denied, "Resource": draw(st.sampled_from(["*", TARGET]))}
        seed["organization"] = {
            "management_account": "333333333333",
            "organizational_units": {
                "Work": {"service_control_policies": [policy(deny)], "accounts": [HOME]},
                "Vault": {
                    "resource_control_policies": [policy({**deny, "Principal": "*", "Action": "sts:*"})],
                    "accounts": {OTHER: {}},
                },
            },
        }
        if draw(st.booleans()):
            del seed["organization"]["organizational_units"]["Vault"]
    return seed


TAGS = st.sampled_from([{}, {"team": "core"}, {"team": "other"}])


def happened(person: Person, role: str, sends: Sent) -> tuple[str, Person | None]:
    """The sandbox's error code, or "" and the session as caller."""
    try:
        return "", person.assume(role, sends.session_name, **sends.parameters())
    except RefusedError as refused:
        return refused.code, None


def may_read(person: Person) -> bool:
    """Whether the sandbox lets the caller read the secret."""
    try:
        person.call("secretsmanager", "GetSecretValue", SecretId=f"{SECRET}db")
    except RefusedError as refused:
        return refused.code != "AccessDeniedException"
    return True


USER = f"arn:aws:iam::{HOME}:user/ada"
REFUSALS = ("AccessDenied", "ValidationError", "InvalidParameterValue")
OUTCOMES = {("allowed", ""), *(("denied", code) for code in REFUSALS)}


def test_what_is_told_of_each_hop_happens(tmp_path: Path) -> None:
    """What `plan --check` predicts for three hops and the secret happens in the sandbox."""
    counts = dict.fromkeys(("allowed", "denied", "unknown"), 0)

    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=examples(300))
    @given(seed=seeds(), first=sent(3600), second=sent(3600), third=sent(7200))
    def holds(seed: dict[str, Any], first: Sent, second: Sent, third: Sent) -> None:
        for verdict in compared(seed, (first, second, third), tmp_path):
            counts[verdict] += 1

    holds()
    assert counts["unknown"] == 0
    assert min(counts["allowed"], counts["denied"]) >= examples(300) // 6, counts


def compared(seed: dict[str, Any], sends: tuple[Sent, Sent, Sent], folder: Path) -> list[str]:
    """The verdict on each hop, after checking that the sandbox agrees."""
    first, second, third = sends
    (folder / "seed.yaml").write_text(json.dumps(seed, indent=1))
    stores: dict[str, Any] = {
        "jump": {"type": "aws.sts", "role_arn": JUMP, **first.keys()},
        "target": {"type": "aws.sts", "role_arn": TARGET, "credentials_from": "jump", **second.keys()},
        "straight": {"type": "aws.sts", "role_arn": TARGET, **third.keys()},
    }
    variables = {}
    for name in ("target", "straight"):
        stores[f"of-{name}"] = {"type": "aws.secretsmanager", "credentials_from": name}
        variables[name.upper()] = {"from": {"store": f"of-{name}", "key": "db"}}
    plan = plan_of(json.dumps({"secretStores": stores, "envs": {"e": variables}}))
    world = make_runtime(folder=str(folder))
    policies = DeclaredPolicies([read_policy_file("seed.yaml", world)], {}, {})
    result_text = {hop.step.name: hop.verdict for hop in hops_of(plan, policies, policies.complete, USER, world)}

    ada = Lab.of(json.dumps(seed)).user("ada", HOME)
    code, session = happened(ada, JUMP, first)
    assert (result_text["jump"], code) in OUTCOMES, "jump"
    code, reader = happened(ada, TARGET, third)
    assert (result_text["straight"], code) in OUTCOMES, "straight"
    if reader is not None:
        assert ("allowed" if may_read(reader) else "denied") == result_text["of-straight"], "of-straight"
    if session is not None:
        assert (result_text["target"], happened(session, TARGET, second)[0]) in OUTCOMES, "target"
    return list(result_text.values())
