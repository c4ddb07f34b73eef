"""The entry point: sends a plain `exec` and the commands of `client.ANSWERED` to the agent, and runs others itself."""

import _signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from dsops.agent import client
    from dsops.agent.handover import Handover

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
    _restore_locale()
    try:
        _raises = True
        code = _run(words, _handover(words))
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


def _restore_locale() -> None:
    """Restore LC_CTYPE if Python has changed it (PEP 538), so that no command inherits the change."""
    if os.environ.get("LC_CTYPE") not in ("C.UTF-8", "C.utf8", "UTF-8"):
        return
    try:
        with open("/proc/self/environ", "rb", 0) as file:
            inherited = [entry for entry in file.read().split(b"\0") if entry.startswith(b"LC_CTYPE=")]
    except OSError:
        return
    if inherited:
        os.environb[b"LC_CTYPE"] = inherited[0].partition(b"=")[2]
    else:
        del os.environ["LC_CTYPE"]


def _handover(words: "list[str]") -> "Handover | None":
    """Remove the launcher's word from the command line and return its state; None without a launcher."""
    if not (words and words[0].startswith("--launcher=")):
        return None
    from dsops.agent.handover import take

    return take(words)


def _run(words: "list[str]", handover: "Handover | None") -> int:
    from dsops.agent import client

    name = _command(words)
    if handover is not None and handover.is_interrupted:
        return _interrupted_hook(words)
    if (name == "exec" or name in client.ANSWERED) and client.is_wanted(os.environ):
        code = None
        if handover is None or handover.is_agent_wanted:
            code = _run_in_agent(name, words, None if handover is None else handover.begun)
        if code is not None:
            return code
    from dsops.dumps import leave_no_core_dump

    leave_no_core_dump()
    from dsops.cli import main as run_here

    code = run_here(words)
    import gc

    # Without this, Python's garbage collector scans all objects at exit, which takes 5 ms of a 60 ms run.
    gc.freeze()
    return code


_CONFIG = (["--config"], ["-c"])


def _command(words: "list[str]") -> str:
    """Return the command's name from the command line's words; only `--config FILE` may precede the name."""
    return words[2] if words[:1] in _CONFIG and len(words) > 2 else "".join(words[:1])


def _run_in_agent(name: str, words: "list[str]", begun: "client.Begun | None") -> "int | None":
    """Run the command in the agent; returns its exit code, or None if this process has to do the work."""
    from dsops.agent import client

    if name != "exec":
        return _answer([words[2], *words[:2], *words[3:]] if words[:1] in _CONFIG else words, begun)
    if words[0] != name or "--" not in words:
        return None
    error = client.run(words[1:], _Person(), begun)
    if error:
        return _fail(error, words, 125)
    if error is not None:
        words.insert(1, "--no-agent")
    return None


def _answer(words: "list[str]", begun: "client.Begun | None") -> "int | None":
    from dsops.agent import FAILED, client

    try:
        answer = client.answer(words, _Person(), begun)
    except KeyboardInterrupt:
        if words[0] != "hook-load":
            raise
        return _interrupted_hook(words)
    if answer is None:
        return None
    kind, data, code = answer
    if kind == FAILED:
        return _fail(data, words, 0)
    try:
        count = os.write(1, data) if data else 0
    except OSError:
        count = 0
    if count == len(data):
        return code
    from dsops.cli import write_answer

    return write_answer(data[count:], words) or code


def _interrupted_hook(words: "list[str]") -> int:
    """Print the names of the files that the shell has to watch; returns the exit code."""
    from dsops.cli import fail
    from dsops.cli.hook.load import run_interrupted
    from dsops.errors import DsopsError

    try:
        return run_interrupted(words[1:])
    except DsopsError as error:
        return fail(error, words, 0)


def _fail(error: bytes, words: "list[str]", failure_code: int) -> int:
    from dsops.agent.failure import agent_error
    from dsops.cli import fail

    return fail(agent_error(error), words, failure_code)


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
