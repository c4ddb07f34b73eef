"""The backend `desktop`: the system keyring, through a child process with the client's environment variables.

The package `keyring` reads the environment variables of its process, and takes 60 ms to import. The agent works for
clients with different environment variables, so the package never runs in this process. Secrets pass through a pipe,
never through arguments or files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from dsops.errors import DsopsError, ExtraMissing, KeyringFailed, KeyringLocked, KeyringUnavailable
from dsops.extras import install_command
from dsops.secret import Secret
from dsops.startup import NamedTuple

TIMEOUT_SECONDS = 60.0
"""The time limit for a request. The keyring may show a prompt that the user can't see and that would never end."""

# `python -I -c` keeps the client's working directory and PYTHON* variables from influencing which modules are imported.
_START = "import sys; sys.path[:] = sys.argv[1:]; from dsops.keyring.child import main; main()"

_DIAGNOSE = "see what `python -m keyring diagnose` says"
_NONE = "there is no keyring on this machine that dsops can use"
_INSTEAD = "use a desktop session with one (GNOME Keyring, KWallet, KeePassXC, macOS, Windows), or without a keyring: "


class DesktopKeyring(NamedTuple):
    """The system keyring, opened in a child process with the client's environment variables and working directory."""

    environ: Mapping[str, str]
    folder: str
    timeout_seconds: float = TIMEOUT_SECONDS

    def get(self, service: str, account: str) -> Secret | None:
        """Return the secret stored under that name, or None if the keyring has no such entry.

        Raises KeyringUnavailable, KeyringLocked and others.
        """
        value = self._ask({"do": "get", "service": service, "account": account}).get("value")
        return Secret(value) if isinstance(value, str) else None

    def put(self, service: str, account: str, value: Secret) -> str:
        """Store a secret, replacing any secret of that name. Returns the keyring backend's name, for messages."""
        answer = self._ask({"do": "put", "service": service, "account": account, "value": value.reveal()})
        return str(answer.get("backend", ""))

    def delete(self, service: str, account: str) -> None:
        """Delete a secret. Does nothing if there is no secret of that name."""
        self._ask({"do": "delete", "service": service, "account": account})

    def check(self) -> str:
        """Return why this keyring can't be used, or "". Shows no prompt, because the keyring is not opened."""
        try:
            self._ask({"do": "look", "service": "", "account": ""})
        except DsopsError as error:
            return error.message
        return ""

    def _ask(self, request: Mapping[str, str]) -> Mapping[str, object]:
        answer = self._run(json.dumps(request).encode())
        error, why = answer.get("error"), str(answer.get("why", ""))
        if isinstance(error, str):
            raise _failure(error, why, str(answer.get("backend", "")))
        return answer

    def _run(self, question: bytes) -> Mapping[str, object]:
        path = [entry for entry in sys.path if os.path.isabs(entry)]
        try:
            child = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, *path],
                env=dict(self.environ),
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:
            hint = "check that the Python interpreter of dsops still exists"
            raise KeyringFailed("the keyring could not be read", why=str(error), hint=hint) from error
        try:
            out, _ = child.communicate(question, self.timeout_seconds)
        except subprocess.TimeoutExpired:
            # The error is raised `from None`, because the cause would contain the child's output so far.
            raise KeyringLocked(
                f"the keyring did not answer within {self.timeout_seconds:g} s",
                why="it may be waiting for its password, perhaps in a window that can't be shown here",
                hint="unlock the keyring in your desktop session, then run the command again",
            ) from None
        finally:
            # A `with` block would wait until the pipes are closed, and a helper process may keep them open.
            child.kill()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            child.wait()
        try:
            answer = json.loads(out)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            why = "the process that reads the keyring ended without an answer"
            raise KeyringFailed("the keyring could not be read", why=why, hint=_DIAGNOSE)
        return answer


def _failure(error: str, why: str, backend: str) -> DsopsError:
    """Convert the child's error to an exception.

    `error` is the class name of an exception, mostly of the package `keyring`.
    """
    name = f" ({backend})" if backend else ""
    if error == "NotInstalled":
        return ExtraMissing(
            "the package `keyring` is not installed", hint=f"install the extra: `{install_command('keyring')}`"
        )
    if error == "SwitchedOff":
        return KeyringUnavailable(
            "the keyring is disabled",
            why="keyringrc.cfg or PYTHON_KEYRING_BACKEND names keyring.backends.null, which stores nothing",
            hint="name another backend there, or remove the setting; `python -m keyring --list-backends` lists them",
        )
    if error == "NotLoaded":
        return KeyringUnavailable(
            "the configured keyring backend can't be loaded",
            why=why,
            hint="correct PYTHON_KEYRING_BACKEND or keyringrc.cfg; `python -m keyring diagnose` shows the file's path",
        )
    if error in ("NoKeyringError", "InitError"):
        return KeyringUnavailable(
            _NONE,
            why=why if error == "InitError" else "none answers on D-Bus, and no other was found",
            hint=f"{_INSTEAD}`mfa_process` for codes, a profile for keys",
        )
    if error == "KeyringLocked":
        return KeyringLocked(
            f"the keyring{name} is locked, or access to it was denied",
            why=why,
            hint="unlock the keyring in your desktop session, then run the command again",
        )
    return KeyringFailed(f"the keyring{name} failed", why=why, hint=_DIAGNOSE)
