"""The agent as the rest of the command line uses it: values and sessions from it, where there may be one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from dsops.agent import client
from dsops.agent.client import ASK, DECLINED, EVENT, FAILED, unpack
from dsops.agent.failure import unpack_error
from dsops.cli.agent_words import credentials_of, secrets_of
from dsops.cli.command import Arguments
from dsops.cli.world import asker, is_terminal, reporter
from dsops.credentials import Credentials
from dsops.runtime import Event, Runtime
from dsops.secret import Secret


def secrets(
    arguments: Arguments, runtime: Runtime, environment: str, variable: str = ""
) -> Mapping[str, Secret] | None:
    """The values of an environment, or of one variable of it; None where there is no agent. Raises its errors."""
    fields = _ask(["secrets", *([variable] if variable else []), "--env", environment], arguments, runtime)
    return None if fields is None else secrets_of(fields)


def credentials(arguments: Arguments, runtime: Runtime, store: str) -> Credentials | None:
    """The session of a store; None where there is no agent. Raises its errors."""
    fields = _ask(["credentials", store], arguments, runtime)
    return None if fields is None else credentials_of(fields)


def _ask(words: list[str], arguments: Arguments, runtime: Runtime) -> Sequence[bytes] | None:
    for flag in ("--config", "--min-ttl"):
        if arguments.has(flag) and arguments.text(flag):
            words += [flag, arguments.text(flag)]
    person = Person(runtime.ask, runtime.report)
    watches = arguments.switch("--verbose") or is_terminal()
    answer = client.ask([os.fsencode(word) for word in words], person, watches=watches)
    if answer is None or answer[0] == DECLINED:
        return None
    if answer[0] == FAILED:
        raise unpack_error(answer[1])
    return unpack(answer[1])


class Person:
    """Whoever sits at this terminal, for the agent."""

    def __init__(self, ask: Callable[[str], Secret | None], report: Callable[[Event], None]) -> None:
        self._ask = ask
        self._report = report

    def __call__(self, kind: int, data: bytes) -> bytes | None:
        """What is typed; shows what the agent wants shown."""
        if kind == ASK:
            typed = self._ask(data.decode())
            return None if typed is None else typed.reveal_bytes()
        if kind == EVENT:
            name, *facts = [field.decode("utf-8", "surrogateescape") for field in unpack(data)]
            self._report(Event(name, dict(zip(facts[::2], facts[1::2], strict=True))))
        return None


def person_here() -> Person:
    """Whoever sits at this process's terminal."""
    report = reporter(is_verbose=False)
    return Person(asker(report), report)
