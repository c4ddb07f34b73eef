"""Keep Python's garbage collector away from the facts of a large organization.

A load of 10,000 roles makes two million objects, which stay until the process ends. Looking for garbage among them
takes half as long as the load itself (bench/access.py).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MANY: Final = 200_000
"""The number of new objects from which they are left alone for good. Python itself collects after 700."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause the collector in a `with` block; if the block makes many objects, later collections skip them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if gc.get_count()[0] > _MANY:
            gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
