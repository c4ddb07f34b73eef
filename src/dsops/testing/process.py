"""The test suite's connection to the sandbox process.

The process starts at first use and ends with the test suite.
"""

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

# The suite's import path is added at the end, because a test's `queue.py` must not hide Python's module.
_START = (
    "import sys; sys.path += [entry for entry in sys.argv[1:] if entry not in sys.path]; "
    "from dsops.testing.child import main; main()"
)
_ENDING_SECONDS = 5


class SandboxProcess:
    """A process that runs one sandbox at a time. Thread-safe."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = Lock()
        self._pid = os.getpid()
        self._of_parent: subprocess.Popen[bytes] | None = None
        """In a forked child, the parent's object for the sandbox process.

        The reference keeps the object alive. If it were freed, Python would wait for the process.
        """

    def do(self, act: str, **parameters: Any) -> Any:  # arguments and result are pickled; types depend on the act
        """Return the result of an operation of `child.SandboxKeeper`.

        Raises the operation's error, or SandboxUnavailable.
        """
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
                    "the sandbox's process has ended", hint="see its last output on standard error"
                ) from error
            except BaseException:  # after Ctrl-C, the next request would read the pending response
                self._end()
                raise
        if kind == FAILURE:
            raise unpack_error(value)
        if kind != ANSWER:
            raise RuntimeError(f"the sandbox failed:\n{value}")
        return value

    def _begin_in_child(self, act: str) -> None:
        """Let a forked child process open its own sandbox.

        Raises SandboxUnavailable if the child uses the parent's sandbox. If two processes used the same pipe, they
        would receive each other's responses.
        """
        if act not in ("open", "close"):
            raise SandboxUnavailable(
                "a forked child process can't control the sandbox of its parent",
                hint="open and close the sandbox before the fork or in the parent; the child can use its URL",
            )
        self._pid, self._of_parent, self._child, self._lock = os.getpid(), self._child, None, Lock()

    def _exchange(self, act: str, parameters: dict[str, Any]) -> Any:
        if self._child is None:
            self._child = self._start()
        assert self._child.stdin is not None and self._child.stdout is not None  # noqa: S101, PT018 - both are pipes
        self._child.stdin.write(pickle.dumps((act, parameters)))
        self._child.stdin.flush()
        return pickle.load(self._child.stdout)  # noqa: S301 - our own process wrote the data

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        path = [entry for entry in sys.path if os.path.isabs(entry)]
        return subprocess.Popen(
            [sys.executable, "-I", "-c", _START, *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C must reach only pytest, whose fixtures end after it
        )

    def _end(self) -> None:
        """End the process by closing its standard input."""
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # the data that is left in the buffer can't be written any more
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
