"""Fingerprints of sessions. Two sessions that must not be shared have different fingerprints."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dsops.config.files import digest
from dsops.plan.types import Ambient, Fingerprint, Proof
from dsops.schema import Setting, StoreKey, StoreType
from dsops.secret import Secret

_Plain = str | int | bool | list["_Plain"] | dict[str, "_Plain"]


def ambient_fingerprint(ambient: Ambient) -> Fingerprint:
    """Return the fingerprint of base credentials, made from the digest of everything that determines them."""
    return _digest(["ambient", ambient.digest])


def proof_fingerprint(token: Proof) -> Fingerprint:
    """Return the fingerprint of a token or login that replaces base credentials."""
    return _digest(["web identity", token.digest])


def session_fingerprint(
    store_type: StoreType, settings: Mapping[str, Setting], source: Fingerprint, *, partition: str, endpoint: str
) -> Fingerprint:
    """Return the fingerprint of a store's session.

    It depends on the identity fields, the credentials that sign the call, the partition and the custom endpoint. In
    `settings` a generated timestamp is still `${TIMESTAMP}`.

    It does not depend on the order of keys, tags and ARNs. Nor does it depend on the store's name and region, because
    a session can be used in all regions of a partition.
    """
    identity: dict[str, _Plain] = {
        key.name: _plain(settings[key.name], key) for key in store_type.keys if key.is_identity and key.name in settings
    }
    return _digest([store_type.name, identity, source, partition, endpoint])


def _digest(parts: _Plain) -> Fingerprint:
    return Fingerprint(digest(json.dumps(parts, sort_keys=True).encode()))


def _plain(setting: Setting, key: StoreKey) -> _Plain:
    """Convert a setting to a canonical form. Two forms are equal exactly if AWS treats the settings as equal."""
    if isinstance(setting, Secret):
        return setting.reveal()
    if isinstance(setting, tuple):
        items: list[_Plain] = [_item(item) for item in setting]
        return items if key.kind == "command" else sorted(items, key=json.dumps)
    if key.kind == "policy" and isinstance(setting, str):
        try:
            parsed: _Plain = json.loads(setting)
        except (ValueError, RecursionError):
            return setting
        return parsed
    return setting


def _item(item: str | tuple[str, str | Secret]) -> _Plain:
    if isinstance(item, str):
        return item
    name, value = item
    return [name, value.reveal() if isinstance(value, Secret) else value]
