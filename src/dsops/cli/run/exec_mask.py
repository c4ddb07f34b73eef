"""`dsops exec --mask`: chooses the values to mask, and registers them with the runner of GitHub Actions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from stat import S_ISREG

from dsops.cli.framework.output import answer_bytes, note
from dsops.cli.run.github import mask_lines
from dsops.credentials import Credentials
from dsops.environment import ChildIdentity
from dsops.plan import Plan
from dsops.process.secret_spellings import SHORTEST, forms_of
from dsops.runtime import Runtime
from dsops.secret import Secret

_OF_A_SESSION = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")


def secrets_to_mask(plan: Plan, secrets: Mapping[str, Secret], session: ChildIdentity | None) -> list[Secret]:
    """Return the secrets to mask: values read from stores and the secret parts of the session.

    Literals are not masked. A note names the values that are too short to mask.
    """
    masked = {
        variable.name: secrets[variable.name]
        for variable in plan.variables
        if variable.reference is not None and variable.name in secrets
    }
    short = [name for name, value in masked.items() if 0 < len(value.reveal_bytes()) < SHORTEST]
    if short:
        note(f"{', '.join(short)}: a value of less than {SHORTEST} bytes is not masked")
    if session is not None:
        masked.update((name, session.variables[name]) for name in _OF_A_SESSION if name in session.variables)
    return list(masked.values())


def secrets_of(credentials: Credentials) -> list[Secret]:
    """Return the secret parts of a session."""
    return [part for part in (credentials.secret_access_key, credentials.session_token) if part is not None]


def patterns_of(secrets: Iterable[Secret]) -> set[bytes]:
    """Return every byte string to mask in the output."""
    return {form for secret in secrets for form in forms_of(secret.reveal_bytes())}


def tell_github(secrets: Iterable[Secret], runtime: Runtime) -> None:
    """Register the secrets with GitHub's runner, which reads stdout and masks the values in the whole log."""
    if runtime.environ.get("GITHUB_ACTIONS") != "true":
        return
    if S_ISREG(os.fstat(1).st_mode):
        # If stdout is a file, no runner reads it, and the values would remain in the file.
        note("stdout is a file: GitHub Actions can't read which values to mask")
        return
    answer_bytes(mask_lines(secrets))
