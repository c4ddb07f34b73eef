"""The backend `op`: items of 1Password, through its command line program, version 2.

`op item create -` reads a new item from a pipe, and `op read` prints one field. Both commands were checked only
against the documentation. Items are identified by id, because several items may have the same title.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from dsops.errors import KeyringFailed, KeyringLocked, KeyringUnavailable
from dsops.keyring.programs import Program
from dsops.secret import Secret
from dsops.startup import NamedTuple

_VARIABLES = """
OP_ACCOUNT OP_SERVICE_ACCOUNT_TOKEN OP_SESSION* OP_CONNECT_HOST OP_CONNECT_TOKEN OP_BIOMETRIC_UNLOCK_ENABLED
OP_CONFIG_DIR OP_CACHE HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy SSL_CERT_FILE
"""
_TOKENS = ("OP_SERVICE_ACCOUNT_TOKEN", "OP_CONNECT_TOKEN")
_LOCKED = re.compile(
    r"not (currently )?signed in|session expired|authorization|biometric|locked|dismissed", re.IGNORECASE
)
_ID = re.compile(r"[a-z0-9]{20,40}", re.IGNORECASE)


class _Item(NamedTuple):
    """The ids of an item and of its vault."""

    id: str
    vault: str


class OnePassword:
    """The items of a 1Password account, in the configured vault or else in the default vault."""

    def __init__(self, environ: Mapping[str, str], folder: str, vault: str = "") -> None:
        self._environ = environ
        self._program = Program("op", environ, folder, _VARIABLES)
        self._vault = [f"--vault={vault}"] if vault else []
        self._label = f"1Password, vault {vault}" if vault else "1Password"

    def get(self, service: str, account: str) -> Secret | None:
        """Return the secret stored under that name, or None if there is none."""
        items = self._find(_title(service, account))
        if len(items) > 1:
            raise KeyringFailed(
                f"1Password has {len(items)} items `{_title(service, account)}`",
                why="dsops can't know which one is right",
                hint="delete all but one of these items in 1Password",
            )
        return self._read(items[0]) if items else None

    def put(self, service: str, account: str, value: Secret) -> str:
        """Store a secret, replacing any secret of that name. Returns where it is stored, for messages."""
        self._program.require()
        why = self.check()
        if why:
            raise KeyringUnavailable(why, hint="`op account add` adds an account; or name another backend")
        title = _title(service, account)
        before = self._find(title)
        field = {"id": "password", "type": "CONCEALED", "purpose": "PASSWORD", "label": "password"}
        template = {"title": title, "category": "PASSWORD", "fields": [{**field, "value": value.reveal()}]}
        created = _item(self._run("item", "create", *self._vault, "-", given=Secret(json.dumps(template))))
        if self._read(created) != value:
            raise KeyringFailed(
                f"1Password stored `{title}`, but returns a different value", hint="look at the item in 1Password"
            )
        # The new item is complete before an old one is deleted.
        for item in before:
            self._delete(item)
        return self._label

    def delete(self, service: str, account: str) -> None:
        """Delete a secret. Does nothing if there is no secret of that name."""
        for item in self._find(_title(service, account)):
            self._delete(item)

    def check(self) -> str:
        """Return why this machine can't use 1Password, or "". Shows no prompt."""
        if not self._program.find():
            return "the program `op` was not found in a trusted folder of PATH"
        if any(self._environ.get(name) for name in _TOKENS):
            return ""
        try:
            accounts = json.loads(self._program.run("account", "list", "--format=json").out or b"[]")
        except (ValueError, KeyringFailed):
            accounts = []
        return "" if accounts else "the program `op` knows no account"

    def _find(self, title: str) -> list[_Item]:
        listed = self._run("item", "list", "--categories=Password", *self._vault)
        if not isinstance(listed, list):
            raise _strange()
        return [_item(each) for each in listed if isinstance(each, dict) and each.get("title") == title]

    def _read(self, item: _Item) -> Secret:
        # `op read` prints exactly the field's value.
        return Secret.from_bytes(self._output("read", "--no-newline", f"op://{item.vault}/{item.id}/password"))

    def _delete(self, item: _Item) -> None:
        self._output("item", "delete", item.id, f"--vault={item.vault}")

    def _run(self, *words: str, given: Secret | None = None) -> object:
        output = self._output(*words, "--format=json", given=given)
        try:
            return json.loads(output)
        except ValueError:
            raise _strange() from None  # Raised `from None`, because the cause would contain the output.

    def _output(self, *words: str, given: Secret | None = None) -> bytes:
        result = self._program.run(*words, given=given)
        if result.code == 0:
            return result.out
        if _LOCKED.search(result.why):
            raise KeyringLocked(
                "1Password is locked, or access to it was denied",
                why=result.why,
                hint="run `op signin`, or unlock the 1Password app, then run the command again",
            )
        raise KeyringFailed(f"`op {' '.join(words[:2])}` failed", why=result.why, hint="try `op item list` by hand")


def _title(service: str, account: str) -> str:
    return f"{service}: {account}"


def _item(value: object) -> _Item:
    """Return the ids in an item of the program's JSON output."""
    vault = value.get("vault") if isinstance(value, dict) else None
    ids = (value.get("id"), vault.get("id")) if isinstance(value, dict) and isinstance(vault, dict) else ()
    if len(ids) != 2 or not all(isinstance(each, str) and _ID.fullmatch(each) for each in ids):
        raise _strange()
    return _Item(str(ids[0]), str(ids[1]))


def _strange() -> KeyringFailed:
    return KeyringFailed("`op` did not print the expected JSON", hint="dsops needs `op` 2: `op --version` shows yours")
