"""The program between the sandbox and a function's interpreter: it confines itself and becomes the interpreter.

Usage: python -I -S child.py DESCRIPTOR, where DESCRIPTOR is a connected Unix socket. On the socket:

1. The sandbox sends a line of JSON (see `start_of` in `process`).
2. This program enters new namespaces with a root of its own, opens the port of the endpoint on their loopback
   interface, and sends one line of JSON: `{}` together with the listening socket, or `{"error": ..., "step": ...}`.
3. A fork becomes the interpreter. The first process waits for it, and kills it when the sandbox closes the socket.

The fork is the first process of a PID namespace. When it ends, the kernel kills all processes that it started, and it
ends with the first process (PR_SET_PDEATHSIG). It is in a session of its own, because `kill(0, SIGSTOP)` reaches a
process group across PID namespaces. It can't enter further user namespaces, where it could mount file systems whose
size nothing bounds. RLIMIT_NPROC does not bind root, so root's functions run as another
user. It imports only the standard library, because it runs without the packages of dsops. Sources: namespaces(7),
pid_namespaces(7), user_namespaces(7), credentials(7), mount(2), mount_setattr(2), pivot_root(2), setrlimit(2),
capset(2).
"""

from __future__ import annotations

import array
import ctypes
import errno
import importlib.util
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

_CLONE_NEWIPC_NEWPID = 0x08000000 | 0x20000000
_MS_RDONLY, _MS_NOSUID_NODEV, _MS_NOEXEC = 0x1, 0x2 | 0x4, 0x8
_MS_BIND_RECURSIVE = 0x1000 | 0x4000
_MS_REMOUNT = 0x20
_MNT_DETACH = 2
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_ATTR_RDONLY_NOSUID_NODEV = 0x1 | 0x2 | 0x4
_DEVICES = ("full", "null", "random", "urandom", "zero")
_PR_SET_PDEATHSIG = 1
_CAPABILITY_VERSION = 0x20080522
_USER = 65534
"""The id of the user and group as which functions of root run."""
_USER_NAMESPACES = "/proc/sys/user/max_user_namespaces"
_TEMPORARY = "/tmp"  # noqa: S108 - a folder of the function alone
_LONGEST_LINE = 64 * 1024 * 1024
_FAILED = 127


def _main(descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    with connection.makefile("rb") as lines:
        start = json.loads(lines.readline(_LONGEST_LINE))
    ends, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        isolation = _isolation()
        libc = ctypes.CDLL(None, use_errno=True)
        isolation.enter_namespaces(libc, _CLONE_NEWIPC_NEWPID, _ids_for_root() if os.geteuid() == 0 else None)
        child = os.fork()
        if child == 0:
            _become(connection, start, isolation)
    except OSError as error:
        _send_error(connection, error)
        return
    for number in start["descriptors"]:
        os.close(number)
    _leave(_wait(connection, child, ends))


def _ids_for_root() -> Callable[[], None]:
    """Return a function that maps root and `_USER` in the user namespace that this process will have entered.

    Only a process outside of the namespace may map an id that is not its own, so a fork does that.
    """
    ours, theirs = socket.socketpair()
    target = os.getpid()
    helper = os.fork()
    if helper == 0:
        ours.close()
        os._exit(_write_maps(target) if theirs.recv(1) else 0)
    theirs.close()

    def map_ids() -> None:
        with ours:
            ours.send(b"x")
            number = os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1])
        if number:
            raise OSError(number, os.strerror(number), "uid_map")

    return map_ids


def _write_maps(target: int) -> int:
    """Map the ids of a process' user namespace; return the errno, or 0."""
    try:
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{target}/{name}", "w", encoding="ascii") as file:
                file.write(f"0 0 1\n{_USER} {_USER} 1\n")
    except OSError as error:
        return error.errno or 1
    return 0


def _isolation() -> Any:  # a module that is loaded from its file, so that no package has to be importable
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "process", "isolated_child.py")
    spec = importlib.util.spec_from_file_location("isolated_child", path)
    if spec is None or spec.loader is None:
        raise OSError(2, "it is missing", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _become(connection: socket.socket, start: dict[str, Any], isolation: Any) -> None:
    """Confine this process, report to the sandbox, and become the interpreter. Does not return."""
    try:
        os.setsid()
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
        # The file belongs to the user namespace of the process that opens it. A container can protect one of the two.
        is_closed = _refuse_user_namespaces(is_first=True)
        _enter_root(libc, start, isolation.check)
        if not is_closed:
            _refuse_user_namespaces(is_first=False)
        listener = isolation.open_loopback(start["port"])
        isolation.drop_rights(libc)
        _drop_user(libc, isolation.check)
        _check_process_limit()
        for name, limit in start["limits"].items():
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (most, most))
        os.chdir(start["folder"])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))]
        connection.sendmsg([b"{}\n"], rights)
    except (OSError, ValueError) as error:
        _send_error(connection, error)
        os._exit(_FAILED)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execve(start["command"][0], start["command"], start["environment"])  # noqa: S606 - no shell is involved
    except (OSError, ValueError) as error:
        # ValueError: a variable's name or value that no process can have
        reason = error.strerror if isinstance(error, OSError) else str(error)
        os.write(2, f"{start['command'][0]}: {reason}\n".encode())
    os._exit(_FAILED)


