"""The differences between two values of a secret: by field for JSON objects, otherwise as a whole."""

from __future__ import annotations

import json

from dsops.secret import Secret
from dsops.startup import Literal, NamedTuple

ChangeKind = Literal["added", "removed", "changed"]


class FieldChange(NamedTuple):
    """A difference. `field` is "" if the values are not both JSON objects."""

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
            changes.append(FieldChange(name, "removed", before[name], None))
        elif name not in before:
            changes.append(FieldChange(name, "added", None, after[name]))
        elif before[name] != after[name]:
            changes.append(FieldChange(name, "changed", before[name], after[name]))
    return changes


def _fields(value: Secret) -> dict[str, Secret] | None:
    """Return the fields of a JSON object, texts as they are and others as JSON; None for other values."""
    try:
        content = json.loads(value.reveal())
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    return {
        name: Secret(field if isinstance(field, str) else json.dumps(field, ensure_ascii=False))
        for name, field in content.items()
    }
