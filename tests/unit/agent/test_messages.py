"""Requests are sent through the agent's socket without loss; fields that no client sends are refused."""

from __future__ import annotations

import pytest

from dsops.agent.messages import PipelineRequest, request_fields, request_of

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
)


@pytest.mark.parametrize("request_", [REQUEST, PipelineRequest("exec"), PipelineRequest("get", config="\udcff.yaml")])
def test_a_request_comes_back_as_it_was(request_: PipelineRequest) -> None:
    """A request arrives with all its fields, including empty fields and a path that is not UTF-8."""
    assert request_of(request_fields(request_)) == request_


@pytest.mark.parametrize(
    "fields",
    [[], request_fields(REQUEST)[:-1], [*request_fields(REQUEST), b""], [*[b"x"] * 7, b"soon", b"", b""]],
    ids=["none", "one too few", "one too many", "no number"],
)
def test_other_fields_are_no_request(fields: list[bytes]) -> None:
    """Malformed fields raise ValueError, and the agent then leaves the work to the client."""
    with pytest.raises(ValueError, match=r"values to unpack|could not convert"):
        request_of(fields)
