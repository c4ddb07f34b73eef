"""Write the variables as one YAML mapping in UTF-8, all in double quotes, so that `NO` and `012` stay strings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from dsops.render import text_of
from dsops.secret import Secret

# JSON leaves these characters unescaped. YAML forbids them (1.2, production 1) or folds them as line breaks.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def render(values: Mapping[str, Secret]) -> bytes:
    """Return a mapping of names and values, in the given order. Every value is a string."""
    if not values:
        return b"{}\n"
    lines = (f"{_quoted(name)}: {_quoted(text_of(name, value, 'YAML'))}\n" for name, value in values.items())
    return "".join(lines).encode()


def _quoted(text: str) -> str:
    """Return the text as a JSON string with a few more characters escaped, which makes it a valid YAML scalar."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
