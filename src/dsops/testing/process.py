"""The sandbox's process, as the test suite has it: started at the first use, ended with the suite."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from threading import Lock
from typing import Any, Self

from dsops.agent.failure import unpack_error
from dsops.errors import SandboxUnavailable
from dsops.testing.child import ANSWER, FAILURE

# Its own folders first: in a test's folder there may be a `queue.py`.
_START = (
    "import sys; sys.path += [entry for entry in sys.argv[1:] if entry not in sys.path]; "
    "from dsops.testing.child import main; main()"
)
_ENDING_SECONDS = 5


class SandboxProcess:
    """A process that keeps sandboxes, one at a time. Any thread may ask it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = Lock()
        self._pid = os.getpid()
        self._of_parent: subprocess.Popen[bytes] | None = None
        """Kept, for its end would be waited for otherwise, and is not ours to wait for."""

    def do(self, act: str, **parameters: Any) -> Any:  # pickled: whatever the act takes and gives
        """The result of an act of `child.Keeper`. Raises its error, SandboxUnavailable when the process is gone."""
        if self._pid != os.getpid():
            self._begin_in_child(act)
        with self._lock:
            if act == "close" and self._child is None:
                return None
            try:
                kind, value = self._exchange(act, parameters)
            except (EOFError, OSError) as error:
                self._end()
                raise SandboxUnavailable(
                    "the process of the sandbox has ended", hint="see its last output on standard error"
                ) from error
            except BaseException:  # Ctrl-C: its answer would be taken for the next one's
                self._end()
                raise
        if kind == FAILURE:
            raise unpack_error(value)
        if kind != ANSWER:
            raise RuntimeError(f"the sandbox failed:\n{value}")
        return value

    def _begin_in_child(self, act: str) -> None:
        """A forked child may open a sandbox of its own. Raises SandboxUnavailable for its parent's.

        Two that write to one pipe would get each other's answers.
        """
        if act not in ("open", "close"):
            raise SandboxUnavailable(
                "a forked child process can't control the sandbox of its parent",
                hint="do that before the fork, or in the parent; the child can use its URL",
            )
        self._pid, self._of_parent, self._child, self._lock = os.getpid(), self._child, None, Lock()

    def _exchange(self, act: str, parameters: dict[str, Any]) -> Any:
        if self._child is None:
            self._child = self._start()
        assert self._child.stdin is not None and self._child.stdout is not None  # noqa: S101, PT018 - both are pipes
        self._child.stdin.write(pickle.dumps((act, parameters)))
        self._child.stdin.flush()
        return pickle.load(self._child.stdout)  # noqa: S301 - our own process wrote it

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        path = [entry for entry in sys.path if os.path.isabs(entry)]
        return subprocess.Popen(
            [sys.executable, "-I", "-c", _START, *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is pytest's, and fixtures end after it
        )

    def _end(self) -> None:
        """Ends the process; the end of its standard input is what tells it."""
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what could not be written any more
                    continue
        try:
            child.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid == os.getpid():
            with self._lock:
                self._end()
