"""One YAML mapping in UTF-8, everything in double quotes: no reader takes `NO` or `012` for something else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from dsops.render import text_of
from dsops.secret import Secret

# What stands in a JSON string as it is, but may not in YAML (1.2, production 1) or is folded there as a
# line break.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def render(values: Mapping[str, Secret]) -> bytes:
    """Name to value, in the order given; every value is a string."""
    if not values:
        return b"{}\n"
    lines = (f"{_quoted(name)}: {_quoted(text_of(name, value, 'YAML'))}\n" for name, value in values.items())
    return "".join(lines).encode()


def _quoted(text: str) -> str:
    """A JSON string, which is a double-quoted YAML scalar but for a few characters."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
