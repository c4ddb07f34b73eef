"""Write the variables as one JSON object, in UTF-8."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dsops.render import text_of
from dsops.secret import Secret


def render(values: Mapping[str, Secret]) -> bytes:
    """Return a JSON object of names and values, in the given order. Every value is a string."""
    texts = {name: text_of(name, value, "JSON") for name, value in values.items()}
    return f"{json.dumps(texts, indent=2, ensure_ascii=False)}\n".encode()
