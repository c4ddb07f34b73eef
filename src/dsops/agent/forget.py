"""Asks a running agent to drop the sessions of a revoked role, or of an ended login, from its cache."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops.agent import RESULT, client, unpack
from dsops.agent.failure import decode_answer
from dsops.arn import Arn
from dsops.aws.identity.sso_session import SsoSession


def forget_role(role: Arn, environ: Mapping[str, str]) -> int:
    """Make the agent forget the role's sessions; returns how many were cached, 0 without an agent."""
    return _forget([b"forget", str(role).encode()], environ)


def forget_login(session: SsoSession, environ: Mapping[str, str]) -> int:
    """Make the agent forget the sessions issued with a login; returns how many were cached, 0 without an agent."""
    return _forget([b"forget-login", session.shown.encode("utf-8", "surrogateescape")], environ)


def _forget(words: list[bytes], environ: Mapping[str, str]) -> int:
    # Callers that pass their own environment, such as tests, have no agent.
    if environ is not os.environ or not client.is_wanted(environ):
        return 0
    reply = client.ask(words, lambda _kind, _data: None, watches=False, starts=False)
    return decode_answer(_number, reply[1]) if reply is not None and reply[0] == RESULT else 0


def _number(answer: bytes) -> int:
    (number,) = unpack(answer)
    return int(number)
