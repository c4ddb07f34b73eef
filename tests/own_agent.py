"""Asks a test's own agent from the test's process, which costs no start of Python."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import pytest

from dsops.agent.remote import ask_running

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_environment = Lock()


def ask_agent(environ: Mapping[str, str], *words: str) -> Sequence[bytes]:
    """Ask the agent in the XDG_RUNTIME_DIR of `environ`; return the fields of its answer, () if there is no agent.

    The words are those that `dsops agent stop` and `dsops agent metrics` send. The agent must belong to this checkout's
    dsops and Python.
    """
    with _environment, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", environ["XDG_RUNTIME_DIR"])
        return ask_running(*words)
