"""Encodes an error of the agent as bytes and decodes it, so that the client can show it as its own.

Also the error of a client that can't decode the agent's answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from dsops import errors
from dsops.errors import AgentUnavailable, AwsAnswer, DsopsError, FailedOperation, Failures, Hop, Problem, Where

Encoded = TypeVar("Encoded")
Decoded = TypeVar("Decoded")


def pack_error(error: DsopsError) -> bytes:
    """Return the error as bytes, without its traceback."""
    return json.dumps(_value(error)).encode()


def unpack_error(data: bytes) -> DsopsError:
    """Decode bytes to an error of the original class. Raises ValueError for bytes that `pack_error` did not make."""
    try:
        return _error(json.loads(data))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("not an error of the agent") from error


def agent_error(data: bytes) -> DsopsError:
    """Decode the error that the agent sent; AgentUnavailable if it can't be decoded."""
    try:
        return unpack_error(data)
    except ValueError as error:
        return _malformed(error)


def decode_answer(decode: Callable[[Encoded], Decoded], answer: Encoded) -> Decoded:
    """Decode (a part of) the agent's answer. Raises AgentUnavailable if `decode` raises ValueError."""
    try:
        return decode(answer)
    except ValueError as error:
        raise _malformed(error) from error


def _malformed(error: ValueError) -> AgentUnavailable:
    return AgentUnavailable(
        "the agent sent an answer that can't be decoded",
        why=f"the agent is broken, or of another version of dsops: {error}",
        hint="run `dsops agent stop` and try again, or set DSOPS_AGENT=off",
    )


def silent(seconds: float) -> bytes:
    """Return the packed error for an agent that stopped answering after it may have used an MFA code."""
    return pack_error(
        AgentUnavailable(
            f"the agent stopped answering: it has sent nothing for {seconds:.0f} seconds",
            why="it may have used an MFA code, which AWS accepts only once, so dsops does not repeat the request",
            hint="resume the agent's process (`dsops doctor` shows how to find it), or set DSOPS_AGENT=off",
        )
    )


def _value(error: DsopsError) -> Mapping[str, object]:
    name = type(error).__name__
    return {
        "kind": name if getattr(errors, name, None) is type(error) else "DsopsError",
        "message": error.message,
        "why": error.why,
        "hint": error.hint,
        "where": error.where,
        "aws": error.aws,
        "problems": error.problems,
        "tried": error.tried,
        "errors": [_value(one) for one in error.errors] if isinstance(error, Failures) else [],
    }


def _error(value: Mapping[str, Any]) -> DsopsError:  # Any: `_value` of the same dsops version has written this JSON
    kind = getattr(errors, value["kind"], DsopsError)
    if not (isinstance(kind, type) and issubclass(kind, DsopsError)):
        raise ValueError(f"there is no error {value['kind']}")  # noqa: TRY004 - the bytes are wrong
    if issubclass(kind, Failures):
        return Failures(tuple([_error(error_value) for error_value in value["errors"]]))
    error = kind.__new__(kind)
    DsopsError.__init__(
        error,
        value["message"],
        why=value["why"],
        hint=value["hint"],
        where=Where(*value["where"]) if value["where"] else None,
        aws=AwsAnswer(*value["aws"]) if value["aws"] else None,
        problems=tuple([Problem(Where(*where), *texts) for where, *texts in value["problems"]]),
    )
    if value["tried"]:
        tried = FailedOperation(*value["tried"])
        before = tuple([Hop(*hop) for hop in tried.before])
        error.add_tried(tried._replace(before=before, asks=tuple(tried.asks)))
    return error
