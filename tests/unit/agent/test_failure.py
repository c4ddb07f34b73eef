"""Errors are sent through the agent's socket without loss."""

from __future__ import annotations

import json

import pytest

from dsops import errors
from dsops.agent.failure import pack_error, unpack_error
from dsops.cli.framework.output import error_json, error_text
from dsops.errors import AwsAnswer, DsopsError, FailedOperation, Failures, Hop, Problem, Where

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DsopsError) and kind is not Failures
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_restored_completely(kind: type[DsopsError]) -> None:
    """An error sent by the agent keeps its class, texts, location, attempt and AWS's message."""
    error = kind.__new__(kind)
    DsopsError.__init__(
        error,
        "message",
        why="why",
        hint="hint",
        where=Where("dsops.yaml", 9),
        aws=AwsAnswer("AccessDenied", "User: ...", 403, "request", "sts.us-east-1"),
        problems=(Problem(Where("dsops.yaml", 3), "a.b", "is wrong", "do this"),),
    )
    tried = FailedOperation("AssumeRole", "a", "b", "c", hop=2, hops=3, before=(Hop("d", "e", "f"),), endpoint="g")
    error.add_tried(tried._replace(asks=("--env", "h", "b")))

    back = unpack_error(pack_error(error))

    assert type(back) is kind
    assert back.tried == error.tried
    assert error_text(back) == error_text(error)
    assert error_json(back, back.exit_code) == error_json(error, error.exit_code)


def test_several_failures_come_back_as_several() -> None:
    """Several failures arrive as separate errors, with the exit code of the most severe failure."""
    several = Failures((errors.UsageError("a"), errors.SecretNotFound("b", where=Where("f"))))

    back = unpack_error(pack_error(several))

    assert isinstance(back, Failures)
    assert error_text(back) == error_text(several)
    assert back.exit_code == several.exit_code


@pytest.mark.parametrize("kind", ["Where", "nearest", "Iterable", "NoSuchThing", "__builtins__"])
def test_nothing_but_an_error_is_made(kind: str) -> None:
    """A received class name that is no error class raises ValueError or becomes a general DsopsError."""
    value = {**json.loads(pack_error(DsopsError("x"))), "kind": kind}
    try:
        made = unpack_error(json.dumps(value).encode())
    except ValueError:
        return
    assert type(made) is DsopsError
