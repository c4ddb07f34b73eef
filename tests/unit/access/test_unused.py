"""What was never used, and tightened policies: by hand, and as properties of random policies and calls."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.access.unused.calls import LoggedCall
from dsops.access.unused.catalogue import Catalogue
from dsops.access.unused.find import UnusedAccess, find_unused
from dsops.access.unused.kept import BlindSpots
from dsops.access.unused.proof import prove, tightened_identity
from dsops.service_reference import open_reference
from tests.groups import examples
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, policy, trust, world_of

CATALOGUES = {"reference": Catalogue(open_reference()), "patterns": Catalogue(None)}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
KEYS = [f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{number}" for number in (1, 2)]


def logged(service: str, name: str, arn: str = "", principal: str = ROLE, calls: int = 1) -> LoggedCall:
    """Calls of a principal, with one resource or none in their event."""
    return LoggedCall(principal, service, name, json.dumps([{"ARN": arn}]) if arn else "", calls, NOW, NOW)


def unused(
    *rows: LoggedCall,
    policies: list[dict[str, Any]],
    has_data_events: bool = True,
    catalogue: str = "reference",
    path: str = "/",
) -> UnusedAccess:
    """Return the use of the role's policies. The logs have events of all services that a trail can leave out."""
    roles = {"Deploy": {"trust": trust({"AWS": ACCOUNT}), "policies": policies, "path": path}}
    world = world_of({ACCOUNT: {"roles": roles}})
    spots = BlindSpots(CATALOGUES[catalogue], ["kms", "rds-data"], has_data_events=has_data_events)
    entries = find_unused(rows, Evaluator(world, NOW), spots).entries
    return next(entry for entry in entries if entry.identity.name == "Deploy")


def actions(entry: UnusedAccess, number: int = 0) -> set[str]:
    """Return the actions of one statement of the tightened policy."""
    written: Any = entry.tightened.statements[number]["Action"]
    return {written} if isinstance(written, str) else set(written)


def test_wildcards_become_the_used_actions() -> None:
    """Of a service with 100 actions, the used one stays, with the statement's Sid, resource and condition."""
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    statement = {"Sid": "Trails", "Action": "cloudtrail:*", "Resource": "*", "Condition": condition}
    entry = unused(logged("cloudtrail", "LookupEvents", calls=3), policies=[policy(statement)])

    assert {"Sid": "Trails", "Resource": "*", "Condition": condition, "Effect": "Allow"} == {
        key: value for key, value in entry.tightened.statements[0].items() if key != "Action"
    }
    assert "cloudtrail:LookupEvents" in actions(entry)
    assert "cloudtrail:DeleteTrail" not in actions(entry)
    assert "cloudtrail:DeleteTrail" in entry.unused
    assert (3, ()) == (entry.proof.evaluated, entry.proof.lost)


def test_a_statement_whose_resource_was_never_used_is_left_out() -> None:
    """KMS events name the key, so the statement about the other key is unused."""
    statements = [{"Sid": f"Key{index}", "Action": "kms:Decrypt", "Resource": key} for index, key in enumerate(KEYS)]
    entry = unused(logged("kms", "Decrypt", KEYS[0]), policies=[policy(*statements)])
    without = unused(logged("kms", "Decrypt"), policies=[policy(*statements)])

    assert ["Key0"] == [statement["Sid"] for statement in entry.tightened.statements]
    assert ["Key0", "Key1"] == [statement["Sid"] for statement in without.tightened.statements]


@pytest.mark.parametrize(
    ("action", "is_kept"), [("s3:GetObject", True), ("lambda:InvokeFunction", True), ("lambda:GetFunction", False)]
)
def test_data_events_are_blind_spots(action: str, *, is_kept: bool) -> None:
    """A data action without an event stays, unless the logs have all data events; other actions do not stay."""
    entry = unused(policies=[policy({"Action": action})], has_data_events=False)
    logged_all = unused(policies=[policy({"Action": action})])

    assert is_kept == bool(entry.tightened.statements)
    assert ((action,) if is_kept else ()) == entry.blind
    assert () == logged_all.tightened.statements


