"""Calls the handler twice in one process, as Lambda does with a warm function."""

from __future__ import annotations

import handler

for name in ("first", "second"):
    print(handler.handler({"name": name}, None))
