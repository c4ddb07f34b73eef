"""The differences between two values of a secret: by field for JSON objects, otherwise as a whole."""

from __future__ import annotations

import json

from dsops.secret import Secret
from dsops.startup import Literal, NamedTuple

ChangeKind = Literal["added", "removed", "changed"]


class FieldChange(NamedTuple):
    """A difference between two values. `field` is "" if one of the values is not a JSON object."""

    field: str
    kind: ChangeKind
    old: Secret | None
    new: Secret | None


def changes_between(old: Secret, new: Secret) -> list[FieldChange]:
    """Return the differences from `old` to `new`, in the order of fields; [] for equal values."""
    if old == new:
        return []
    before, after = _fields(old), _fields(new)
    if before is None or after is None:
        return [FieldChange("", "changed", old, new)]
    changes: list[FieldChange] = []
    for name in dict.fromkeys((*before, *after)):
        if name not in after:
            changes.append(FieldChange(name, "removed", _text(before[name]), None))
        elif name not in before:
            changes.append(FieldChange(name, "added", None, _text(after[name])))
        elif _json(before[name]) != _json(after[name]):
            # As plain text, the number 1 and the string "1" would look equal, so both are shown as JSON.
            shown = _text if _text(before[name]) != _text(after[name]) else _json
            changes.append(FieldChange(name, "changed", shown(before[name]), shown(after[name])))
    return changes


def _fields(value: Secret) -> dict[str, object] | None:
    """Return the fields of a JSON object; None for other values."""
    try:
        content = json.loads(value.reveal())
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _text(field: object) -> Secret:
    """Return a text unchanged, and any other value as JSON."""
    return Secret(field) if isinstance(field, str) else _json(field)


def _json(field: object) -> Secret:
    return Secret(json.dumps(field, ensure_ascii=False))
