"""The backend `file`: a file that is encrypted with a passphrase (scrypt and AES-256-GCM).

The first line contains the format's version, the parameters of scrypt, the salt, a value to check a passphrase, and
the nonce. The rest is the ciphertext of a JSON object. AES-GCM authenticates both parts.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, MutableMapping
from threading import Lock

from dsops.errors import DsopsError, ExtraMissing, KeyringFailed, KeyringLocked, KeyringUnavailable
from dsops.extras import install_command
from dsops.input_file import read_file, reason
from dsops.keyring.index import data_file
from dsops.keyring.private_file import locked, replace_file
from dsops.secret import Secret
from dsops.startup import NamedTuple

_MAGIC = b"dsops-keyring 1 scrypt "
_HEADER = re.compile(_MAGIC + rb"(1[4-9]|20) 8 1 ([A-Za-z0-9+/]{22}==) ([A-Za-z0-9+/]{43}=) ([A-Za-z0-9+/]{16})\n")
_LOG_N = 17
"""scrypt with N=2^17, r=8, p=1: each guess of a passphrase needs 128 MiB and about 0.4 s."""
_SHORTEST_PASSPHRASE = 8
_TRIES = 3
_MOST_BYTES = 1 << 20

Ask = Callable[[str], Secret | None]


class Unlocked:
    """The keys of files that the user has unlocked in this run, so that each passphrase is asked for only once."""

    def __init__(self) -> None:
        self.lock = Lock()
        """Locked while the file is used, so that two stores of one run do not ask at the same time."""
        self.keys: dict[bytes, _FileKey] = {}
        """Maps a salt and scrypt's cost to the derived key."""


class _FileKey(NamedTuple):
    """The two values that scrypt derives from a passphrase."""

    salt: bytes
    log_n: int
    key: Secret
    check: bytes
    """A value to check the passphrase: it is compared with the header's. It reveals nothing about the key."""


class _Header(NamedTuple):
    """The parsed first line of the file."""

    salt: bytes
    log_n: int
    check: bytes
    nonce: bytes
    line: bytes


