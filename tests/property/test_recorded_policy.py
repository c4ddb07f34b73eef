"""The policy of a recording allows the recorded calls, needs each of its actions, and widens only as it is told to."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dsops.plan.statements import compact
from dsops.policy import lint, parse_policy, parse_policy_text
from dsops.recording.call import RecordedCall
from dsops.recording.format import CountedCall, Recording
from dsops.recording.generalise import LEVELS, Generalise
from dsops.recording.policy import policy_of
from dsops.recording.replay import replay
from dsops.service_reference import open_reference

REFERENCE = open_reference()
ACCOUNT = "111111111111"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/ada"
KEYS = (
    *("a/1.csv", "a/2.csv", "a/b/1", "a/b/2", "a/c/1", "a/d/1", "top", "what*is?this", "${aws:username}/x", "$", "a/"),
    *("7f3c2a10-1111-2222-3333-444455556666", "logs/2026/11/28/x1y2z3a4b5c6", "logs/2026/11/29/q9w8e7r6t5y4", "\n"),
)
OBJECTS = [f"arn:aws:s3:::data/{key}" for key in KEYS] + ["arn:aws:s3:::build-111111111111-eu-west-1/k"]
TABLES = [f"arn:aws:dynamodb:{region}:{account}:table/t" for region in ("eu-west-1", "us-east-1") for account in (1, 2)]
PREFIXES = ("", "a/", "a/b/", "logs/2026/11/28/", "*", "$")
REGION = "aws:RequestedRegion"

_Parts = tuple[str, str, dict[str, tuple[str, ...]]]

object_calls: st.SearchStrategy[_Parts] = st.builds(
    lambda action, resource: (action, resource, {}),
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]),
    st.sampled_from(OBJECTS),
)
table_calls: st.SearchStrategy[_Parts] = st.builds(
    lambda action, resource: (action, resource.replace(":1:", f":{ACCOUNT}:").replace(":2:", ":222222222222:"), {}),
    st.sampled_from(["dynamodb:GetItem", "dynamodb:PutItem"]),
    st.sampled_from(TABLES),
)
list_calls = st.builds(
    lambda prefix, bucket: ("s3:ListBucket", bucket, {} if prefix is None else {"s3:prefix": (prefix,)}),
    st.none() | st.sampled_from(PREFIXES),
    st.sampled_from(["arn:aws:s3:::data", "arn:aws:s3:::other"]),
)
other_calls = st.sampled_from(
    [
        ("ec2:DescribeInstances", "*", {REGION: ("eu-west-1",)}),
        ("ec2:DescribeInstances", "*", {REGION: ("us-east-1",)}),
        ("ec2:DescribeVpcs", "*", {REGION: ("eu-west-1",)}),
        ("sqs:ListQueues", "*", {}),
        ("sts:AssumeRole", "arn:aws:iam::222222222222:role/x", {}),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:app/db-AbCd12", {}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/r", {"iam:PassedToService": ("lambda.amazonaws.com",)}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/r", {"iam:PassedToService": ("ec2.amazonaws.com",)}),
        ("kms:Decrypt", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/7f3c2a10-1111-2222-3333-444455556666", {}),
        (
            "kms:CreateGrant",
            f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/7f3c2a10-1111-2222-3333-444455556666",
            {"kms:ViaService": ("ec2.eu-west-1.amazonaws.com",), "kms:GrantIsForAWSResource": ("true",)},
        ),
        (
            "iam:AttachRolePolicy",
            f"arn:aws:iam::{ACCOUNT}:role/r",
            {"iam:PolicyARN": (f"arn:aws:iam::{ACCOUNT}:policy/p",)},
        ),
    ]
)
calls = st.one_of(object_calls, table_calls, list_calls, other_calls).map(
    lambda parts: RecordedCall(parts[0], parts[1], "allowed", parts[2], CALLER, "2026-11-28T20:30:00Z")
)
runs = st.lists(calls, min_size=1, max_size=10).map(lambda made: list({repr(each): each for each in made}.values()))


def recording(made: list[RecordedCall]) -> Recording:
    """Return a recording of these calls."""
    return Recording(tuple([CountedCall(each, 1) for each in made]))


def document_of(made: list[RecordedCall], level: Generalise) -> dict[str, Any]:
    """Return the policy of a recording as JSON."""
    document: dict[str, Any] = json.loads(compact(policy_of(recording(made), level, REFERENCE).document))
    return document


def denied(made: list[RecordedCall], document: dict[str, Any]) -> set[str]:
    """Return the calls that a policy denies, as texts."""
    policy = parse_policy(json.dumps(document), "identity", name="p")
    return {repr(each.call) for each in replay(recording(made), [policy]).denied}


@given(made=runs, level=st.sampled_from(LEVELS))
def test_every_recorded_call_is_allowed(made: list[RecordedCall], level: Generalise) -> None:
    """Each level of generalisation allows all calls, and AWS accepts the policy."""
    document = document_of(made, level)

    assert set() == denied(made, document)
    text = json.dumps(document)
    findings = lint(parse_policy_text(text, "p.json"), len(text), "identity", reference=REFERENCE).findings
    assert [] == [each.message for each in findings if each.severity == "error"]


@given(made=runs)
def test_without_one_action_its_calls_are_denied(made: list[RecordedCall]) -> None:
    """If one action is removed from the policy, exactly the calls of this action are denied."""
    document = document_of(made, "none")
    for action in {each.action for each in made}:
        statements = []
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            left = [each for each in actions if each != action]
            statements += [{**statement, "Action": left}] if left else []
        missing = {repr(each) for each in made if each.action == action}
        if statements:
            assert missing == denied(made, {**document, "Statement": statements})


@given(made=runs, others=runs)
def test_the_exact_policy_allows_no_other_call(made: list[RecordedCall], others: list[RecordedCall]) -> None:
    """A call that was not recorded is denied, unless a recorded call differs from it only in unused condition keys."""
    listed_anywhere = {each.resource for each in made if each.action == "s3:ListBucket" and not each.context}
    recorded = {repr(each) for each in made}
    unrecorded = [
        each
        for each in others
        if repr(each) not in recorded and not (each.action == "s3:ListBucket" and each.resource in listed_anywhere)
    ]

    assert {repr(each) for each in unrecorded} == denied(unrecorded, document_of(made, "none"))


@given(made=runs, others=runs)
def test_a_generalised_policy_allows_a_superset(made: list[RecordedCall], others: list[RecordedCall]) -> None:
    """Each level allows all calls that the levels before it allow."""
    by_level = [denied(others, document_of(made, level)) for level in LEVELS]

    assert by_level[2] <= by_level[1] <= by_level[0]


@given(made=runs, level=st.sampled_from(LEVELS))
def test_the_order_of_calls_does_not_matter(made: list[RecordedCall], level: Generalise) -> None:
    """The same calls in another order give the same policy, so that a diff shows only what changed."""
    assert document_of(made, level) == document_of(made[::-1], level)


@given(made=runs, level=st.sampled_from(LEVELS))
def test_each_statement_of_the_policy_is_needed(made: list[RecordedCall], level: Generalise) -> None:
    """A replay names no statement of a generated policy as one that no call uses."""
    policy = parse_policy(json.dumps(document_of(made, level)), "identity", name="p")

    assert all(use.matching for use in replay(recording(made), [policy]).statements)
