"""The agent as the rest of the command line uses it: values and sessions from it, where there may be one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from dsops.agent import client
from dsops.agent.client import ASK, DECLINED, EVENT, FAILED, unpack
from dsops.agent.failure import unpack_error
from dsops.agent.messages import credentials_of, secrets_of, take_who_answered
from dsops.cli.framework.command import Arguments
from dsops.cli.framework.world import asker, is_terminal, reporter
from dsops.credentials import Credentials
from dsops.runtime import Event, Runtime
from dsops.secret import Secret


def secrets(
    arguments: Arguments, runtime: Runtime, environment: str, variable: str = "", *, also: str = "", lasts: bool = False
) -> Mapping[str, Secret] | None:
    """The values of an environment, or of one variable of it; None where there is no agent. Raises its errors.

    `also` is a store whose session is wanted as well, and `lasts` says that it will be renewed.
    """
    words = ["secrets", *([variable] if variable else []), "--env", environment]
    words += [*(["--also", also] if also else []), *(["--lasts"] if lasts else [])]
    fields = _ask(words, arguments, runtime)
    return None if fields is None else secrets_of(fields)


def credentials(
    arguments: Arguments,
    runtime: Runtime,
    store: str,
    *,
    environment: str = "",
    lasts: bool = False,
    min_ttl_seconds: float | None = None,
) -> Credentials | None:
    """The session of a store, as that environment has it; None where there is no agent. Raises its errors.

    `lasts` says that it will be renewed; `min_ttl_seconds` asks for a new one where the one held has less left.
    """
    words = ["credentials", store, *(["--for", environment] if environment else []), *(["--lasts"] if lasts else [])]
    fields = _ask(words, arguments, runtime, min_ttl_seconds=min_ttl_seconds)
    return None if fields is None else credentials_of(fields)


def _ask(
    words: list[str], arguments: Arguments, runtime: Runtime, *, min_ttl_seconds: float | None = None
) -> Sequence[bytes] | None:
    if arguments.text("--config"):
        words += ["--config", arguments.text("--config")]
    if arguments.has("--for-profile") and arguments.text("--for-profile"):
        words += ["--for-profile", arguments.text("--for-profile")]
    if min_ttl_seconds is None and arguments.has("--min-ttl"):
        min_ttl_seconds = arguments.seconds("--min-ttl")
    if min_ttl_seconds is not None:
        words += ["--min-ttl", f"{min_ttl_seconds:f}"]
    words += ["--by", arguments.name]
    # Also where there is none: else DSOPS_REASON would count there, which `--reason ""` has set aside here.
    words.append(f"--reason={runtime.reason}")
    if runtime.journal is not None:
        words += ["--run", runtime.journal.run]
    person = Person(runtime.ask, runtime.report)
    watches = arguments.switch("--verbose") or is_terminal()
    answer = client.ask([os.fsencode(word) for word in words], person, watches=watches)
    if answer is None or answer[0] == DECLINED:
        return None
    if answer[0] == FAILED:
        raise unpack_error(answer[1])
    return take_who_answered(runtime.journal, unpack(answer[1]))


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
