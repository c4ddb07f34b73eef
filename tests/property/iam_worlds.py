"""Strategies for requests and applicable policies, from a few values, so that they often match."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from dsops.policy import Policies, Policy, PolicyKind, Principal, Request, parse_policy
from tests.unit.policy.policies import ACCOUNT, ALICE, ANYBODY, APP, BOB, LAMBDA, OTHER, ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = Any  # a JSON document

CALLERS = (ALICE, ALICE, APP, APP, BOB, BOB, ROOT, LAMBDA, ANYBODY)
ACTIONS = ("s3:GetObject", "s3:PutObject", "sts:AssumeRole")
VALUES = ("", "a", "A", "a*", "b", "1", "10", "true", "2026-01-01T00:00:00Z", "10.0.0.1")
KEYS = ("aws:username", "aws:PrincipalTag/Team", "aws:TagKeys", "aws:SourceIp", "aws:CurrentTime")


def _lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[Json]:
    return values | st.lists(values, min_size=1, max_size=2)


def conditions() -> st.SearchStrategy[Json]:
    """A condition block of one or two operators."""
    plain = {
        "StringEquals": ("a", "A", "b", "${aws:username}"),
        "StringNotEquals": ("a", "${aws:PrincipalTag/Team}"),
        "StringLike": ("a*", "?", "*", "${aws:username}*"),
        "StringNotLike": ("a*", "${aws:username, 'b'}"),
        "StringEqualsIgnoreCase": ("a", "B"),
        "NumericLessThan": ("5", "10"),
        "NumericNotEquals": ("1",),
        "DateGreaterThan": ("2025-01-01", "2027"),
        "IpAddress": ("10.0.0.0/8", "::/0"),
        "NotIpAddress": ("10.0.0.0/8",),
        "ArnLike": ("arn:aws:iam::*:*",),
        "Bool": ("true", "false"),
    }
    keys = st.sampled_from(KEYS)

    def block(operator: str) -> st.SearchStrategy[tuple[str, Json]]:
        name = st.sampled_from((operator, f"{operator}IfExists", f"ForAnyValue:{operator}", f"ForAllValues:{operator}"))
        return st.tuples(name, st.dictionaries(keys, _lists(st.sampled_from(plain[operator])), min_size=1, max_size=2))

    null = st.tuples(st.just("Null"), st.dictionaries(keys, st.sampled_from(("true", "false")), min_size=1, max_size=1))
    some = st.sampled_from(sorted(plain)).flatmap(block) | null
    return st.lists(some, min_size=1, max_size=2).map(dict)


@st.composite
def statements(draw: st.DrawFn, kind: PolicyKind, effect: str | None = None) -> Json:
    """A statement that this kind of policy may have."""
    chosen = effect or draw(st.sampled_from(("Allow", "Allow", "Deny")))
    is_trust = kind == "trust"
    actions = ("sts:AssumeRole", "sts:*", "*") if is_trust else (*ACTIONS, "s3:*", "*", "s3:?etObject")
    statement: dict[str, Json] = {
        "Effect": chosen,
        draw(st.sampled_from(("Action", "Action", "NotAction"))): draw(_lists(st.sampled_from(actions))),
    }
    if not is_trust:
        resources = ("*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/${aws:username}", "arn:aws:iam::*:role/*")
        key = draw(st.sampled_from(("Resource", "Resource", "NotResource")))
        statement[key] = draw(_lists(st.sampled_from(resources)))
    if kind in ("trust", "resource"):
        names = (ACCOUNT, OTHER, ALICE.arn, APP.arn, APP.issuer_arn, BOB.arn, BOB.issuer_arn)
        named = st.fixed_dictionaries({"AWS": _lists(st.sampled_from(names))})
        services = st.just({"Service": "lambda.amazonaws.com"})
        key = "Principal" if is_trust else draw(st.sampled_from(("Principal", "Principal", "NotPrincipal")))
        statement[key] = draw(st.just("*") | named | named | services)
    if draw(st.booleans()):
        statement["Condition"] = draw(conditions())
    return statement


def documents(kind: PolicyKind) -> st.SearchStrategy[Json]:
    """A policy document, mostly with an Allow of everything, so that other policies decide as well."""
    everything: dict[str, Json] = {"Effect": "Allow", "Action": "*"}
    if kind != "trust":
        everything["Resource"] = "*"
    if kind in ("trust", "resource"):
        everything["Principal"] = "*"
    anything = st.just(everything)
    listed = st.lists(anything | anything | statements(kind), min_size=1, max_size=3)
    if kind in ("scp", "session"):
        # A policy type that only limits mostly begins with an Allow of everything.
        listed = listed | listed.map(lambda found: [everything, *found])
    version = "2012-10-17"
    return listed.map(lambda found: {"Version": version, "Statement": found})


@st.composite
def worlds(draw: st.DrawFn, callers: Sequence[Principal] = CALLERS) -> tuple[Request, dict[str, list[Json]]]:
    """A request by one of these callers, and the policy documents in each place."""
    action = draw(st.sampled_from(ACTIONS))
    caller = draw(st.sampled_from(callers))
    account = draw(st.sampled_from((ACCOUNT, ACCOUNT, ACCOUNT, OTHER)))
    resource = f"arn:aws:iam::{account}:role/R" if action == "sts:AssumeRole" else "arn:aws:s3:::b/a"
    values = st.lists(st.sampled_from(VALUES), min_size=1, max_size=2).map(tuple)
    context = draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
    request = Request(caller, action, resource, account, context)
    kind: PolicyKind = "trust" if action == "sts:AssumeRole" else "resource"
    # If only a resource policy can admit the caller, there mostly is one.
    is_wanted = kind == "trust" or account != caller.account
    places = {
        "identity": draw(st.lists(documents("identity"), max_size=2)),
        "boundary": draw(st.lists(documents("boundary"), max_size=1)),
        "session": draw(st.lists(documents("session"), min_size=caller == BOB, max_size=2)),
        "scp": draw(st.lists(documents("scp"), max_size=2)),
        kind: draw(st.lists(documents(kind), min_size=is_wanted and draw(st.integers(0, 3)) > 0, max_size=1)),
    }
    return request, places


def compiled(places: dict[str, list[Json]]) -> Policies:
    """Compile the policies of these documents: each session policy is a layer, each SCP a level."""
    found = {place: [_parsed(document, place) for document in listed] for place, listed in places.items()}
    resource = found.get("trust") or found.get("resource")
    boundary = found.get("boundary")
    return Policies(
        identity=tuple(found.get("identity", ())),
        boundary=boundary[0] if boundary else None,
        session=tuple((policy,) for policy in found.get("session", ())),
        resource=resource[0] if resource else None,
        service_control=tuple((policy,) for policy in found.get("scp", ())),
    )


def _parsed(document: Json, place: str) -> Policy:
    kinds: dict[str, PolicyKind] = {
        "identity": "identity",
        "boundary": "boundary",
        "session": "session",
        "scp": "scp",
        "trust": "trust",
        "resource": "resource",
    }
    return parse_policy(json.dumps(document), kinds[place])
