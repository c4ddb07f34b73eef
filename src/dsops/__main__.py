"""Where `dsops` begins: a plain `exec` goes to the agent; everything else, and what it can't do, is done here."""

import os
import sys

from dsops.agent import client

INTERRUPTED = 128 + 2


def main() -> int:
    """The exit code of this process's command line."""
    words = sys.argv[1:]
    name = _command(words)
    if (name == "exec" or name in client.ANSWERED) and client.is_wanted(os.environ):
        try:
            code = _warm(name, words)
        except KeyboardInterrupt:
            return INTERRUPTED
        if code is not None:
            return code
    from dsops.startup import own_process

    own_process()
    from dsops.cli import main as run_here

    return run_here(words)


def _command(words: "list[str]") -> str:
    """The command's name, where nothing stands before it but the configuration's."""
    return words[2] if words[:1] == ["--config"] and len(words) > 2 else "".join(words[:1])


def _warm(name: str, words: "list[str]") -> "int | None":
    """The exit code, where the agent has done the work; None where it is to be done here."""
    if name != "exec":
        return _answer([words[2], *words[:2], *words[3:]] if words[0] == "--config" else words)
    if words[0] != name or "--" not in words:
        return None
    error = client.run(words[1:], _Person())
    if error:
        return _fail(error, words, 125)
    if error is not None:
        words.insert(1, "--no-agent")
    return None


def _answer(words: "list[str]") -> "int | None":
    answer = client.answer(words, _Person())
    if answer is None:
        return None
    kind, data = answer
    if kind == client.FAILED:
        return _fail(data, words, 0)
    try:
        written = os.write(1, data)
    except OSError:
        written = 0
    if written == len(data):
        return 0
    from dsops.cli import write_answer

    return write_answer(data[written:], words)


def _fail(error: bytes, words: "list[str]", failure_code: int) -> int:
    from dsops.agent.failure import unpack_error
    from dsops.cli import fail

    return fail(unpack_error(error), words, failure_code)


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
