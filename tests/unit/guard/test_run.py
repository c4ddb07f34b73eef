"""One guarded run: its limits, its questions to the user, its lines for the terminal, and its audit records."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dsops.errors import FileNotWritten
from dsops.guard.exchange import Forward
from dsops.guard.run.approvals import Approvals
from dsops.guard.run.limits import RunLimits
from dsops.guard.run.options import Answer, Asked
from dsops.guard.run.trail import act_of, denial_text
from dsops.guard.run.trust_file import write_trust_file
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


def answers(*given: Answer) -> tuple[Guarded, list[Asked]]:
    """A guard without an Allow, whose user gives these answers; the questions are collected."""
    questions: list[Asked] = []
    left = list(given)

    def ask(asked: Asked) -> Answer:
        questions.append(asked)
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
    assert [question[:3] for question in questions] == [
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

    assert [question.action for question in questions] == ["s3:PutObject", "s3:GetObject"]


SECRET = "arn:aws:secretsmanager:us-east-1:111111111111:secret"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "exact"),
    [
        ("s3", "GetObject", {"Bucket": "b", "Key": "k"}, "arn:aws:s3:::b/k"),
        ("s3", "GetObject", {"Bucket": "b", "Key": "k*?$"}, "arn:aws:s3:::b/k${*}${?}${$}"),
        ("s3", "ListBuckets", {}, "*"),
        ("secretsmanager", "GetSecretValue", {"SecretId": "prod/db"}, f"{SECRET}:prod/db-??????"),
        ("iam", "GetRole", {"RoleName": "Deploy"}, ""),
        ("kms", "Decrypt", {"CiphertextBlob": b"x"}, ""),
        ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::111111111111:role/R", "RoleSessionName": "run"}, ""),
    ],
)
def test_a_statement_for_always_allows_exactly_what_was_asked(
    service: str, operation: str, parameters: dict[str, object], exact: str
) -> None:
    """A statement matches only the resource of the request; without such a statement, `always` is not offered."""
    guard, questions = answers("no")

    request = guard.request(service, operation, **parameters)
    guard.send(request)

    assert [question.exact for question in questions] == [exact]
    assert questions[0].is_destructive is (operation == "AssumeRole")
    if exact:
        allowing = Guarded(layer_of(allow(questions[0].action, exact)), placeholder=guard.placeholder)
        assert isinstance(allowing.send(request), Forward)


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


def test_the_file_with_certificates_is_new_and_private(tmp_path: Path) -> None:
    """The file is in the user's TMPDIR with mode 0600 and another name each time, and is deleted at the end."""
    environ = {"TMPDIR": str(tmp_path)}
    written = [write_trust_file("PEM\n", environ, "/") for _ in range(2)]

    assert sorted(tmp_path.iterdir()) == sorted(Path(path) for path, _ in written)
    for path, delete in written:
        assert Path(path).read_text(encoding="ascii").startswith("PEM\n")
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        delete()
    assert not list(tmp_path.iterdir())


def test_without_a_folder_for_the_certificates_nothing_starts(tmp_path: Path) -> None:
    """A TMPDIR that does not exist is an error with a hint, before anything is started."""
    with pytest.raises(FileNotWritten) as raised:
        write_trust_file("PEM\n", {"TMPDIR": str(tmp_path / "missing")}, "/")

    assert raised.value.hint == "set TMPDIR to a folder that you can write to"
