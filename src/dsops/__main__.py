"""The entry point: sends a plain `exec` and the commands of `client.ANSWERED` to the agent, and runs others itself."""

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
    # A background job of a shell, or a command under `nohup`, starts with SIGINT ignored, and dsops keeps ignoring it.
    # Until this handler is set, Ctrl-C prints Python's own traceback.
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
    """Handle SIGINT (Ctrl-C): exit with code 130, or raise KeyboardInterrupt while the work runs.

    While the work runs (`_raises`), the exception lets the work clean up; a second Ctrl-C exits at once.
    """
    global _raises  # noqa: PLW0603 - the same
    if not _raises:
        os._exit(INTERRUPTED)
    _raises = False
    raise KeyboardInterrupt


def _on_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Exit with code 130 if Ctrl-C interrupted a callback: Python can't propagate an exception from a callback."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        os._exit(INTERRUPTED)
    sys.__unraisablehook__(unraisable)


def _run(words: "list[str]", *, is_agent_wanted: bool) -> int:
    from dsops.agent import client

    name = _command(words)
    if is_agent_wanted and (name == "exec" or name in client.ANSWERED):
        code = _run_in_agent(name, words)
        if code is not None:
            return code
    from dsops.dumps import leave_no_core_dump

    leave_no_core_dump()
    from dsops.cli import main as run_here

    code = run_here(words)
    import gc

    # Without this, Python's garbage collector searches all objects when the process exits, which takes 5 of 60 ms.
    gc.freeze()
    return code


_CONFIG = (["--config"], ["-c"])


def _command(words: "list[str]") -> str:
    """Return the command's name from the command line's words; only `--config FILE` may precede the name."""
    return words[2] if words[:1] in _CONFIG and len(words) > 2 else "".join(words[:1])


def _run_in_agent(name: str, words: "list[str]") -> "int | None":
    """Run the command in the agent; returns its exit code, or None if this process has to do the work."""
    from dsops.agent import client

    if name != "exec":
        return _answer([words[2], *words[:2], *words[3:]] if words[:1] in _CONFIG else words)
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

    try:
        answer = client.answer(words, _Person())
    except KeyboardInterrupt:
        if words[0] != "hook-load":
            raise
        # The shell needs the names of the files to watch.
        from dsops.cli.hook.load import run_interrupted

        return run_interrupted(words[1:])
    if answer is None:
        return None
    kind, (data, *code) = answer
    if kind == client.FAILED:
        return _fail(data, words, 0)
    try:
        count = os.write(1, data) if data else 0
    except OSError:
        count = 0
    if count < len(data):
        from dsops.cli import write_answer

        if failed := write_answer(data[count:], words):
            return failed
    return int(code[0]) if code else 0


def _fail(error: bytes, words: "list[str]", failure_code: int) -> int:
    from dsops.agent.failure import unpack_error
    from dsops.cli import fail

    return fail(unpack_error(error), words, failure_code)


class _Person:
    """Talks to the user at this terminal; the modules for output and prompts are loaded on first use."""

    def __init__(self) -> None:
        self._person: client.Person | None = None

    def __call__(self, kind: int, data: bytes) -> "bytes | None":
        if self._person is None:
            from dsops.agent.remote import AgentPerson
            from dsops.cli.framework.process_runtime import asker, chooser, reporter

            report = reporter(is_verbose=False)
            self._person = AgentPerson(asker(report), chooser(report), report)
        return self._person(kind, data)


if __name__ == "__main__":
    sys.exit(main())
