"""Cases of growth.py: how the cost of the agent's operations grows with its sessions, facts and values."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.growth import CALLS, Case
from dsops.agent import RESULT
from dsops.agent.request import AgentRequest, ClientLimits, RequestClient
from dsops.agent.work import SessionKeeper
from dsops.cache import HAND_ON, CredentialCache
from dsops.cli.run.command_lines import ClientLines
from dsops.credentials import Credentials
from dsops.secret import Secret
from dsops.tasks import run
from tests.loop import NoWire
from tests.permission import allow_found

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CONFIG = "version: 1\nenvs: {plain: {PLAIN: {literal: info}}}\n"


class Held:
    """An agent with so many sessions, and its clock."""

    def __init__(self, size: int) -> None:
        self.time = datetime(2026, 11, 28, tzinfo=UTC)
        self.keeper = SessionKeeper(lambda: self.time, ClientLines())
        self.cache: CredentialCache = self.keeper._cache  # noqa: SLF001 - the sessions of the agent
        self.add(*range(size))

    def add(self, *numbers: int) -> None:
        """Issue sessions that last an hour."""
        for number in numbers:
            self._add_one(number)

    def _add_one(self, number: int) -> None:
        end = self.time + timedelta(hours=1)

        async def issue(_may_ask: bool) -> Credentials:  # noqa: FBT001 - the cache's own call
            return Credentials(f"ASIA{number:016}", Secret("s"), Secret("t"), end, issued_at=self.time)

        run(self.cache.obtain(f"session-{number}", issue, HAND_ON), NoWire())

    def ask(self, folder: Path, *words: bytes, times: int = CALLS) -> None:
        """Let the agent answer requests of a client in the folder."""
        for _ in range(times):
            self._ask_once(folder, words)

    def _ask_once(self, folder: Path, words: Sequence[bytes]) -> None:
        asked = AgentRequest(os.fsencode(folder), watches=False, words=words, environ=[b"HOME=" + os.fsencode(folder)])
        ours, theirs = socket.socketpair()
        with ours, theirs:
            if self.keeper.work(asked, RequestClient(ours, ClientLimits())).kind != RESULT:
                raise SystemExit(f"the agent did not answer {words}")


def new_sessions(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few sessions that are new to an agent with so many."""
    held = Held(size)
    return lambda: held.add(*range(size, size + CALLS))


def renewed_sessions(size: int, _: Path) -> Callable[[], object]:
    """Prepare the renewal of a few of so many sessions, when none of them has ended."""
    held = Held(size)
    held.time += timedelta(minutes=50)
    return lambda: held.add(*range(CALLS))


def requests(*words: bytes) -> Callable[[int, Path], Callable[[], object]]:
    """Return how to prepare a few requests to an agent with so many sessions."""

    def prepare(size: int, folder: Path) -> Callable[[], object]:
        (folder / "dsops.yaml").write_text(CONFIG, encoding="utf-8")
        allow_found(folder, {"HOME": str(folder)})
        held = Held(size)
        held.ask(folder, *words)
        return lambda: held.ask(folder, *words)

    return prepare


def status(size: int, folder: Path) -> Callable[[], object]:
    """Prepare the list of so many sessions."""
    held = Held(size)
    return lambda: held.ask(folder, b"status", times=1)


def facts(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few facts that an agent with so many facts learns."""
    held = Held(0)

    def learn(numbers: Sequence[int]) -> None:
        for number in numbers:
            held.cache.memory.learn(f"session-{number}", "no-batch")

    learn(range(size))
    return lambda: learn(range(size, size + CALLS))


def values(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few values of secrets that an agent with so many values caches."""
    held = Held(0)

    def keep(numbers: Sequence[int]) -> None:
        for number in numbers:
            held.cache.values.keep(number, Secret("v"), 60, held.cache.values.era)

    keep(range(size))
    return lambda: keep(range(size, size + CALLS))


SIZES = (100, 1000, 10_000)
VALUES = (100, 900, 8100)  # at most 10,000 are cached
CASES = (
    Case("agent: a new session", new_sessions, SIZES, SIZES, is_one_of_many=True),
    Case("agent: a renewed session", renewed_sessions, SIZES, SIZES, is_one_of_many=True),
    Case("agent: exec", requests(b"exec", b"plain", b"--", b"x"), SIZES, SIZES, is_one_of_many=True),
    Case("agent: get", requests(b"answer", b"get", b"PLAIN", b"--env=plain"), SIZES, SIZES, is_one_of_many=True),
    Case("agent: status", status, SIZES, SIZES),
    Case("agent: a new fact", facts, SIZES, SIZES, is_one_of_many=True),
    Case("agent: a new value", values, VALUES, VALUES, is_one_of_many=True),
)
