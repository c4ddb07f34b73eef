"""Long-term keys of users in the keyring.

One keyring entry holds the secrets of a name by access key id: during a rotation there are two. The list (`index`)
says which one is in use and changes atomically, so that a working key is in use at every moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from dsops.credentials import Credentials
from dsops.errors import KeyringEntryMissing, nearest
from dsops.keyring import index
from dsops.keyring.index import Contents, KeysEntry
from dsops.keyring.items import Keyring
from dsops.secret import Secret

SERVICE = "dsops keys"
"""The service name, which the keyring's own window shows beside the key's name."""


def entry_named(contents: Contents, name: str) -> KeysEntry:
    """The list's entry with that name. Raises KeyringEntryMissing."""
    entry = contents.keys.get(name)
    if entry is None:
        near = nearest(name, contents.keys)
        names = ", ".join(contents.keys) or "none"
        hint = f"did you mean `{near}`? " if near else ""
        raise KeyringEntryMissing(
            f"the keyring has no keys named `{name}`",
            why=f"dsops' list has {names}",
            hint=f"{hint}`dsops keys add {name}` puts some there",
        )
    return entry


def get_secrets(keyring: Keyring, name: str) -> dict[str, Secret]:
    """The secrets of a name, by access key id; {} when the keyring has no such entry."""
    stored_text = keyring.get(SERVICE, name)
    if stored_text is None:
        return {}
    try:
        secrets = json.loads(stored_text.reveal())
    except (ValueError, RecursionError):
        # From None: the error contains the whole text.
        secrets = None
    if not isinstance(secrets, dict) or not all(isinstance(each, str) for each in secrets.values()):
        raise KeyringEntryMissing(
            f"what the keyring has as `{name}` was not put there by dsops",
            hint=f"put the keys there again: `dsops keys add {name} --replace`",
        )
    return {key_id: Secret(secret) for key_id, secret in secrets.items()}


def put_secrets(keyring: Keyring, name: str, secrets: Mapping[str, Secret]) -> str:
    """Store the secrets, replacing the previous ones; returns the keyring's name."""
    text = json.dumps({key_id: secret.reveal() for key_id, secret in secrets.items()})
    return keyring.put(SERVICE, name, Secret(text))


def credentials_of(entry: KeysEntry, secrets: Mapping[str, Secret], key_id: str = "") -> Credentials:
    """The credentials of the key in use, or of `key_id`. Raises KeyringEntryMissing."""
    key_id = key_id or entry.key_id
    secret = secrets.get(key_id)
    if secret is None:
        raise KeyringEntryMissing(
            f"the keyring has no secret of the key {key_id[:4]}...{key_id[-4:]} of `{entry.name}` (any more)",
            why="it is on dsops' list, but not in this keyring",
            hint=f"put the keys there again: `dsops keys add {entry.name} --replace`",
        )
    return Credentials(key_id, secret, arn=entry.arn)


def get_credentials(keyring: Keyring, name: str) -> Credentials:
    """The credentials of the key with that name. Raises KeyringEntryMissing, and what a keyring raises."""
    entry = entry_named(index.contents(keyring.environ), name)
    return credentials_of(entry, get_secrets(keyring, name))
