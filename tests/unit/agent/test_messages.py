"""Requests are sent through the agent's socket without loss; fields that no client sends are refused."""

from __future__ import annotations

import pytest

from dsops.agent.messages import PipelineRequest, cached_fields, cached_of, request_fields, request_of
from dsops.credentials import Credentials, SandboxRun
from dsops.model import ReadFiles, SourceFile
from dsops.secret import Secret
from tests.fakes import NOON

REQUEST = PipelineRequest(
    "get",
    config="/a/dsops.yaml",
    profile="target",
    environment="production",
    variable="TOKEN",
    store="sts",
    lasts=True,
    min_ttl_seconds=0.1,
    reason="deploy 42",
    run="0a1b",
    read=ReadFiles("12ab", (SourceFile("/a/b c\n", "34cd", "", "/a/\udcff", (1, 2)), SourceFile("/d", "56ef"))),
)


@pytest.mark.parametrize("request_", [REQUEST, PipelineRequest("exec"), PipelineRequest("get", config="\udcff.yaml")])
def test_a_request_comes_back_as_it_was(request_: PipelineRequest) -> None:
    """A request arrives with all its fields, including empty fields and a path that is not UTF-8."""
    assert request_of(request_fields(request_)) == request_


def test_cached_sessions_come_back_as_they_were() -> None:
    """Sessions arrive with their steps, and with the sandbox that issued them, so that the client can record it."""
    sandbox = SandboxRun("http://127.0.0.1:1", "dsops-1")
    sessions = {
        "MFA session of a": Credentials("ASIAONE", Secret("a"), Secret("b"), NOON, issued_at=NOON, arn="x", source="y"),
        "role": Credentials("ASIATWO", Secret("c"), None, sandbox=sandbox),
    }
    received = cached_of(cached_fields(sessions))
    assert [*received] == [*sessions]
    for name, session in sessions.items():
        for part in Credentials.__slots__:
            assert getattr(received[name], part) == getattr(session, part)
    assert cached_of([]) == {}


@pytest.mark.parametrize(
    "fields",
    [
        [],
        request_fields(REQUEST)[:-1],
        [*request_fields(REQUEST), b""],
        [*[b"x"] * 7, b"soon", *[b""] * 4],
        [*[b""] * 11, b"file a b"],
    ],
    ids=["none", "one too few", "one too many", "no number", "no files"],
)
def test_other_fields_are_no_request(fields: list[bytes]) -> None:
    """Malformed fields raise ValueError, and the agent then leaves the work to the client."""
    with pytest.raises(ValueError, match=r"values to unpack|could not convert"):
        request_of(fields)
