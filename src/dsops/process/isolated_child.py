"""The program between dsops and an isolated command: it enters new namespaces and becomes the command.

Usage: python -I -S isolated_child.py DESCRIPTOR, where DESCRIPTOR is a connected Unix socket. On the socket:

1. dsops sends a line of JSON with the paths to hide.
2. This program enters the namespaces, opens a port on their loopback interface, and sends one line of JSON: `{}`
   together with the listening socket, or `{"error": ...}`.
3. dsops sends a line of JSON with the command and its environment. This program becomes the command. If that fails, it
   sends the errno as a line of JSON.

It imports only the standard library, because it runs without the packages of dsops. Sources: namespaces(7),
user_namespaces(7), mount_namespaces(7), capabilities(7), netdevice(7), seccomp(2), ioctl_tty(2).
"""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import sys
from collections.abc import Callable

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_MS_NOSUID_NODEV = 0x2 | 0x4
_MS_BIND = 0x1000
_MS_PRIVATE_RECURSIVE = 0x40000 | 0x4000
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_HIGHEST_CAPABILITY = 63
_SIOCSIFFLAGS = 0x8914
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_IFF_UP_RUNNING = 0x1 | 0x40
_SYSTEM_CALLS = {
    "x86_64": (0xC000003E, 16, (248, 249, 250)),
    "aarch64": (0xC00000B7, 29, (217, 218, 219)),
    "riscv64": (0xC00000F3, 29, (217, 218, 219)),
    "loongarch64": (0xC0000102, 29, (217, 218, 219)),
}
"""Machine -> its AUDIT_ARCH, and the numbers of ioctl(2) and of add_key(2), request_key(2) and keyctl(2)."""
_X32_CALLS = 0x40000000
_TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: ioctls that type text into the terminal, where the user's shell would run it."""
_LONGEST_LINE = 64 * 1024 * 1024
_SHELL = "/bin/sh"


def _main(descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    lines = connection.makefile("rb")
    hidden = json.loads(lines.readline(_LONGEST_LINE))
    try:
        listener = _isolate(hidden)
    except OSError as error:
        _send(connection, {"error": error.strerror or "unknown reason", "step": error.filename})
        return
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))]
    connection.sendmsg([b"{}\n"], rights)
    listener.close()
    line = lines.readline(_LONGEST_LINE)
    if not line:
        return
    start = json.loads(line)
    environment = {name.encode("latin-1"): value.encode("latin-1") for name, value in start["environment"].items()}
    words = [word.encode("latin-1") for word in start["arguments"]]
    try:
        _become(start["command"].encode("latin-1"), words, environment)
    except OSError as error:
        _send(connection, {"errno": error.errno})


def _isolate(hidden: list[str]) -> socket.socket:
    """Enter the namespaces, hide the paths, and return a listening socket on their loopback interface."""
    libc = ctypes.CDLL(None, use_errno=True)
    enter_namespaces(libc, 0)
    for path in hidden:
        _hide(libc, path)
    listener = open_loopback(0)
    drop_rights(libc)
    return listener


def enter_namespaces(libc: ctypes.CDLL, more: int, map_ids: Callable[[], None] | None = None) -> None:
    """Enter new user, mount and network namespaces, and those of the flags `more`. Mounts no longer propagate.

    `map_ids` maps the ids of the user namespace; without it, only the process' own ids are mapped.
    """
    user, group = os.geteuid(), os.getegid()
    check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWNET | more), "unshare")
    if map_ids is None:
        # A process without privileges may map only its own ids, and only after it has given up setgroups.
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    else:
        map_ids()
    check(libc.mount(b"none", b"/", None, _MS_PRIVATE_RECURSIVE, None), "mount")


def open_loopback(port: int) -> socket.socket:
    """Start the loopback interface of this network namespace; return a listening socket on it (port 0: any port)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP_RUNNING))
    return socket.create_server(("127.0.0.1", port), backlog=1024)


def drop_rights(libc: ctypes.CDLL) -> None:
    """Drop all capabilities at the next execve, for good, and refuse the calls of `_refuse_calls`."""
    # A command of root would keep all capabilities in these namespaces, and could undo the mounts.
    for capability in range(_HIGHEST_CAPABILITY + 1):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and ctypes.get_errno() != errno.EINVAL:
            check(-1, "prctl")
    check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    _refuse_calls(libc)


def _refuse_calls(libc: ctypes.CDLL) -> None:
    """Refuse the calls of the kernel's keyring, which has no namespaces, and input to the shared terminal (seccomp(2)).

    A process on a machine whose numbers are not known is not started.
    """
    machine = _SYSTEM_CALLS.get(os.uname().machine)
    if machine is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), "seccomp")
    architecture, ioctl, refused = machine
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06  # the opcodes BPF_LD_W_ABS, BPF_JEQ_K, BPF_JGE_K and BPF_RET_K
    tests = [(equal, number) for number in refused]
    tests = [(at_least, _X32_CALLS), *tests] if architecture == _SYSTEM_CALLS["x86_64"][0] else tests
    # Each test jumps to the last instruction, which refuses the call.
    count = len(tests)
    program = [(load, 0, 0, 4), (equal, 0, count + 6, architecture), (load, 0, 0, 0)]
    program += [(kind, count + 4 - place, 0, value) for place, (kind, value) in enumerate(tests)]
    program += [(equal, 0, 3, ioctl), (load, 0, 0, 24)]
    program += [(equal, 2 - place, 0, value) for place, value in enumerate(_TERMINAL_INPUT)]
    program += [(give, 0, 0, 0x7FFF0000), (give, 0, 0, 0x00050000 | errno.EPERM)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    check(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0), "seccomp")


def _hide(libc: ctypes.CDLL, path: str) -> None:
    """Mount an empty folder over a folder, and /dev/null over a file. A path that does not exist is left out."""
    name = os.fsencode(path)
    if os.path.isdir(path):
        check(libc.mount(b"tmpfs", name, b"tmpfs", _MS_NOSUID_NODEV, b"size=1m,mode=700"), path)
    elif os.path.exists(path):
        check(libc.mount(b"/dev/null", name, None, _MS_BIND, None), path)


def _become(command: bytes, words: list[bytes], environment: dict[bytes, bytes]) -> None:
    try:
        os.execve(command, words, environment)  # noqa: S606 - a shell must not be involved
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        os.execve(_SHELL, [_SHELL.encode(), command, *words[1:]], environment)  # noqa: S606 - a script without `#!`


def check(result: int, step: str) -> None:
    """Raise OSError with the name of the step if a system call returned an error."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), step)


def _send(connection: socket.socket, answer: dict[str, object]) -> None:
    connection.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    _main(int(sys.argv[1]))
