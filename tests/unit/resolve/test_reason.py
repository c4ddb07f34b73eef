"""A store with `reason_to` is never used without a reason, and each of its sessions is cached for one reason only."""

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
    """Return the AssumeRole calls since the last query."""
    calls = [str(call) for call in pipeline.aws.calls if call.action == "AssumeRole"]
    pipeline.aws.calls.clear()
    return calls


@pytest.mark.parametrize("text", [CHAIN, TAGGED])
def test_without_a_reason_nothing_is_called(pipeline: Pipeline, text: str) -> None:
    """Without a reason dsops makes no call, even for variables that need no reason; the hint says what to type."""
    [error] = pipeline.errors(text)
    assert isinstance(error, ReasonMissing)
    assert error.message == "store `jump` requires a reason"
    assert error.hint == "write `--reason TEXT`, or set DSOPS_REASON"
    assert pipeline.aws.calls == []


@pytest.mark.parametrize("store", ["jump", "target"])
def test_no_session_is_issued_without_a_reason(pipeline: Pipeline, store: str) -> None:
    """If the run has no reason, a store with `reason_to` and the stores that use its session get no credentials."""
    with pytest.raises(ReasonMissing):
        pipeline.credentials(CHAIN, store)
    assert pipeline.aws.calls == []


def test_a_reason_goes_to_aws(pipeline: Pipeline) -> None:
    """The reason is sent in the AssumeRole call of the store that has `reason_to`."""
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
    """A cached session, and the sessions assumed with it, are used only for the same reason."""
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
    """A session of the same role that was issued without a reason is not used for a store that requires one."""
    free = CHAIN.replace(", reason_to: source_identity", "")
    pipeline.credentials(free, "jump")
    assumed(pipeline)
    with pytest.raises(ReasonMissing):
        pipeline.credentials(CHAIN, "jump")
