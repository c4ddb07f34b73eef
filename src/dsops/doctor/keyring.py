"""The system's keyring: what dsops has put there, and whether it can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from dsops.doctor.check import Check
from dsops.errors import KeyringFailed
from dsops.extras import install_command
from dsops.keyring import index
from dsops.plan import Step


def check_keyring(steps: Sequence[Step], environ: Mapping[str, str], *, is_installed: bool | None = None) -> Check:
    """Whether what these steps need of it is there. The keyring itself is not asked: it may want its password."""
    if index.is_off(environ):
        return Check("doctor.keyring", "keyring", "skipped", f"not used: {index.VARIABLE} is {environ[index.VARIABLE]}")
    if is_installed is None:
        is_installed = find_spec("keyring") is not None
    try:
        held = index.contents(environ)
    except KeyringFailed as error:
        return Check("doctor.keyring", "keyring", "warning", error.message, error.why, error.hint)
    devices = {str(step.settings.get("serial_number", "")) for step in steps} & set(held.seeds)
    names = {str(step.settings.get(step.type.keyring_key, step.name)) for step in steps if step.type.keyring_key}
    if (devices or names) and not is_installed:
        wanted = ", ".join(sorted(devices | names))
        return Check(
            "doctor.keyring",
            "keyring",
            "warning",
            f"the extra is not installed, and {wanted} needs it",
            "the package `keyring` asks the system's keyring",
            install_command("keyring"),
        )
    if not held.seeds and not held.keys:
        return Check("doctor.keyring", "keyring", "skipped", "nothing of dsops is in it")
    extra = "" if is_installed else "; the extra is not installed, and no store here needs it"
    detail = f"seeds of MFA devices: {len(held.seeds)}, keys: {len(held.keys)}{extra}"
    return Check("doctor.keyring", "keyring", "ok", detail)
