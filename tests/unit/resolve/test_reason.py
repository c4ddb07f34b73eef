"""A store that passes on a reason is never used without one, and its sessions are bound to one reason each."""

from __future__ import annotations

import pytest

from dsops.errors import ReasonMissing
from tests.pipeline import Pipeline

CHAIN = """
secretStores:
  other: {type: aws.secretsmanager}
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Jump", reason_to: source_identity}
  target: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Target", credentials_from: jump}
  secrets: {type: aws.secretsmanager, credentials_from: target}
envs:
  e:
    PLAIN: {from: {store: other, key: db}}
    VALUE: {from: {store: secrets, key: db}}
"""
TAGGED = CHAIN.replace("source_identity", "tag:Reason")


@pytest.fixture
def pipeline() -> Pipeline:
    """A process with Ada's key."""
    pipeline = Pipeline()
    pipeline.aws.secrets = {"db": "postgres://"}
    return pipeline


def assumed(pipeline: Pipeline) -> list[str]:
    """The calls of AssumeRole since the last query."""
    calls = [str(call) for call in pipeline.aws.calls if call.action == "AssumeRole"]
    pipeline.aws.calls.clear()
    return calls


@pytest.mark.parametrize("text", [CHAIN, TAGGED])
def test_without_a_reason_nothing_is_called(pipeline: Pipeline, text: str) -> None:
    """No call is made, not even for variables that need no reason; the hint says what to type."""
    [error] = pipeline.errors(text)
    assert isinstance(error, ReasonMissing)
    assert error.message == "store `jump` is only used for a reason, and none is given"
    assert error.hint == "write `--reason TEXT`, or set DSOPS_REASON"
    assert pipeline.aws.calls == []


@pytest.mark.parametrize("store", ["jump", "target"])
def test_no_session_is_issued_without_a_reason(pipeline: Pipeline, store: str) -> None:
    """The store itself and stores that are reached through it need the reason."""
    with pytest.raises(ReasonMissing):
        pipeline.credentials(CHAIN, store)
    assert pipeline.aws.calls == []


def test_a_reason_goes_to_aws(pipeline: Pipeline) -> None:
    """The reason is part of that store's call."""
    pipeline.reason = "INC-1"
    assert pipeline.resolve(CHAIN)["VALUE"] == "postgres://"
    jump, target = (call.parameters for call in pipeline.aws.calls if call.action == "AssumeRole")
    assert jump["SourceIdentity"] == "INC-1"
    assert "SourceIdentity" not in target

    pipeline.aws.calls.clear()
    pipeline.resolve(TAGGED)
    jump = next(call.parameters for call in pipeline.aws.calls if call.action == "AssumeRole")
    assert (jump["Tags.member.1.Key"], jump["Tags.member.1.Value"]) == ("Reason", "INC-1")


def test_a_session_is_held_for_its_own_reason_only(pipeline: Pipeline) -> None:
    """The same holds for a session that it assumed; without a reason none is used."""
    pipeline.reason = "INC-1"
    pipeline.resolve(CHAIN)
    assert assumed(pipeline) == ["AssumeRole Jump", "AssumeRole Target"]
    pipeline.resolve(CHAIN)
    assert assumed(pipeline) == []
    pipeline.reason = "INC-2"
    pipeline.resolve(CHAIN)
    assert assumed(pipeline) == ["AssumeRole Jump", "AssumeRole Target"]
    pipeline.reason = ""
    assert [type(error) for error in pipeline.errors(CHAIN)] == [ReasonMissing]


def test_a_session_without_a_reason_serves_no_store_that_needs_one(pipeline: Pipeline) -> None:
    """Another store of the same role, which requires no reason, holds a session."""
    free = CHAIN.replace(", reason_to: source_identity", "")
    pipeline.credentials(free, "jump")
    assumed(pipeline)
    with pytest.raises(ReasonMissing):
        pipeline.credentials(CHAIN, "jump")
