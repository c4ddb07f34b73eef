"""The host that runs the sandbox's functions on this machine, each invocation in a thread that waits for a process."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from socket import socket

from dsops.errors import SandboxUnavailable
from dsops.functions.memory import is_measurable
from dsops.functions.packages import MOST_BYTES, PackageInvalid, extract
from dsops.functions.process import MOST_PROCESSES, Folders, NotIsolated, ProcessEnd, ProcessStart, run_process
from dsops.functions.runtimes import Interpreter, find_interpreter
from dsops.sandbox.functions.run import FunctionResult, FunctionRun

_MB = 1024 * 1024
_MOST_TEMPORARY_MB = 1024
_MOST_AT_ONCE = 10
"""The most functions that run at once. The others wait."""
_MOST_WAITING = 1000
_LOOK_SECONDS = 0.2
_CLOSING_SECONDS = 10
_MOST_RESPONSE = 6_291_556
"""Lambda's quota for a response, in bytes, as its error message says it."""


class LocalHost:
    """Runs functions as isolated processes."""

    def __init__(self, most_processes: int = MOST_PROCESSES) -> None:
        """Raises SandboxUnavailable on a machine where functions can't be isolated and bounded."""
        self._most_processes = most_processes
        self._accept: Callable[[socket], Callable[[], None]] | None = None
        self._waiting: Queue[tuple[FunctionRun, Callable[[FunctionResult], None]]] = Queue(_MOST_WAITING)
        self._threads: list[threading.Thread] = []
        self._is_closed = threading.Event()
        _check_isolation()

    def connect(self, accept: Callable[[socket], Callable[[], None]]) -> None:
        """Set the function that serves the sandbox on a listening socket."""
        self._accept = accept

    def why_not(self, runtime: str) -> str:
        """Return why this machine can't run functions of the runtime; "" if it can."""
        interpreter = find_interpreter(runtime)
        return interpreter if isinstance(interpreter, str) else ""

    def start(self, run: FunctionRun, ended: Callable[[FunctionResult], None]) -> bool:
        """Start a run, or put it in the queue; False if the queue is full."""
        try:
            self._waiting.put_nowait((run, ended))
        except Full:
            return False
        if len(self._threads) < _MOST_AT_ONCE:
            self._threads.append(threading.Thread(target=self._work, name="dsops-function", daemon=True))
            self._threads[-1].start()
        return True

    def close(self) -> None:
        """Kill the functions that are running, and forget those in the queue."""
        self._is_closed.set()
        for thread in self._threads:
            thread.join(_CLOSING_SECONDS)

    def _work(self) -> None:
        """Run what is in the queue until the host is closed."""
        while not self._is_closed.is_set():
            with suppress(Empty):
                run, ended = self._waiting.get(timeout=_LOOK_SECONDS)
                try:
                    result = self._run(run)
                except Exception as error:  # noqa: BLE001 - a function must not end the thread that runs all others
                    result = _failed(run, "Runtime.Unknown", f"the sandbox failed: {type(error).__name__}")
                if not self._is_closed.is_set():
                    ended(result)

    def _run(self, run: FunctionRun) -> FunctionResult:
        interpreter = find_interpreter(run.runtime)
        if isinstance(interpreter, str):
            return _failed(run, "InvalidRuntimeException", interpreter)
        folder = tempfile.mkdtemp(prefix="dsops-function-")
        try:
            folders = _make_folders(folder)
            left = MOST_BYTES - extract(run.package, folders.task)
            for layer in run.layers:
                left -= extract(layer, folders.layers, left)
            return _result(run, interpreter, self._process(run, interpreter, folders))
        except PackageInvalid as error:
            return _failed(run, "InvalidZipFileException", f"the package can't be extracted: {error}")
        except (NotIsolated, OSError) as error:
            return _failed(run, "Runtime.Unknown", f"the sandbox could not start the function: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _process(self, run: FunctionRun, interpreter: Interpreter, folders: Folders) -> ProcessEnd:
        if self._accept is None:
            raise OSError("no server")
        start = ProcessStart(
            interpreter,
            (run.request_id, run.arn, str(run.timeout_seconds)),
            run.environment,
            run.event,
            run.memory_mb * _MB,
            min(run.temporary_mb, _MOST_TEMPORARY_MB) * _MB,
            run.timeout_seconds,
            folders,
            self._most_processes,
        )
        return run_process(start, self._accept, self._is_closed.is_set)


def _check_isolation() -> None:
    """Start a process that does nothing. Raises SandboxUnavailable if this machine can't isolate or bound it."""
    message = "functions can't be isolated on this machine"
    if sys.platform != "linux":
        raise SandboxUnavailable(message, why="it needs Linux", hint="start the sandbox in WSL or a Linux container")
    if not is_measurable():
        why, hint = "the kernel does not show the memory of processes", "use Linux 5.3 or later, with /proc mounted"
        raise SandboxUnavailable(message, why=why, hint=hint)
    nothing = Interpreter(("/bin/true",), os.path.abspath(__file__), ("/usr", "/bin", "/lib", "/lib64"), {})
    with tempfile.TemporaryDirectory(prefix="dsops-function-") as folder:
        start = ProcessStart(nothing, (), {}, b"", 256 * _MB, _MB, 60, _make_folders(folder))
        try:
            run_process(start, lambda listener: listener.close, lambda: False)
        except NotIsolated as error:
            hint = (
                "allow user namespaces on this machine (sysctl user.max_user_namespaces,"
                " kernel.apparmor_restrict_unprivileged_userns), or start the sandbox without --run-functions"
            )
            raise SandboxUnavailable(message, why=str(error), hint=hint) from error


def _make_folders(folder: str) -> Folders:
    folders = Folders(*(os.path.join(folder, name) for name in Folders._fields))
    for path in folders:
        os.mkdir(path)
        os.chmod(path, 0o755)  # noqa: S103 - functions of root run as another user; the folder above is closed
    return folders


def _failed(run: FunctionRun, kind: str, message: str) -> FunctionResult:
    payload = json.dumps({"errorType": kind, "errorMessage": f"RequestId: {run.request_id} Error: {message}"})
    return FunctionResult(payload.encode(), "Unhandled", f"{kind}: {message}\n")


def _result(run: FunctionRun, interpreter: Interpreter, ended: ProcessEnd) -> FunctionResult:
    """Return the result of a process, with the errors that Lambda reports."""
    head, line, payload = ended.result.partition(b"\n")
    if ended.is_timed_out:
        message = f"Task timed out after {run.timeout_seconds:.2f} seconds"
        result = _failed(run, "Sandbox.Timedout", message)
    elif ended.is_over_memory:
        result = _failed(run, "Runtime.ExitError", "Runtime exited with error: signal: killed")
    elif not line:
        signal_number = -ended.status
        reason = f"signal: {signal_number}" if ended.status < 0 else f"exit status {ended.status}"
        result = _failed(run, "Runtime.ExitError", f"Runtime exited with error: {reason}")
    elif len(payload) > _MOST_RESPONSE:
        message = f"Response payload size exceeded maximum allowed payload size ({_MOST_RESPONSE} bytes)."
        result = _failed(run, "Function.ResponseSizeTooLarge", message)
    else:
        result = FunctionResult(payload, _error_of(head), "")
    return result._replace(log=_log(run, interpreter, ended, result.log))


def _error_of(head: bytes) -> str:
    """Return the error in the first line of a result. A line that is not from the bootstrap counts as an error."""
    try:
        return "Unhandled" if json.loads(head)["error"] else ""
    except (ValueError, TypeError, KeyError, RecursionError):
        return "Unhandled"


def _log(run: FunctionRun, interpreter: Interpreter, ended: ProcessEnd, failure: str) -> str:
    """Return the log of an invocation in the text format of Lambda's platform logs."""
    output = ended.log.decode("utf-8", "replace")
    if output and not output.endswith("\n"):
        output += "\n"
    milliseconds = ended.seconds * 1000
    parts = [
        f"{interpreter.note}\n" if interpreter.note else "",
        f"START RequestId: {run.request_id} Version: {run.version}\n",
        output,
        f"RequestId: {run.request_id} {failure}" if failure else "",
        f"END RequestId: {run.request_id}\n",
        f"REPORT RequestId: {run.request_id}\tDuration: {milliseconds:.2f} ms\t",
        f"Billed Duration: {math.ceil(milliseconds)} ms\tMemory Size: {run.memory_mb} MB\t",
        f"Max Memory Used: {math.ceil(ended.used_bytes / _MB)} MB\n",
    ]
    return "".join(parts)
