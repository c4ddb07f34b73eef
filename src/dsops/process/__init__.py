"""Run the user's command: find it on the PATH, replace this process with it, or run it as a child process.

The input is a command, its environment, and the secrets to mask; the output is an exit code. For a child, `watch`
forwards signals and enforces a time limit, `masked` masks output, `private` adds a terminal. Imported by `cli`,
`guard` and `node`.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from stat import S_ISDIR

from dsops.dumps import UsersLimit
from dsops.errors import CommandFailed, CommandNotExecutable, CommandNotFound
from dsops.startup import NoReturn

SHELL = "/bin/sh"
"""The shell that runs a script without a `#!` line, as execvp and every shell do."""


def find_command(name: str, path: str | None) -> str:
    """Return the path of the file that a shell would run for that name and PATH (None: PATH is unset).

    Raises CommandNotFound or CommandNotExecutable. Callers use this function before they fetch any session or secret
    for the command.
    """
    if sys.platform == "win32":
        from dsops.process import windows

        return windows.find(name, path, os.environ.get("PATHEXT"))
    folders = [""] if "/" in name else (os.defpath if path is None else path).split(":")
    refused = ""
    for folder in folders:
        candidate = name if "/" in name else f"{folder or '.'}/{name}"
        try:
            is_folder = S_ISDIR(os.stat(candidate).st_mode)
        except OSError:
            continue
        if not is_folder and os.access(candidate, os.X_OK):
            return candidate
        if not is_folder or "/" in name:
            refused = refused or candidate
    if refused:
        raise _refusal(refused)
    raise CommandNotFound(f"the command `{name}` was not found", why=_why_not_found(name), hint=_hint(name))


def replace(command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> NoReturn:
    """Replace this process with the command. Raises CommandFailed or CommandNotExecutable if that fails.

    `arguments` begins with the command's name as the user wrote it. The command inherits the file descriptors that
    this process inherited. It does not inherit those that this process opened (PEP 446).
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # a stream is None if it was closed, as when a daemon starts us
            stream.flush()
    if sys.platform == "win32":
        from dsops.process import windows

        raise SystemExit(windows.run(command, arguments, environment))
    import signal

    # Python ignores SIGPIPE and SIGXFSZ, and the new program would inherit that. Then `yes` in `dsops exec -- yes |
    # head` would never end.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt != signal.SIG_IGN:
        # Without the reset, Python's handler would catch a SIGINT that arrives now; the new program would never get it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with UsersLimit():
            try:
                os.execve(command, tuple(arguments), environment)  # noqa: S606 - a shell must not be involved
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                os.execve(SHELL, (SHELL, command, *arguments[1:]), environment)  # noqa: S606 - for the same reason
    except OSError as error:
        signal.signal(signal.SIGINT, interrupt)
        raise start_failure(command, environment, error) from error


def start_failure(command: str, environment: Mapping[bytes, bytes], error: OSError) -> CommandFailed:
    """Return the error for a command that could not be started."""
    if error.errno == errno.E2BIG:
        name, value = max(environment.items(), key=lambda item: len(item[1]), default=(b"", b""))
        return CommandNotExecutable(
            f"the command `{command}` can't be started: environment and arguments are too large",
            why=f"the largest variable is `{os.fsdecode(name)}` with {len(value)} bytes",
            hint="`dsops render --out FILE` puts values into a file that the command can read",
        )
    if error.errno == errno.ENOENT and os.path.exists(command):
        return _without_interpreter(command)
    reason = os.strerror(error.errno or 0).lower()
    hint = f"check that it was built for this machine: `file {command}` shows its type"
    return CommandNotExecutable(f"the command `{command}` can't be started", why=reason, hint=hint)


def _without_interpreter(command: str) -> CommandNotExecutable:
    r"""Return the error for a script whose interpreter does not exist.

    Windows line ends add an invisible `\r` to the interpreter's name.
    """
    try:
        with open(command, "rb") as file:
            line = file.readline(256)
    except OSError:
        line = b""
    named = line[2:].strip().split(b" ", 1)[0].decode("utf-8", "backslashreplace")
    why = "the interpreter or loader that it needs does not exist"
    hint = ""
    if line.startswith(b"#!") and line.endswith(b"\r\n"):
        why = f"its lines end as on Windows: the interpreter in its first line, `{named}\\r`, does not exist"
        hint = f"`sed -i 's/\\r$//' {command}`"
    elif line.startswith(b"#!") and named:
        why = f"the interpreter in its first line, `{named}`, does not exist"
        hint = "install the interpreter, or write another one before the script"
    return CommandNotExecutable(f"the command `{command}` can't be started", why=why, hint=hint)


def _refusal(candidate: str) -> CommandNotExecutable:
    if os.path.isdir(candidate):
        return CommandNotExecutable(f"the command `{candidate}` is a folder", hint="name a program in it")
    hint = f"run `chmod +x {candidate}`, or name its interpreter"
    return CommandNotExecutable(f"the command `{candidate}` is not executable", hint=hint)


def _why_not_found(name: str) -> str:
    if not name:
        return "its name is empty"
    return "there is no such file" if "/" in name else "it is in no folder of the PATH"


def _hint(name: str) -> str:
    if " " in name:
        return f"to run a shell command line, write `-- sh -c '{name}'`"
    if "/" not in name and os.path.isfile(name):
        return f"to run a file of the working folder, write `./{name}`"
    return ""
