"""Seeds of virtual MFA devices in the keyring, and the codes derived from them."""

from __future__ import annotations

import re

from dsops import totp
from dsops.errors import KeyringEntryMissing, SeedRefused, UsageError, nearest
from dsops.keyring import index
from dsops.keyring.index import Contents, SeedEntry
from dsops.keyring.items import Kept, Keyring
from dsops.secret import Secret
from dsops.text import clean

SERVICE = "dsops mfa"
"""The service name. The keyring's own window shows it beside the serial number."""


# The pattern of SerialNumber in the STS service model.
_SERIAL_NUMBER = r"[A-Za-z0-9_+=/:,.@-]{9,256}"

_WHERE_SHOWN = "`aws iam list-mfa-devices` shows the ARN, as does `Security credentials` in the console"


def device_named(contents: Contents, name: str) -> str:
    """Return `name` if it is a serial number in the list. If `name` is "", return the list's only serial number.

    Raises KeyringEntryMissing or UsageError.
    """
    seeds = contents.seeds
    if not name and len(seeds) == 1:
        return next(iter(seeds))
    if not name:
        raise UsageError("SERIAL is missing", hint="`dsops mfa list` shows the devices whose seed the keyring has")
    if name not in seeds:
        near = nearest(name, seeds)
        raise KeyringEntryMissing(
            f"the keyring has no seed for {clean(name)}",
            why=f"the devices on dsops' list are: {', '.join(seeds) or 'none'}",
            hint=f"did you mean {near}?" if near else f"`dsops mfa add {clean(name)}` adds it",
        )
    return name


def check_serial_number(serial_number: str) -> str:
    """Return the serial number if it is that of a virtual MFA device. Raises UsageError or SeedRefused otherwise."""
    if not re.fullmatch(_SERIAL_NUMBER, serial_number, re.ASCII):
        # The message omits the text, because the user may have entered the seed by mistake.
        raise UsageError(
            "SERIAL is not the serial number of an MFA device",
            why="a serial number is an ARN such as arn:aws:iam::123456789012:mfa/ada",
            hint=_WHERE_SHOWN,
        )
    if ":u2f/" in serial_number:
        raise SeedRefused(
            f"{serial_number} is a security key, which shows no codes",
            hint="use a virtual MFA device: STS accepts codes only",
        )
    if serial_number.startswith("arn:") and not re.match(r"arn:[a-z0-9-]+:iam::[0-9]{12}:mfa/.", serial_number):
        raise UsageError(
            f"{serial_number} is not the ARN of an MFA device",
            why="an MFA device has an ARN such as arn:aws:iam::ACCOUNT:mfa/NAME",
            hint=_WHERE_SHOWN,
        )
    if ":" not in serial_number and re.fullmatch(r"[A-Za-z2-7=]{16,}", serial_number):
        raise UsageError(
            "SERIAL looks like a seed, but must be the serial number of the device",
            why="a secret on a command line can be read by every process of this machine",
            hint="remove the seed from your shell's history, then run `dsops mfa add SERIAL`, which asks for it",
        )
    return serial_number


def parse_seed(text: Secret) -> Secret:
    """Parse the base32 seed from the text or otpauth:// link that AWS shows. Raises SeedRefused."""
    try:
        return Secret(totp.read_seed(text.reveal()))
    except ValueError as error:
        # The error is raised `from None`, because the standard library's error would show the text in its traceback.
        raise SeedRefused(
            "the input is not the seed of an MFA device",
            why=str(error),
            hint="type the `secret key` that AWS shows once, when it creates the device, or the link in its QR code",
        ) from None


def get_seed(keyring: Keyring, entry: SeedEntry) -> Secret:
    """Return the device's seed. Raises KeyringEntryMissing, or KeyringFailed if the keyring can't be read."""
    serial_number = entry.serial_number
    seed = keyring.get(SERVICE, serial_number, entry.backend)
    if seed is None:
        raise KeyringEntryMissing(
            f"the keyring has no seed for {serial_number}",
            why="the device is on dsops' list, but its seed is not in this keyring",
            hint=f"add the seed again: `dsops mfa add {serial_number} --replace`; or run `dsops mfa remove`",
        )
    return seed


def add_seed(keyring: Keyring, serial_number: str, seed: Secret, added: str, *, replaces: bool) -> Kept:
    """Store a seed, and return where it is stored. A previous seed in another backend is deleted.

    Raises UsageError if the keyring already has a seed of the device, unless `replaces` is true.
    """
    with index.changing(keyring.environ) as before:
        if not replaces:
            refuse_known(before, serial_number)
        kept = keyring.put(SERVICE, serial_number, seed)
        entry = SeedEntry(serial_number, added, kept.backend)
        index.write(keyring.environ, before._replace(seeds={**before.seeds, serial_number: entry}))
        previous = before.seeds.get(serial_number)
        return keyring.delete_previous(SERVICE, serial_number, kept, previous.backend if previous is not None else "")


def refuse_known(contents: Contents, serial_number: str) -> None:
    """Raise UsageError if the keyring already has a seed of the device."""
    if serial_number in contents.seeds:
        raise UsageError(
            f"the keyring has a seed for {serial_number} already",
            why="the previous seed would be overwritten and could not be recovered",
            hint=f"replace the seed if it is a new one: `dsops mfa add {serial_number} --replace`",
        )


def remove_seed(keyring: Keyring, serial_number: str) -> None:
    """Remove the seed from the keyring and from dsops' list."""
    with index.changing(keyring.environ) as before:
        entry = before.seeds.get(serial_number)
        if entry is not None:
            keyring.delete(SERVICE, serial_number, entry.backend)
        seeds = {serial: entry for serial, entry in before.seeds.items() if serial != serial_number}
        index.write(keyring.environ, before._replace(seeds=seeds))


def code_at(seed: Secret, now: float) -> Secret:
    """Return the code that the device shows at the time `now`, in seconds since 1970."""
    return Secret(totp.code_at(seed.reveal(), now))
