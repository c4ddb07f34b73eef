"""Write one YAML mapping in UTF-8, with everything in double quotes, so that `NO` and `012` stay strings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from dsops.render import text_of
from dsops.secret import Secret

# Characters that JSON leaves unescaped, but that YAML forbids (1.2, production 1) or folds as line breaks.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def render(values: Mapping[str, Secret]) -> bytes:
    """Return a mapping of names and values, in the given order. Every value is a string."""
    if not values:
        return b"{}\n"
    lines = (f"{_quoted(name)}: {_quoted(text_of(name, value, 'YAML'))}\n" for name, value in values.items())
    return "".join(lines).encode()


def _quoted(text: str) -> str:
    """Return the text as a JSON string, which is a valid YAML scalar once a few more characters are escaped."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
