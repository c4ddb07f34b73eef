"""Entry point of `dsops`: a plain `exec` goes to the agent; everything else, and what it can't do, runs here."""

import _signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from dsops.agent import client

INTERRUPTED = 128 + 2


_raises = False


def main() -> int:
    """Run this process's command line and return its exit code."""
    global _raises  # noqa: PLW0603 - one process, one command line
    # Unless SIGINT is ignored (`nohup`, a shell's background job). Output before this line comes from Python itself.
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _on_interrupt)
        sys.unraisablehook = _on_unraisable
    words = sys.argv[1:]
    from dsops.agent import client

    try:
        _raises = True
        code = _run(words, is_agent_wanted=client.is_wanted(os.environ))
        _raises = False
    except KeyboardInterrupt:
        code = INTERRUPTED
    return code


def _on_interrupt(_number: int, _frame: "FrameType | None") -> None:
    """Exit with 130: immediately before the command has begun and after it has ended.

    In between (`_raises`) Ctrl-C raises KeyboardInterrupt, so that cleanup runs. A second Ctrl-C interrupts the
    cleanup.
    """
    global _raises  # noqa: PLW0603 - the same
    if not _raises:
        os._exit(INTERRUPTED)
    _raises = False
    raise KeyboardInterrupt


def _on_unraisable(told: "sys.UnraisableHookArgs") -> None:
    """Exit with 130 when Ctrl-C came within a callback, such as a weak reference's, which can't raise it."""
    if issubclass(told.exc_type, KeyboardInterrupt):
        os._exit(INTERRUPTED)
    sys.__unraisablehook__(told)


def _run(words: "list[str]", *, is_agent_wanted: bool) -> int:
    from dsops.agent import client

    name = _command(words)
    if is_agent_wanted and (name == "exec" or name in client.ANSWERED):
        code = _warm(name, words)
        if code is not None:
            return code
    from dsops.dumps import leave_no_core_dump
    from dsops.startup import own_process

    own_process()
    leave_no_core_dump()
    from dsops.cli import main as run_here

    return run_here(words)


def _command(words: "list[str]") -> str:
    """The command's name, when no option but `--config` precedes it."""
    return words[2] if words[:1] == ["--config"] and len(words) > 2 else "".join(words[:1])


def _warm(name: str, words: "list[str]") -> "int | None":
    """The exit code when the agent has done the work; None when it has to be done here."""
    from dsops.agent import client

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
    from dsops.agent import client

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
    """The user at this terminal; the code for prompts is imported when the agent needs one."""

    def __init__(self) -> None:
        self._person: client.Person | None = None

    def __call__(self, kind: int, data: bytes) -> "bytes | None":
        if self._person is None:
            from dsops.cli.run.agent_client import person_here

            self._person = person_here()
        return self._person(kind, data)


if __name__ == "__main__":
    sys.exit(main())
