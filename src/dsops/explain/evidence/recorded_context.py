"""Converts the context in AWS's record of a refusal to condition keys and their values.

The format follows AWS's examples (IAM Toolbox API reference):

- Single values are strings.
- Lists are in brackets.
- An IP address includes its prefix length.
- `aws:EpochTime` is a date.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dsops.policy import global_key_type, is_multi_valued, lower_case
from dsops.policy.language.values import read_moment

_MANY: Final = ("sts:transitivetagkeys",)
"""Condition keys with several values that are not global condition keys. Their values can't contain a comma."""


def condition_keys(context: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Return the values by key; values that are not strings, numbers or lists of these are left out."""
    keys = {}
    for key, value in context.items():
        values = _values(lower_case(key), value)
        if values is not None:
            keys[key] = values
    return keys


def _values(key: str, value: object) -> tuple[str, ...] | None:
    if isinstance(value, list):
        texts = [_text(item) for item in value]
        return None if None in texts else tuple(text for text in texts if text is not None)
    text = _text(value)
    if text is None:
        return None
    is_list = key in _MANY or is_multi_valued(global_key_type(key))
    if is_list and text.startswith("[") and text.endswith("]"):
        return tuple(part.strip() for part in text[1:-1].split(",") if part.strip())
    if key in ("aws:sourceip", "aws:vpcsourceip"):
        return (text.removesuffix("/128" if ":" in text else "/32"),)
    return (_seconds(text),) if key == "aws:epochtime" else (text,)


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def _seconds(text: str) -> str:
    """Return a date as seconds since 1970; any other text is returned unchanged."""
    if text.isascii() and text.isdigit():
        return text
    moment = read_moment(text)
    return text if moment is None else str(moment[0])
