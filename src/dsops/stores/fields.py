"""Functions for all stores: read typed settings of a step, and pick one field of a JSON secret."""

from __future__ import annotations

from dsops.errors import DsopsError, FieldMissing, ValueUnusable
from dsops.plan import Step
from dsops.secret import Secret


def seconds_of(step: Step) -> int | None:
    """Return the session duration that the step requests; None for AWS's default."""
    seconds = step.settings.get("duration_seconds")
    return seconds if isinstance(seconds, int) else None


def texts_of(step: Step, name: str) -> list[str]:
    """Return a setting that is a list of strings; [] if it is not set."""
    setting = step.settings.get(name, ())
    return [text for text in setting if isinstance(text, str)] if isinstance(setting, tuple) else []


def pick(value: Secret, field: str, subject: str) -> Secret | DsopsError:
    """Return the field of a JSON value ("" for the whole value), or the error that prevents it.

    `subject` names the secret in the error.
    """
    if not field:
        return value
    from dsops.transform import extract  # imported here, because most secrets are used as a whole

    try:
        return extract(value, field)
    except (FieldMissing, ValueUnusable) as error:
        error.retell(f"{subject}: {error.message}")
        return error
