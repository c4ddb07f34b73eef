"""Check the system's keyring: dsops' list of its entries, and whether the extra `keyring` is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from dsops.doctor.check import Check
from dsops.errors import KeyringFailed
from dsops.extras import install_command
from dsops.keyring import index
from dsops.plan import Step

CODES = {"doctor.keyring": "dsops' list of the keyring's entries can be read; the extra is installed if it is needed"}
"""Maps the code of each check to the statement that is true if the check is ok."""


def check_keyring(steps: Sequence[Step], environ: Mapping[str, str], *, is_installed: bool | None = None) -> Check:
    """Check whether the steps can use the keyring. The keyring is not opened, because it might ask for its password."""
    if index.is_off(environ):
        return Check("doctor.keyring", "keyring", "skipped", f"not used: {index.VARIABLE} is {environ[index.VARIABLE]}")
    if is_installed is None:
        is_installed = find_spec("keyring") is not None
    try:
        entries = index.contents(environ)
    except KeyringFailed as error:
        return Check("doctor.keyring", "keyring", "warning", error.message, error.why, error.hint)
    devices = {str(step.settings.get("serial_number", "")) for step in steps} & set(entries.seeds)
    names = {str(step.settings.get(step.type.keyring_key, step.name)) for step in steps if step.type.keyring_key}
    if (devices or names) and not is_installed:
        needed_by = ", ".join(sorted(devices | names))
        return Check(
            "doctor.keyring",
            "keyring",
            "warning",
            f"the extra is not installed, and {needed_by} needs it",
            "the package `keyring` asks the system's keyring",
            install_command("keyring"),
        )
    if not entries.seeds and not entries.keys:
        return Check("doctor.keyring", "keyring", "skipped", "nothing of dsops is in it")
    extra = "" if is_installed else "; the extra is not installed, and no store here needs it"
    detail = f"seeds of MFA devices: {len(entries.seeds)}, keys: {len(entries.keys)}{extra}"
    return Check("doctor.keyring", "keyring", "ok", detail)