class SealedFile:
    """The encrypted file of a client. `ask` asks the client's user for the passphrase."""

    def __init__(self, environ: Mapping[str, str], ask: Ask, run_memory: MutableMapping[str, object] | None) -> None:
        """Use `run_memory` to remember the key for the rest of the run. With None, each use asks for the passphrase."""
        self._path = data_file(environ, "keyring.sealed")
        self._ask = ask
        known = run_memory.setdefault(f"unlocked {self._path}", Unlocked()) if run_memory is not None else None
        self._unlocked = known if isinstance(known, Unlocked) else Unlocked()

    def get(self, service: str, account: str) -> Secret | None:
        """Return the secret stored under that name, or None if there is none."""
        with self._unlocked.lock:
            data = self._read()
            if data is None:
                return None
            value = self._opened(data)[1].get(_name(service, account))
        return None if value is None else Secret(value)

    def put(self, service: str, account: str, value: Secret) -> str:
        """Store a secret, replacing any secret of that name. Returns where it is stored, for messages."""
        _require_cryptography()
        if not self._path:
            raise KeyringUnavailable(
                "there is no folder for the encrypted file", why="HOME is not set", hint="set HOME"
            )
        with self._unlocked.lock, locked(self._path):
            data = self._read()
            key, entries = (self._new_key(), {}) if data is None else self._opened(data)
            self._write(key, {**entries, _name(service, account): value.reveal()})
        return f"encrypted file {self._path}"

    def delete(self, service: str, account: str) -> None:
        """Delete a secret. Does nothing if there is no secret of that name."""
        with self._unlocked.lock:
            if self._read() is None:
                return
            with locked(self._path):
                data = self._read() or b""
                key, entries = self._opened(data)
                if entries.pop(_name(service, account), None) is not None:
                    self._write(key, entries)

    def check(self) -> str:
        """Return why this machine can't use the file, or "". Does not decrypt the file, so that it shows no prompt."""
        try:
            _require_cryptography()
            data = self._read() if self._path else None
            if data is not None:
                self._header(data)
        except DsopsError as error:
            return error.message
        return "" if self._path else "there is no folder for the encrypted file"

    def _read(self) -> bytes | None:
        try:
            data, status = read_file(self._path, _MOST_BYTES + 1) if self._path else (None, None)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise KeyringFailed(
                f"{self._path} can't be read: {reason(error)}", hint="restore the file from a backup, or move it away"
            ) from error
        if data is None or status is None:
            return None
        is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        if not is_ours or (os.name == "posix" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            raise KeyringFailed(
                f"{self._path} is not trusted",
                why="it belongs to another user, or other users can write it",
                hint=f"make the file yours alone: `chmod 600 {self._path}`",
            )
        if len(data) > _MOST_BYTES:
            raise self._damaged("it is larger than dsops makes it")
        return data

    def _header(self, data: bytes) -> _Header:
        found = _HEADER.match(data)
        if found is None:
            is_ours = data.startswith(b"dsops-keyring ")
            raise self._damaged(
                "its first line was changed, or a newer dsops has written it"
                if is_ours
                else "its first line is missing"
            )
        log_n, salt, check, nonce = found.groups()
        return _Header(b64decode(salt), int(log_n), b64decode(check), b64decode(nonce), found[0])

    def _opened(self, data: bytes) -> tuple[_FileKey, dict[str, str]]:
        """Return the key and the entries. Raises KeyringLocked without the passphrase, KeyringFailed for a bad file."""
        _require_cryptography()
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        header = self._header(data)
        key = self._key_of(header)
        try:
            text = AESGCM(key.key.reveal_bytes()).decrypt(header.nonce, data[len(header.line) :], header.line)
            entries = json.loads(text)
        except (InvalidTag, ValueError):
            entries = None
        if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
            raise self._damaged("the passphrase is right, but the file was changed or cut off")
        return key, entries

    def _key_of(self, header: _Header) -> _FileKey:
        """Return the remembered key, or derive it from a passphrase that the user types. Raises KeyringLocked."""
        place = header.salt + bytes([header.log_n])
        known = self._unlocked.keys.get(place)
        if known is not None and hmac.compare_digest(known.check, header.check):
            return known
        complaint = ""
        for left in reversed(range(_TRIES)):
            passphrase = self._ask(f"{complaint}Passphrase of {self._path}: ")
            if passphrase is None:
                raise KeyringLocked(
                    f"{self._path} is locked",
                    why="there is no terminal to ask for its passphrase, or the question was not answered",
                    hint="run the command at a terminal; in a job, use DSOPS_KEYRING=off and keys in variables",
                )
            key = _derived(passphrase, header.salt, header.log_n)
            if hmac.compare_digest(key.check, header.check):
                self._unlocked.keys[place] = key
                return key
            complaint = f"that passphrase is wrong ({left} more {'try' if left == 1 else 'tries'})\n"
        raise KeyringLocked(
            f"the passphrase of {self._path} is wrong",
            why=f"{_TRIES} passphrases were wrong; the right one fails, too, if the file's first line was changed",
            hint="run the command again with the right passphrase; without it the secrets can't be recovered",
        )

    def _new_key(self) -> _FileKey:
        """Ask for a new passphrase, twice, and return its key. Raises KeyringUnavailable without a terminal."""
        complaint = ""
        for _ in range(_TRIES):
            first = self._ask(f"{complaint}New passphrase for {self._path}: ")
            again = None if first is None else self._ask("The same passphrase again: ")
            if first is None or again is None:
                raise KeyringUnavailable(
                    "the encrypted file needs a passphrase",
                    why="there is no terminal to ask on, or the question was not answered",
                    hint="run the command at a terminal",
                )
            if len(first.reveal()) < _SHORTEST_PASSPHRASE:
                complaint = f"a passphrase has at least {_SHORTEST_PASSPHRASE} characters. "
            elif first != again:
                complaint = "the two passphrases differ. "
            else:
                key = _derived(first, os.urandom(16), _LOG_N)
                self._unlocked.keys[key.salt + bytes([_LOG_N])] = key
                return key
        raise KeyringUnavailable(
            "no passphrase was set for the encrypted file", why=complaint.strip(), hint="run the command again"
        )

    def _write(self, key: _FileKey, entries: Mapping[str, str]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(12)
        parts = [b"%d 8 1" % key.log_n, *map(b64encode, (key.salt, key.check, nonce))]
        line = _MAGIC + b" ".join(parts) + b"\n"
        text = json.dumps(entries).encode()
        replace_file(self._path, line + AESGCM(key.key.reveal_bytes()).encrypt(nonce, text, line))

    def _damaged(self, why: str) -> KeyringFailed:
        return KeyringFailed(
            f"{self._path} is not a file of secrets that dsops can read",
            why=why,
            hint="restore the file from a backup; or move it away, and add the keys and seeds again with --replace",
        )


def _derived(passphrase: Secret, salt: bytes, log_n: int) -> _FileKey:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    data = Scrypt(salt=salt, length=64, n=1 << log_n, r=8, p=1).derive(passphrase.reveal_bytes())
    return _FileKey(salt, log_n, Secret.from_bytes(data[:32]), data[32:])


def _require_cryptography() -> None:
    try:
        import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401 - only whether it can be imported
    except ImportError:
        raise ExtraMissing(
            "the package `cryptography` is not installed", hint=f"install the extra: `{install_command('keyring')}`"
        ) from None


def _name(service: str, account: str) -> str:
    return f"{service}/{account}"
