"""Where `dsops` begins: a plain `exec` goes to the agent; everything else, and what it can't do, is done here."""

import os
import sys

from dsops.agent import client

INTERRUPTED = 128 + 2


def main() -> int:
    """The exit code of this process's command line."""
    words = sys.argv[1:]
    if words[:1] == ["exec"] and "--" in words and client.is_wanted(os.environ):
        try:
            error = client.run(words[1:], _Person())
        except KeyboardInterrupt:
            return INTERRUPTED
        if error:
            return _fail(error, words)
        if error is not None:
            words.insert(1, "--no-agent")
    from dsops.cli import main as run_here

    return run_here(words)


def _fail(error: bytes, words: "list[str]") -> int:
    from dsops.agent.failure import unpack_error
    from dsops.cli import fail
    from dsops.cli.exec import FAILURE_CODE

    return fail(unpack_error(error), words, FAILURE_CODE)


class _Person:
    """Whoever sits at this terminal; what it takes to talk to them is loaded when the agent wants to."""

    def __init__(self) -> None:
        self._person: client.Person | None = None

    def __call__(self, kind: int, data: bytes) -> "bytes | None":
        if self._person is None:
            from dsops.cli.agent_client import person_here

            self._person = person_here()
        return self._person(kind, data)


if __name__ == "__main__":
    sys.exit(main())
