"""The keyring that `dsops keys` and `dsops mfa` use: the backends of the user's setting, or of `--backend`."""

from __future__ import annotations

from dsops.audit.settings import load_settings
from dsops.cli.framework.command import Arguments, Flag
from dsops.cli.framework.output import note
from dsops.errors import UsageError
from dsops.keyring.backend import NAMES, parse_order
from dsops.keyring.items import Kept, Keyring, order_of
from dsops.runtime import Runtime

BACKEND = Flag(
    "--backend",
    f"where to store the secret: {', '.join(NAMES)} or op:VAULT (default: the first that this machine can use)",
    value="BACKEND",
)


def keyring_for_adding(arguments: Arguments, runtime: Runtime) -> Keyring:
    """Return the keyring for a new entry. Raises UsageError for an unknown backend, and UserConfigInvalid."""
    chosen = arguments.text(BACKEND.name)
    if not chosen:
        return Keyring.of(runtime, order_of(runtime.environ, load_settings(runtime.environ).keyring))
    try:
        return Keyring.of(runtime, parse_order([chosen]))
    except ValueError as error:
        raise UsageError(
            "the value of `--backend` is invalid", why=str(error), hint="write for example `--backend file`"
        ) from error


def note_left(kept: Kept) -> None:
    """Show a note if another backend still contains the secret that was replaced."""
    if kept.left_in:
        note(f"the previous secret could not be deleted from the backend {kept.left_in}: delete it there")