def _refuse_user_namespaces(*, is_first: bool) -> bool:
    """Refuse user namespaces below that of this process. If /proc does not let it, the first attempt returns False."""
    try:
        with open(_USER_NAMESPACES, "w", encoding="ascii") as file:
            file.write("0")
    except OSError:
        if not is_first:
            raise
        return False
    return True


def _drop_user(libc: ctypes.CDLL, check: Any) -> None:
    """Stop being root, give up all capabilities, and end with the first process."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(_USER, _USER, _USER)
        os.setresuid(_USER, _USER, _USER)
    header, nothing = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    check(libc.capset(header, nothing), "capset")
    # A change of the user resets this setting, so it comes last.
    check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def _check_process_limit() -> None:
    """Raise OSError if RLIMIT_NPROC does not hold for this process: a fork above the limit must fail."""
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, before[1]))
    try:
        child = os.fork()
    except BlockingIOError:
        resource.setrlimit(resource.RLIMIT_NPROC, before)
        return
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    raise OSError(errno.EPERM, "the number of its processes can't be limited", "RLIMIT_NPROC")


def _enter_root(libc: ctypes.CDLL, start: dict[str, Any], check: Any) -> None:
    """Build a root that has only the listed paths, read-only, and a writable /tmp; make it the process' root."""
    root = start["root"]
    options = f"size={start['temporary_bytes']},mode=1777".encode()
    check(libc.mount(b"tmpfs", os.fsencode(root), b"tmpfs", _MS_NOSUID_NODEV, b"size=4m,mode=755"), root)
    for path in start["shown"]:
        if os.path.islink(path) and not start["placed"].get(path):
            _make_link(root, path)
        elif os.path.exists(path):
            _show(libc, path, root + path, check, is_read_only=True)
    for place, path in start["placed"].items():
        _show(libc, path, root + place, check, is_read_only=True)
    os.makedirs(root + "/dev", exist_ok=True)
    for name in _DEVICES:
        _show(libc, f"/dev/{name}", f"{root}/dev/{name}", check, is_read_only=False)
    temporary = root + _TEMPORARY
    os.makedirs(temporary)
    check(libc.mount(b"tmpfs", os.fsencode(temporary), b"tmpfs", _MS_NOSUID_NODEV, options), _TEMPORARY)
    os.makedirs(root + "/proc")
    # A container can refuse this mount. The function then has no /proc, which few programs need.
    libc.mount(b"proc", os.fsencode(root + "/proc"), b"proc", _MS_NOSUID_NODEV | _MS_NOEXEC, None)
    flags = _MS_REMOUNT | _MS_NOSUID_NODEV | _MS_RDONLY
    check(libc.mount(b"tmpfs", os.fsencode(root), b"tmpfs", flags, b"size=4m,mode=755"), root)
    os.chdir(root)
    # pivot_root(2): with the same folder twice, the old root is mounted over the new one, and is unmounted then.
    check(libc.pivot_root(b".", b"."), "pivot_root")
    check(libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def _make_link(root: str, path: str) -> None:
    """Copy a link such as /lib to usr/lib."""
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    if not os.path.lexists(root + path):
        os.symlink(os.readlink(path), root + path)


def _show(libc: ctypes.CDLL, path: str, place: str, check: Any, *, is_read_only: bool) -> None:
    """Bind a file or folder to a place in the new root. A place that exists is shown already."""
    if os.path.isdir(path):
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if not os.path.exists(place):
            with open(place, "xb"):
                pass
    check(libc.mount(os.fsencode(path), os.fsencode(place), None, _MS_BIND_RECURSIVE, None), path)
    if is_read_only:
        attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY_NOSUID_NODEV, 0, 0, 0)
        size = ctypes.sizeof(attributes)
        flags = (_AT_FDCWD, os.fsencode(place), _AT_RECURSIVE)
        check(libc.syscall(_SYS_MOUNT_SETATTR, *flags, attributes, size), "mount_setattr")


def _wait(connection: socket.socket, child: int, ends: int) -> int:
    """Wait for the interpreter; kill it when the sandbox closes the socket. Returns its wait status."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        number = connection.fileno()
        ready, _, _ = select.select([number, ends], [], [])
        if number in ready and not connection.recv(1):
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        if ends in ready:
            os.read(ends, 64)


def _leave(status: int) -> None:
    """End this process as the interpreter ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else _FAILED)


def _send_error(connection: socket.socket, error: Exception) -> None:
    number, step = getattr(error, "strerror", None), getattr(error, "filename", None)
    answer = {"error": number or str(error), "step": os.fsdecode(step) if step else "start"}
    connection.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    _main(int(sys.argv[1]))
