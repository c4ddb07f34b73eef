"""One guarded run: its limits, its questions to the user, its lines for the terminal, and its audit records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from dsops.guard.exchange import Forward
from dsops.guard.run.approvals import Answer, Approvals
from dsops.guard.run.limits import RunLimits
from dsops.guard.run.trail import act_of, denial_text
from tests.guards import SESSION_ARN, Guarded, allow, deny, layer_of, reference

NONE = "no statement of the guard's policies allows it"
KEYS = "an action that returns keys has to be named without a wildcard"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def limits(budget: int | None = None, regions: tuple[str, ...] = (), until: datetime | None = None) -> RunLimits:
    """Limits at a fixed time."""
    return RunLimits(budget, regions, until, lambda: NOW)


def test_the_budget_counts_requests() -> None:
    """After as many requests as the budget, every request is refused."""
    counted = limits(budget=2)

    assert [bool(counted.refusal("eu-west-1")) for _ in range(4)] == [False, False, True, True]
    assert counted.refusal("eu-west-1") == "this run may send 2 requests, and has sent as many (--budget)"


def test_only_the_named_regions_get_requests() -> None:
    """A request to another region is refused, and does not count."""
    counted = limits(budget=1, regions=("eu-west-1",))

    assert "not to us-east-1" in counted.refusal("us-east-1")
    assert not counted.refusal("eu-west-1")


@pytest.mark.parametrize(("seconds", "is_over"), [(-1, True), (0, True), (1, False)])
def test_the_time_of_a_run_ends(seconds: int, *, is_over: bool) -> None:
    """No request is sent from the end of the time on."""
    assert bool(limits(until=NOW + timedelta(seconds=seconds)).refusal("eu-west-1")) is is_over


def answers(*given: Answer) -> tuple[Guarded, list[tuple[str, str, bool]]]:
    """A guard without an Allow, whose user gives these answers; the questions are collected."""
    questions: list[tuple[str, str, bool]] = []
    left = list(given)

    def ask(action: str, resource: str, is_destructive: bool) -> Answer:  # noqa: FBT001 - the type of the callback
        questions.append((action, resource, is_destructive))
        return left.pop(0)

    def post(work: Callable[[], None]) -> None:
        work()

    guard = Guarded(layer_of(allow("s3:ListBucket"), deny("s3:GetObject", "arn:aws:s3:::b/secret")))
    guard.ask = Approvals(ask, post, reference()).approve
    guard.__post_init__()
    return guard, questions


def test_the_user_is_asked_once_for_a_run() -> None:
    """`run` holds for the same action and resource, `once` for one request, `no` for the run."""
    guard, questions = answers("run", "once", "no")
    first = guard.request("s3", "DeleteObject", Bucket="b", Key="k")
    other = guard.request("s3", "GetObject", Bucket="b", Key="k")

    async def all_requests() -> list[bool]:
        from tests.guards import direct

        heads = [direct(request) for request in (first, first, other, other, other)]
        return [isinstance(await guard.gate.decide(head, b""), Forward) for head in heads]

    assert asyncio.run(all_requests()) == [True, True, True, False, False]
    assert questions == [
        ("s3:DeleteObject", "arn:aws:s3:::b/k", True),
        ("s3:GetObject", "arn:aws:s3:::b/k", False),
        ("s3:GetObject", "arn:aws:s3:::b/k", False),
    ]


def test_a_denied_request_is_not_asked_about() -> None:
    """What a Deny statement denies is refused without a question."""
    guard, questions = answers()

    guard.refused("s3", "GetObject", Bucket="b", Key="secret")

    assert not questions


def test_each_action_of_a_request_is_asked_about() -> None:
    """An answer for one action of a request does not allow its other actions."""
    guard, questions = answers("once", "no")

    guard.refused("s3", "CopyObject", Bucket="b", Key="new", CopySource="other/source")

    assert [action for action, _, _ in questions] == ["s3:PutObject", "s3:GetObject"]


def test_a_denial_names_action_resource_and_statement() -> None:
    """The line for the terminal says which statement denied, or that none allows."""
    guard = Guarded(layer_of(allow("s3:GetObject"), deny("s3:GetObject", "arn:aws:s3:::b/secret", Sid="Secrets")))
    guard.refused("s3", "GetObject", Bucket="b", Key="secret")
    guard.refused("s3", "PutObject", Bucket="b", Key="k")
    guard.refused("sts", "GetSessionToken")

    assert [denial_text(decision) for decision in guard.decisions] == [
        "the guard denied s3:GetObject on arn:aws:s3:::b/secret: policy.json, Secrets denies it",
        f"the guard denied s3:PutObject on arn:aws:s3:::b/k: {NONE}",
        f"the guard denied sts:GetSessionToken on *: {NONE} ({KEYS})",
    ]


def test_the_audit_record_has_the_actions_and_no_secret() -> None:
    """An act has the caller, the actions with their resources, and the denial."""
    guard = Guarded(layer_of(allow("s3:GetObject")))
    guard.refused("s3", "PutObject", Bucket="b", Key="k")
    act = act_of(guard.decisions[0], caller=SESSION_ARN, store="dev")

    assert (act.name, act.service, act.caller) == ("PutObject", "s3", SESSION_ARN)
    assert act.facts["actions"] == [["s3:PutObject", "arn:aws:s3:::b/k"]]
    assert (act.facts["guard"], act.facts["store"]) == ("denied", "dev")
    assert act.error is not None
    assert act.error.aws is not None
    assert act.error.aws.code == "AccessDenied"
    assert guard.placeholder.secret_access_key.reveal() not in repr(act)
