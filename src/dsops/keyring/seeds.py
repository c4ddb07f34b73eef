"""Seeds of virtual MFA devices in the keyring, and the codes that they give."""

from __future__ import annotations

from dsops import totp
from dsops.errors import KeyringEntryMissing, UsageError
from dsops.keyring import index
from dsops.keyring.index import Contents, SeedEntry
from dsops.keyring.items import Keyring
from dsops.secret import Secret

SERVICE = "dsops mfa"
"""What the keyring's own window shows beside the serial number."""


def get_seed(keyring: Keyring, serial_number: str) -> Secret:
    """The device's seed. Raises KeyringEntryMissing, and what a keyring raises."""
    seed = keyring.get(SERVICE, serial_number)
    if seed is None:
        raise KeyringEntryMissing(
            f"the keyring has no seed of {serial_number} (any more)",
            why="it is on dsops' list, but not in this keyring",
            hint=f"add it again: `dsops mfa add {serial_number} --replace`, or forget it: `dsops mfa remove ...`",
        )
    return seed


def add_seed(keyring: Keyring, serial_number: str, seed: Secret, added: str, *, replaces: bool) -> str:
    """Keeps a seed; gives the keyring's own name. Raises UsageError where there is one already, unless `replaces`."""
    with index.changing(keyring.environ) as before:
        if not replaces:
            refuse_known(before, serial_number)
        kept_by = keyring.put(SERVICE, serial_number, seed)
        entry = SeedEntry(serial_number, added)
        index.write(keyring.environ, before._replace(seeds={**before.seeds, serial_number: entry}))
    return kept_by


def refuse_known(contents: Contents, serial_number: str) -> None:
    """Raises UsageError for a device whose seed the keyring has already."""
    if serial_number in contents.seeds:
        raise UsageError(
            f"the keyring has a seed of {serial_number} already",
            why="the one before could not be had back",
            hint=f"is it a new one? `dsops mfa add {serial_number} --replace`",
        )


def remove_seed(keyring: Keyring, serial_number: str) -> None:
    """Removes the seed and its place on the list."""
    with index.changing(keyring.environ) as before:
        keyring.delete(SERVICE, serial_number)
        seeds = {serial: entry for serial, entry in before.seeds.items() if serial != serial_number}
        index.write(keyring.environ, before._replace(seeds=seeds))


def code_at(seed: Secret, now: float) -> Secret:
    """The code that the device shows at that moment."""
    return Secret(totp.code_at(seed.reveal(), now))
