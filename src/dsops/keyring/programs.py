"""Find and run the programs of backends, without a secret in arguments or environment variables.

A program gets only the environment variables that it needs. Its PATH leaves out the folders of the current project,
because a repository could contain a malicious program of the same name.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterable, Mapping

from dsops.errors import KeyringFailed, KeyringLocked, KeyringUnavailable
from dsops.secret import Secret
from dsops.startup import NamedTuple
from dsops.text import clean

TIMEOUT_SECONDS = 60.0
"""How many seconds a program may take. It may prompt for a password in a window that the user can't see."""

_COMMON = """
HOME USER LOGNAME TERM LANG LANGUAGE TZ TMPDIR DISPLAY WAYLAND_DISPLAY XAUTHORITY DBUS_SESSION_BUS_ADDRESS
XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME
"""
_PROJECT_MARKS = (".git", "dsops.yaml")
_LONGEST_WHY = 300


class ProgramResult(NamedTuple):
    """The output of a program, and its exit code."""

    code: int
    out: bytes
    why: str
    """The last line of the program's stderr, safe to show."""


class Program(NamedTuple):
    """A program that a backend runs, with the environment variables and working directory of the client."""

    name: str
    environ: Mapping[str, str]
    folder: str
    variables: str
    """The names of variables that the program needs besides the common ones. A name may end in the wildcard `*`."""
    timeout_seconds: float = TIMEOUT_SECONDS

    def find(self) -> str:
        """Return the program's path, or "" if no trusted folder of the PATH has it."""
        for folder in trusted_folders(self.environ, self.folder):
            path = os.path.join(folder, self.name)
            if _is_trusted_program(path):
                return path
        return ""

    def require(self) -> str:
        """Return the program's path. Raises KeyringUnavailable if the program is missing."""
        path = self.find()
        if not path:
            raise KeyringUnavailable(
                f"the program `{self.name}` was not found in a trusted folder of PATH",
                why="dsops skips folders of the current project, and folders that every user can write",
                hint=f"install `{self.name}`, or name another backend",
            )
        return path

    def run(self, *words: str, given: Secret | None = None, terminal: str = "") -> ProgramResult:
        """Run the program with these arguments. `given` becomes its standard input, through a pipe.

        `terminal` is the value of GPG_TTY. Raises KeyringUnavailable if the program is missing, and KeyringLocked if
        it takes longer than a minute.
        """
        path = self.require()
        environ = self._environment()
        if terminal:
            environ["GPG_TTY"] = terminal
        data = None if given is None else given.reveal_bytes()
        try:
            process = subprocess.Popen(
                [path, *words],
                cwd=os.sep,
                env=environ,
                stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            why = (error.strerror or "unknown reason").lower()
            raise KeyringFailed(f"`{self.name}` can't be run", why=why, hint=f"try `{path} --version`") from error
        return self._result(process, data, given)

    def _result(self, process: subprocess.Popen[bytes], data: bytes | None, given: Secret | None) -> ProgramResult:
        try:
            out, err = process.communicate(data, self.timeout_seconds)
        except subprocess.TimeoutExpired:
            # The error is raised `from None`, because the cause would contain the program's output so far.
            raise KeyringLocked(
                f"`{self.name}` did not answer within {self.timeout_seconds:g} s",
                why="it may be waiting for a password, perhaps in a window that can't be shown here",
                hint=f"unlock it by hand with `{self.name}`, then run the command again",
            ) from None
        finally:
            # A `with` block would wait until the pipes are closed, and a helper process may keep them open.
            process.kill()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            process.wait()
        return ProgramResult(process.returncode, out, _last_line(err, given))

    def _environment(self) -> dict[str, str]:
        wanted = [*_COMMON.split(), "LC_*", *self.variables.split()]
        environ = {name: value for name, value in self.environ.items() if _is_one_of(name, wanted)}
        environ["PATH"] = os.pathsep.join(trusted_folders(self.environ, self.folder))
        return environ


def trusted_folders(environ: Mapping[str, str], folder: str) -> list[str]:
    """Return the folders of the PATH that are not part of the current project and that other users can't write to."""
    home = os.path.realpath(environ.get("HOME") or os.sep)
    projects = list(_projects(os.path.realpath(folder), home))
    return [
        entry
        for entry in environ.get("PATH", os.defpath).split(os.pathsep)
        if os.path.isabs(entry) and not _is_below(os.path.realpath(entry), projects) and _is_private(entry)
    ]


def _projects(folder: str, home: str) -> Iterable[str]:
    """Yield the working directory, and those of its parents that are projects.

    The home folder and its parents are never yielded.
    """
    is_first = True
    while not f"{home}{os.sep}".startswith(f"{folder.rstrip(os.sep)}{os.sep}"):
        if is_first or any(os.path.lexists(os.path.join(folder, mark)) for mark in _PROJECT_MARKS):
            yield folder
        is_first = False
        if folder == os.path.dirname(folder):
            return
        folder = os.path.dirname(folder)


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}{os.sep}") for folder in folders)


def _is_private(folder: str) -> bool:
    """Whether the folder belongs to this user or root, and other users can't put a program into it."""
    try:
        status = os.stat(folder)
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(status.st_mode) and _is_ours(status) and not status.st_mode & stat.S_IWOTH


def _is_ours(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid in {0, os.geteuid()}


def _is_trusted_program(path: str) -> bool:
    """Whether the file is a program of this user or root that other users can't change."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return (
        stat.S_ISREG(status.st_mode)
        and _is_ours(status)
        and not status.st_mode & stat.S_IWOTH
        and os.access(path, os.X_OK)
    )


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in patterns)


def _last_line(err: bytes, given: Secret | None) -> str:
    """Return the last line of stderr without terminal codes. Words from the program's input are replaced by `***`."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err.decode("utf-8", "replace"))
    for word in re.findall(r"[A-Za-z0-9+/=_-]{8,}", given.reveal()) if given is not None else ():
        text = text.replace(word, "***")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return clean(lines[-1])[:_LONGEST_WHY] if lines else ""