def test_a_data_event_of_one_bucket_says_nothing_about_another() -> None:
    """A trail can log the data events of some buckets, so the statement about the other bucket stays."""
    buckets = [{"Sid": name, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"} for name in ("A", "B")]
    row = logged("s3", "GetObject", "arn:aws:s3:::A/key")

    some = unused(row, policies=[policy(*buckets)], has_data_events=False)
    every = unused(row, policies=[policy(*buckets)])

    assert ["A", "B"] == [statement["Sid"] for statement in some.tightened.statements]
    assert ["A"] == [statement["Sid"] for statement in every.tightened.statements]


def test_pass_role_is_always_kept() -> None:
    """iam:PassRole has no event of its own."""
    assert {"iam:PassRole"} == actions(unused(policies=[policy({"Action": ["iam:PassRole", "iam:CreateUser"]})]))


def test_a_service_that_the_trail_may_leave_out_is_kept() -> None:
    """Without any event of KMS in the logs, its actions are a blind spot."""
    world = world_of({ACCOUNT: {"roles": {"Deploy": {"policies": [policy({"Action": "kms:Decrypt"})]}}}})
    spots = BlindSpots(CATALOGUES["reference"], ["ec2"], has_data_events=True)
    (entry,) = find_unused([], Evaluator(world, NOW), spots, only=ROLE).entries

    assert ("kms:Decrypt",) == entry.blind


@pytest.mark.parametrize(
    ("service", "event", "action"),
    [
        ("monitoring", "DescribeAlarms", "cloudwatch:DescribeAlarms"),
        ("lambda", "GetFunction20150331v2", "lambda:GetFunction"),
        ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
        ("kms", "ReEncrypt", "kms:ReEncryptTo"),
        ("cloudfront", "CreateDistribution2020_05_31", "cloudfront:CreateDistribution"),
    ],
)
def test_events_have_the_names_of_their_actions(service: str, event: str, action: str) -> None:
    """Where an event's name differs from the action's, the action counts as used."""
    entry = unused(logged(service, event), policies=[policy({"Action": action})])

    assert (action,) == entry.used


def test_an_unknown_event_keeps_its_service() -> None:
    """The action of the event is unknown, so each action of the service may be the one."""
    entry = unused(logged("ecr", "PolicyExecutionEvent"), policies=[policy({"Action": ["ecr:*", "ec2:*"]})])

    assert {"ecr:*"} == actions(entry)
    assert 1 == entry.proof.unknown


def test_a_deny_stays_as_it_is() -> None:
    """A Deny statement is part of the tightened policy, NotAction included."""
    deny = {"Sid": "No", "Effect": "Deny", "NotAction": ["ec2:*", "s3:*"], "Resource": "*"}
    entry = unused(logged("ec2", "DescribeVpcs"), policies=[policy({"Action": "ec2:DescribeVpcs"}, deny)])

    assert deny == entry.tightened.statements[1]


def test_sids_stay_unique_and_an_old_version_keeps_its_meaning() -> None:
    """Two policies with the same Sid are merged; `${` of version 2008-10-17 is no variable."""
    old = policy({"Sid": "A", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"})
    entry = unused(policies=[policy({"Sid": "A", "Action": "s3:PutObject"}), old | {"Version": "2008-10-17"}])
    kept = unused(
        policies=[policy({"Sid": "A", "Action": "s3:PutObject"}), old | {"Version": "2008-10-17"}],
        has_data_events=False,
    )

    assert () == entry.tightened.statements
    assert ["A", "A2"] == [statement["Sid"] for statement in kept.tightened.statements]
    assert "arn:aws:s3:::b/${$}{aws:username}" == kept.tightened.statements[1]["Resource"]


@pytest.mark.parametrize(
    "principal",
    [
        f"arn:aws:iam::{ACCOUNT}:role/team/Deploy",
        f"arn:aws:iam::{ACCOUNT}:role/Deploy",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/session",
    ],
)
def test_sessions_belong_to_their_role(principal: str) -> None:
    """The logs name a role with its path, and sessions without it."""
    entry = unused(
        logged("ec2", "DescribeVpcs", principal=principal), policies=[policy({"Action": "ec2:*"})], path="/team/"
    )
    other = unused(
        logged("ec2", "DescribeVpcs", principal=principal.replace(ACCOUNT, FOREIGN)),
        policies=[policy({"Action": "ec2:*"})],
        path="/team/",
    )

    assert (1, 0) == (entry.calls.calls, other.calls.calls)


def test_a_lost_call_is_found() -> None:
    """The proof reports a call that a wrong tightened policy loses, with and without a known resource."""
    rows = [logged("ec2", "DescribeVpcs"), logged("iam", "GetRole")]
    entry = unused(*rows, policies=[policy({"Action": ["ec2:*", "iam:*"]})])
    wrong = entry.tightened._replace(statements=())
    world = world_of({ACCOUNT: {}})

    proof = prove(Evaluator(world, NOW), entry.identity, wrong, entry.calls)

    assert {"ec2:DescribeVpcs", "iam:GetRole"} == {lost.action for lost in proof.lost}


# --- properties ---------------------------------------------------------------------------------------------

EVENTS = [
    ("ec2", "DescribeVpcs", "*"),
    ("iam", "GetRole", ROLE),
    ("kms", "Decrypt", KEYS[0]),
    ("kms", "Decrypt", KEYS[1]),
    ("s3", "GetObject", "arn:aws:s3:::data/a"),
    ("s3", "PutObject", "arn:aws:s3:::data/b"),
    ("sts", "AssumeRole", ROLE),
]
MORE = ["ec2:TerminateInstances", "iam:PassRole", "kms:CreateKey", "s3:DeleteBucket", "sqs:SendMessage"]
PATTERNS = ["*", "s3:*", "s3:Get*", "kms:*crypt", "kms:Decrypt", "ec2:*", "iam:GetRole", "sts:*", "*:Get*", "iam:P*"]
STATEMENTS = st.builds(
    lambda effect, element, actions, resource, condition: {
        "Effect": effect,
        element: actions,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    },
    st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
    st.sampled_from(["Action", "Action", "Action", "NotAction"]),
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True),
    st.sampled_from(["*", KEYS[0], "arn:aws:s3:::data/*", "arn:aws:s3:::data/a", ROLE, "arn:aws:iam::*:role/*"]),
    st.sampled_from([None, {"Bool": {"aws:MultiFactorAuthPresent": "true"}}]),
)
POLICIES = st.lists(
    st.lists(STATEMENTS, min_size=1, max_size=3).map(lambda statements: policy(*statements)), min_size=1, max_size=2
)


@settings(deadline=None, max_examples=examples(60))
@given(
    policies=POLICIES,
    events=st.lists(st.tuples(st.sampled_from(EVENTS), st.booleans())),
    has_data_events=st.booleans(),
    catalogue=st.sampled_from([*CATALOGUES]),
)
def test_a_tightened_policy_allows_the_calls_and_nothing_new(
    policies: list[dict[str, Any]],
    events: list[tuple[tuple[str, str, str], bool]],
    has_data_events: bool,  # noqa: FBT001 - hypothesis passes it by name
    catalogue: str,
) -> None:
    """Each call has the same answer as before, and no action has a better answer than before."""
    rows = [logged(service, name, arn if tells else "") for (service, name, arn), tells in events]
    entry = unused(*rows, policies=policies, has_data_events=has_data_events, catalogue=catalogue)
    evaluator = Evaluator(world_of({ACCOUNT: {"roles": {"Deploy": {"trust": trust({"AWS": ACCOUNT})}}}}), NOW)
    before = caller_of(entry.identity)
    after = caller_of(tightened_identity(entry.identity, entry.tightened))

    def answers(action: str, resource: str) -> tuple[bool, bool]:
        topic = Topic(action, resource)
        return evaluator.ask(before, topic).is_possible, evaluator.ask(after, topic).is_possible

    assert () == entry.proof.lost
    for (service, name, arn), _ in events:
        was_allowed, is_allowed = answers(f"{service}:{name}", arn)
        assert was_allowed == is_allowed
    everything = [*MORE, *(f"{service}:{name}" for service, name, _ in EVENTS)]
    for action in everything:
        for resource in ("*", *(arn for _, _, arn in EVENTS)):
            was_allowed, is_allowed = answers(action, resource)
            assert was_allowed or not is_allowed
