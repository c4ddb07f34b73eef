"""The pipeline whose work the agent does: answers that can't be decoded."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dsops.agent import FAILED, RESULT, client, pack
from dsops.agent.failure import agent_error, pack_error
from dsops.agent.forget import forget_role
from dsops.agent.messages import PipelineRequest, secrets_fields
from dsops.agent.remote import RemotePipeline, ask_running
from dsops.arn import parse_arn
from dsops.errors import AgentUnavailable, SecretNotFound
from dsops.secret import Secret

if TYPE_CHECKING:
    from tests.conftest import RuntimeFactory

Pipeline = Callable[[int, bytes], RemotePipeline]


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, runtime: RuntimeFactory) -> Pipeline:
    """A pipeline whose agent always gives the same answer: a kind and its data."""

    def make(kind: int, data: bytes) -> RemotePipeline:
        monkeypatch.setattr(client, "ask", lambda *_words, **_options: (kind, data))
        return RemotePipeline(PipelineRequest("exec"), runtime(), watches=False)

    return make


def test_values_are_decoded(pipeline: Pipeline) -> None:
    """An answer with its first field and pairs of names and values is decoded."""
    answer = pack([b"", *secrets_fields({"TOKEN": Secret("t0ken-value")})])
    secrets = pipeline(RESULT, answer).secrets("production")
    assert secrets is not None
    assert {name: value.reveal() for name, value in secrets.items()} == {"TOKEN": "t0ken-value"}


@pytest.mark.parametrize(
    "answer",
    [b"PATH=/usr/bin", b"", pack([b"", b"TOKEN"]), pack([b"", b"a", b"b", b"c"])],
    ids=["no fields", "no field at all", "a name without a value", "an odd number"],
)
def test_values_that_cannot_be_decoded_are_an_error(pipeline: Pipeline, answer: bytes) -> None:
    """The error says that the agent is broken or of another version, and how to stop it."""
    with pytest.raises(AgentUnavailable) as caught:
        pipeline(RESULT, answer).secrets("production")
    assert (caught.value.code, "dsops agent stop" in caught.value.hint) == ("agent.unavailable", True)


@pytest.mark.parametrize("answer", [pack([b"", b"AKIA"]), pack([b"", *[b"\xff"] * 7])], ids=["too few", "no text"])
def test_a_session_that_cannot_be_decoded_is_an_error(pipeline: Pipeline, answer: bytes) -> None:
    """A session with too few fields, or with a key id that is no text, is the same error."""
    with pytest.raises(AgentUnavailable):
        pipeline(RESULT, answer).credentials("sts")


@pytest.mark.parametrize("answer", [b"\0", pack([b"step"])])
def test_cached_sessions_that_cannot_be_decoded_are_left_out(pipeline: Pipeline, answer: bytes) -> None:
    """The pipeline then makes the plan without the agent's sessions."""
    assert pipeline(RESULT, answer).cached("sts", "production") == {}


def test_a_failure_is_raised(pipeline: Pipeline) -> None:
    """The agent's error is raised as an error of its class."""
    with pytest.raises(SecretNotFound, match="no such secret"):
        pipeline(FAILED, pack_error(SecretNotFound("no such secret"))).secrets("production")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"5", b'{"kind": "Where"}', b'{"kind": 5}', b"\xff"])
def test_a_failure_that_cannot_be_decoded_is_an_error(pipeline: Pipeline, data: bytes) -> None:
    """JSON that no agent of this version sends is the same error, wherever a client reads it."""
    with pytest.raises(AgentUnavailable):
        pipeline(FAILED, data).secrets("production")
    assert isinstance(agent_error(data), AgentUnavailable)


def test_the_other_requests_report_it_too(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dsops agent status` and a revocation report an answer that can't be decoded."""
    pipeline(RESULT, b"\0")
    with pytest.raises(AgentUnavailable):
        ask_running("status")
    monkeypatch.setenv("DSOPS_AGENT", "")
    monkeypatch.delenv("CI", raising=False)
    role = parse_arn("arn:aws:iam::111122223333:role/App")
    assert role is not None
    with pytest.raises(AgentUnavailable):
        forget_role(role, os.environ)
