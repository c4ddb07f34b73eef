"""The backend `pass`: the standard Unix password manager, whose files GnuPG encrypts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

from dsops.errors import KeyringFailed, KeyringLocked, KeyringUnavailable
from dsops.keyring.programs import Program
from dsops.secret import Secret

_VARIABLES = "GNUPGHOME GPG_TTY GPG_AGENT_INFO PASSWORD_STORE_DIR PASSWORD_STORE_KEY SSH_AUTH_SOCK"
_LOCKED = ("ioctl", "no pinentry", "cancelled", "canceled", "bad passphrase", "timeout", "no secret key")


class PassStore:
    """The password store of a client with this environment and working folder."""

    def __init__(self, environ: Mapping[str, str], folder: str) -> None:
        self._environ = environ
        self._program = Program("pass", environ, folder, _VARIABLES)
        self._terminal = environ.get("GPG_TTY") or _terminal()

    def get(self, service: str, account: str) -> Secret | None:
        """Return the secret stored under that name, or None if there is none."""
        entry = _entry(service, account)
        if not self._has(entry):
            return None
        return Secret.from_bytes(self._run("show", entry))

    def put(self, service: str, account: str, value: Secret) -> str:
        """Store a secret, replacing any secret of that name. Returns where it is stored, for messages."""
        self._program.require()
        why = self.check()
        if why:
            raise KeyringUnavailable(why, hint="`pass init GPG-ID` makes a password store; or name another backend")
        entry = _entry(service, account)
        self._run("insert", "--multiline", "--force", entry, given=value)
        return f"pass, {entry}"

    def delete(self, service: str, account: str) -> None:
        """Delete a secret. Does nothing if there is no secret of that name."""
        entry = _entry(service, account)
        if self._has(entry):
            self._run("rm", "--force", entry)

    def check(self) -> str:
        """Return why this machine can't use `pass`, or "". Decrypts nothing, so that gpg shows no prompt."""
        if not self._program.find():
            return "the program `pass` was not found in a trusted folder of PATH"
        store = self._store()
        return "" if os.path.isfile(os.path.join(store, ".gpg-id")) else f"there is no password store in {store}"

    def _run(self, *words: str, given: Secret | None = None) -> bytes:
        result = self._program.run(*words, given=given, terminal=self._terminal)
        if result.code == 0:
            return result.out
        if any(text in result.why.lower() for text in _LOCKED):
            raise KeyringLocked(
                "gpg did not decrypt the password store",
                why=result.why,
                hint="run `export GPG_TTY=$(tty)`, so that gpg can ask for its passphrase, then run the command again",
            )
        entry = words[-1]
        raise KeyringFailed(
            f"`pass {words[0]}` failed for {entry}", why=result.why, hint=f"try it by hand: `pass show {entry}`"
        )

    def _has(self, entry: str) -> bool:
        return os.path.isfile(os.path.join(self._store(), f"{entry}.gpg"))

    def _store(self) -> str:
        store = self._environ.get("PASSWORD_STORE_DIR") or os.path.join(
            self._environ.get("HOME", ""), ".password-store"
        )
        return os.path.abspath(os.path.join(os.sep, store))


def _entry(service: str, account: str) -> str:
    """Return the entry's path in the store. The account becomes a single file name, which prevents path traversal."""
    name = quote(account, safe="@+=,:-_")
    # `quote` leaves dots alone, and `..` would be the parent folder.
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    return f"{service.replace(' ', '/')}/{name}"


def _terminal() -> str:
    """Return the path of this process's terminal, for pinentry's prompt; "" if there is none, as in the agent."""
    for descriptor in range(3):
        try:
            return os.ttyname(descriptor)
        except OSError:
            continue
    return ""
