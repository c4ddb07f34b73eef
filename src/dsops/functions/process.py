"""Run one invocation in a process of its own, and bound its time, memory, output and number of processes."""

from __future__ import annotations

import array
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

from dsops.functions.memory import memory_use
from dsops.functions.runtimes import RUNTIME_FOLDER, Interpreter

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
_START_SECONDS = 60.0
INIT_SECONDS = 10.0
"""How long the import of the handler may take before the timeout begins (Lambda Developer Guide, "Init phase")."""
MOST_PROCESSES = 1024
"""Lambda's quota for processes and threads."""
_MOST_LOG = 1024 * 1024
_MOST_RESULT = 16 * 1024 * 1024
_END_SECONDS = 10.0
_TICK_SECONDS = 0.05
_MORE_DATA = 256 * 1024 * 1024
_PORT = 4566
_TASK, _LAYERS, _TEMPORARY = "/var/task", "/opt", "/tmp"  # noqa: S108 - a folder of the function alone
_READY = b"READY\n"
_OUT_OF_MEMORY = 137
_CHUNK = 1 << 16


class NotIsolated(Exception):
    """This machine refuses the namespaces. The message says at which step and why."""


class Folders(NamedTuple):
    """The folders of one invocation on this machine."""

    root: str
    """An empty folder, the mount point of the process' root."""
    task: str
    """The extracted package."""
    layers: str
    """The extracted layers."""


class ProcessStart(NamedTuple):
    """What to run, and its bounds."""

    interpreter: Interpreter
    arguments: tuple[str, ...]
    """The request id, the function's ARN, and the timeout in seconds."""
    environment: Mapping[str, str]
    event: bytes
    memory_bytes: int
    temporary_bytes: int
    timeout_seconds: float
    folders: Folders
    most_processes: int = MOST_PROCESSES
    """The most processes and threads, enforced by the kernel."""


class ProcessEnd(NamedTuple):
    """How a process ended."""

    result: bytes
    """What the bootstrap wrote after READY."""
    log: bytes
    status: int
    """The exit status; a negative number is a signal."""
    is_timed_out: bool
    is_over_memory: bool
    seconds: float
    """The time since the handler was imported."""
    used_bytes: int
    """The most memory that was used, as far as it was measured."""


def run_process(
    start: ProcessStart, accept: Callable[[socket.socket], Callable[[], None]], is_stopped: Callable[[], bool]
) -> ProcessEnd:
    """Run the interpreter until it ends or is stopped; return its result.

    `accept` serves the sandbox on a listening socket, and returns a function that closes it. Raises NotIsolated.
    """
    with tempfile.TemporaryFile() as event:
        event.write(start.event)
        event.seek(0)
        result, result_end = os.pipe()
        log, log_end = os.pipe()
        ours, theirs = socket.socketpair()
        try:
            with theirs, open(os.devnull, "rb") as nothing:
                numbers = (theirs.fileno(), event.fileno(), result_end)
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", _PROGRAM, str(numbers[0])],
                    env={}, stdin=nothing, stdout=log_end, stderr=log_end, pass_fds=numbers, start_new_session=True,
                )  # fmt: skip
        finally:
            os.close(log_end)
            os.close(result_end)
        watched = _Watched(start, process, result, log)
        try:
            release = _let_start(ours, start, numbers[1:], accept)
            try:
                return watched.wait(lambda: ours.shutdown(socket.SHUT_RDWR), is_stopped)
            finally:
                release()
        finally:
            ours.close()
            watched.end()


def _let_start(
    connection: socket.socket,
    start: ProcessStart,
    descriptors: tuple[int, ...],
    accept: Callable[[socket.socket], Callable[[], None]],
) -> Callable[[], None]:
    """Send the start to the program; return a function that closes the function's endpoint."""
    listener: socket.socket | None = None
    connection.settimeout(_START_SECONDS)
    connection.sendall(json.dumps(start_of(start, descriptors)).encode() + b"\n")
    size = array.array("i").itemsize
    try:
        data, parts, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(size))
    except OSError as error:
        raise NotIsolated(f"start: {error}") from error
    for level, kind, content in parts:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            listener = socket.socket(fileno=array.array("i", content[:size])[0])
    answer = json.loads(data or b'{"error": "no answer"}')
    if "error" in answer or listener is None:
        if listener is not None:
            listener.close()
        raise NotIsolated(f"{answer.get('step', 'start')}: {str(answer.get('error', 'no answer')).lower()}")
    return accept(listener)


