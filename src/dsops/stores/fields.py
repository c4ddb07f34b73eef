"""One field of a secret, for every store alike."""

from __future__ import annotations

from dsops.errors import DsopsError, FieldMissing, ValueUnusable
from dsops.secret import Secret
from dsops.transform import extract


def pick(value: Secret, field: str, subject: str) -> Secret | DsopsError:
    """The field of a JSON value ("" for all of it), or why there is none. `subject` names the secret for people."""
    if not field:
        return value
    try:
        return extract(value, field)
    except (FieldMissing, ValueUnusable) as error:
        error.retell(f"{subject}: {error.message}")
        return error
