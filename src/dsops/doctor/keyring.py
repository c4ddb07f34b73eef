"""Check the keyring: dsops' list of its entries, and which backends this machine can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.audit.settings import load_settings
from dsops.doctor.check import Check
from dsops.errors import DsopsError
from dsops.keyring import index
from dsops.keyring.items import Keyring, order_of
from dsops.plan import Step

CODES = {
    "doctor.keyring": "dsops' list of the keyring's entries can be read, and every keyring backend that is needed works"
}
"""Maps the code of each check to the statement that is true if the check is ok."""


def check_keyring(steps: Sequence[Step], environ: Mapping[str, str], folder: str = "/") -> Check:
    """Check whether the steps can use the keyring. No backend is opened, because it might ask for its password."""
    if index.is_off(environ):
        return Check("doctor.keyring", "keyring", "skipped", f"not used: {index.VARIABLE} is {environ[index.VARIABLE]}")
    try:
        entries = index.contents(environ)
        configured = load_settings(environ).keyring
        order = order_of(environ, configured)
    except DsopsError as error:
        return Check("doctor.keyring", "keyring", "warning", error.message, error.why, error.hint)
    is_used = entries.seeds or entries.keys
    if not is_used and not configured and not environ.get(index.VARIABLE):
        return Check("doctor.keyring", "keyring", "skipped", "nothing of dsops is in it")
    keyring = Keyring(environ, folder, order=order)
    broken = _broken(keyring, _needed(entries, steps))
    if broken is not None:
        return broken
    states = keyring.check()
    first = next((name for name, why in states if not why), "")
    others = "".join(f"; not {name}: {why}" for name, why in states if why)
    new = f"new entries go to {first}" if first else "no backend can take new entries"
    if not is_used:
        return Check("doctor.keyring", "keyring", "skipped", f"nothing of dsops is in it; {new}{others}")
    held_by = sorted(
        {*(seed.backend for seed in entries.seeds.values()), *(key.backend for key in entries.keys.values())}
    )
    detail = f"seeds of MFA devices: {len(entries.seeds)}, keys: {len(entries.keys)}, in {', '.join(held_by)}"
    return Check("doctor.keyring", "keyring", "ok", f"{detail}; {new}{others}")


def _needed(entries: index.Contents, steps: Sequence[Step]) -> dict[str, list[str]]:
    """Return the entries that the steps need, by backend."""
    needed: dict[str, list[str]] = {}
    for step in steps:
        serial_number = str(step.settings.get("serial_number", ""))
        name = str(step.settings.get(step.type.keyring_key, step.name)) if step.type.keyring_key else ""
        for entry, shown in ((entries.seeds.get(serial_number), serial_number), (entries.keys.get(name), name)):
            if entry is not None and shown not in needed.setdefault(entry.backend, []):
                needed[entry.backend].append(shown)
    return needed


def _broken(keyring: Keyring, needed: Mapping[str, Sequence[str]]) -> Check | None:
    """Return the warning for the first unusable backend with an entry that a store needs; None without one."""
    for name in sorted(needed):
        try:
            why = keyring.backend(name).check()
        except DsopsError as error:
            why = error.message
        if why:
            detail = f"the backend {name} can't be used, and {', '.join(sorted(needed[name]))} needs it"
            hint = "make it work, or add the entry to another backend: `... add --replace --backend NAME`"
            return Check("doctor.keyring", "keyring", "warning", detail, why, hint)
    return None