def start_of(start: ProcessStart, descriptors: tuple[int, ...]) -> dict[str, Any]:  # JSON for the program
    """Return what the program needs to confine itself and to become the interpreter."""
    interpreter, folders = start.interpreter, start.folders
    bootstrap = f"{RUNTIME_FOLDER}/{os.path.basename(interpreter.bootstrap)}"
    modules = {f"{RUNTIME_FOLDER}/{module}": path for module, path in interpreter.modules.items()}
    return {
        "root": folders.root,
        "shown": [*interpreter.shown],
        "placed": {_TASK: folders.task, _LAYERS: folders.layers, bootstrap: interpreter.bootstrap, **modules},
        "temporary_bytes": start.temporary_bytes,
        "limits": {
            "RLIMIT_CORE": 0,
            "RLIMIT_DATA": start.memory_bytes + _MORE_DATA,
            "RLIMIT_FSIZE": start.temporary_bytes,
            "RLIMIT_NOFILE": 1024,
            "RLIMIT_NPROC": start.most_processes,
        },
        "port": _PORT,
        "descriptors": [*descriptors],
        "command": [*interpreter.command, bootstrap, *map(str, descriptors), *start.arguments],
        "folder": _TASK,
        "environment": {
            **start.environment,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{_PORT}",
            "LAMBDA_TASK_ROOT": _TASK,
            "LAMBDA_RUNTIME_DIR": RUNTIME_FOLDER,
            "PYTHONPATH": f"{_LAYERS}/python:{RUNTIME_FOLDER}",
            "NODE_PATH": f"{_LAYERS}/nodejs/node_modules",
            "PATH": f"/usr/local/bin:/usr/bin:/bin:{_LAYERS}/bin",
            "LD_LIBRARY_PATH": f"{_TASK}:{_TASK}/lib:{_LAYERS}/lib",
            "HOME": _TEMPORARY,
            "TMPDIR": _TEMPORARY,
        },
    }


class _Watched:
    """A running process, its result, log and bounds."""

    def __init__(self, start: ProcessStart, process: subprocess.Popen[bytes], result: int, log: int) -> None:
        self._start = start
        self._process = process
        self._files = {result: bytearray(), log: bytearray()}
        self._result, self._log = result, log
        self._selector = selectors.DefaultSelector()
        for number in (result, log):
            os.set_blocking(number, False)
            self._selector.register(number, selectors.EVENT_READ)
        self._used = 0
        self._look_at = 0.0

    def wait(self, stop: Callable[[], None], is_stopped: Callable[[], bool]) -> ProcessEnd:
        """Return how the process ended. `stop` kills it if it exceeds a bound, or if `is_stopped`."""
        begun = monotonic()
        ready_at: float | None = None
        is_timed_out = is_over_memory = False
        while self._process.poll() is None:
            for key, _ in self._selector.select(_TICK_SECONDS):
                self._read(key.fd)
            now = monotonic()
            if ready_at is None and self._files[self._result].startswith(_READY):
                ready_at = now
            limit = begun + INIT_SECONDS if ready_at is None else ready_at
            is_timed_out = now > limit + self._start.timeout_seconds
            is_over_memory = self._is_over_memory()
            is_too_long = len(self._files[self._result]) > _MOST_RESULT
            if is_timed_out or is_over_memory or is_too_long or is_stopped():
                stop()
                self._process.wait()
                break
        self._kill_group()
        for number in (self._result, self._log):
            self._read(number)
        status = self._process.returncode
        result = bytes(self._files[self._result]).removeprefix(_READY)
        seconds = monotonic() - (begun if ready_at is None else ready_at)
        log = bytes(self._files[self._log])
        is_over_memory = is_over_memory or status == _OUT_OF_MEMORY
        return ProcessEnd(result, log, status, is_timed_out, is_over_memory, seconds, self._used)

    def end(self) -> None:
        """Kill what is left, and close the files. The connection is closed already, so the process ends by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._kill_group()
        self._process.wait()
        self._selector.close()
        for number in (self._result, self._log):
            os.close(number)

    def _is_over_memory(self) -> bool:
        if monotonic() < self._look_at:
            return False
        used = memory_use(self._process.pid)
        self._used = max(self._used, used)
        self._look_at = monotonic() + _TICK_SECONDS
        return used > self._start.memory_bytes

    def _read(self, number: int) -> None:
        """Read what is there. What exceeds the bound of the log or of the result is dropped."""
        kept, most = self._files[number], (_MOST_LOG if number == self._log else _MOST_RESULT + 1)
        with suppress(BlockingIOError):
            for _ in range(64):
                data = os.read(number, _CHUNK)
                if not data:
                    with suppress(KeyError):
                        self._selector.unregister(number)
                    return
                kept += data[: max(0, most - len(kept))]

    def _kill_group(self) -> None:
        """Kill the process group. Isolated processes ended with the first process of their namespace already."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
