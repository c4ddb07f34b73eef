"""Long-term keys of users in the keyring.

A keyring entry maps access key ids to secret keys. During a rotation, it contains two keys. The list (`index`) records
which key is in use. The list is replaced atomically, so the key in use works at every moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from dsops.credentials import Credentials
from dsops.errors import KeyringEntryMissing, nearest
from dsops.keyring import index
from dsops.keyring.index import Contents, KeysEntry
from dsops.keyring.items import Kept, Keyring
from dsops.secret import Secret

SERVICE = "dsops keys"
"""The service name. The keyring's own window shows it beside the key's name."""


def entry_named(contents: Contents, name: str) -> KeysEntry:
    """Return the list's entry with that name. Raises KeyringEntryMissing."""
    entry = contents.keys.get(name)
    if entry is None:
        near = nearest(name, contents.keys)
        names = ", ".join(contents.keys) or "none"
        hint = f"did you mean `{near}`? " if near else ""
        raise KeyringEntryMissing(
            f"the keyring has no key named `{name}`",
            why=f"the keys on dsops' list are: {names}",
            hint=f"{hint}`dsops keys add {name}` adds one",
        )
    return entry


def get_secrets(keyring: Keyring, name: str, backend: str) -> dict[str, Secret]:
    """Return the secrets stored under a name, by access key id; {} if the backend has no such entry."""
    stored_text = keyring.get(SERVICE, name, backend)
    if stored_text is None:
        return {}
    try:
        secrets = json.loads(stored_text.reveal())
    except (ValueError, RecursionError):
        # The error below is raised without a cause, because the cause contains the whole text.
        secrets = None
    if not isinstance(secrets, dict) or not all(isinstance(each, str) for each in secrets.values()):
        raise KeyringEntryMissing(
            f"the keyring's entry `{name}` was not written by dsops",
            hint=f"add the key again: `dsops keys add {name} --replace`",
        )
    return {key_id: Secret(secret) for key_id, secret in secrets.items()}


def put_secrets(keyring: Keyring, name: str, secrets: Mapping[str, Secret], backend: str = "") -> Kept:
    """Store the secrets, replacing those under the same name. If `backend` is "", the first usable backend is used."""
    text = json.dumps({key_id: secret.reveal() for key_id, secret in secrets.items()})
    return keyring.put(SERVICE, name, Secret(text), backend)


def credentials_of(entry: KeysEntry, secrets: Mapping[str, Secret], key_id: str = "") -> Credentials:
    """Return the credentials of the key in use, or of `key_id` if given. Raises KeyringEntryMissing."""
    key_id = key_id or entry.key_id
    secret = secrets.get(key_id)
    if secret is None:
        raise KeyringEntryMissing(
            f"the keyring has no secret for the key {key_id[:4]}...{key_id[-4:]} of `{entry.name}`",
            why="the key is on dsops' list, but not in this keyring",
            hint=f"add the key again: `dsops keys add {entry.name} --replace`",
        )
    return Credentials(key_id, secret, arn=entry.arn)


def get_credentials(keyring: Keyring, name: str) -> Credentials:
    """Return the credentials of the key with that name. Raises KeyringEntryMissing, and the errors of `Keyring.get`."""
    entry = entry_named(index.contents(keyring.environ), name)
    return credentials_of(entry, get_secrets(keyring, name, entry.backend))
