"""Keeps the parsed configurations of the agent's clients, so that an unchanged one is parsed only once.

The keys contain the SHA-256 of every file. For each request, the agent reads all files, but parses only files with new
content. Permissions are not kept: they are checked for each request.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

_MOST_ENTRIES = 512
_MOST_BYTES = 1 << 21
"""Maximum bytes of the files whose parsed content is kept.

The parsed content takes about 15 times as much memory.
"""


class ParsedFiles:
    """A cache of parsed files that forgets the least recently used ones; implements `dsops.input_file.FileCache`."""

    def __init__(self, most_entries: int = _MOST_ENTRIES, most_bytes: int = _MOST_BYTES) -> None:
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._entries: OrderedDict[tuple[object, ...], tuple[object, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[object, ...]) -> Any:  # Any: the protocol `FileCache` returns values of any type, too
        """Return the value that was kept under the key; None if there is none."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def keep(self, key: tuple[object, ...], value: object, size: int) -> None:
        """Keep the value unless its files are larger than the limit; `size` is their number of bytes."""
        if size > self._most_bytes:
            return
        with self._lock:
            self._bytes += size - self._entries.pop(key, (None, 0))[1]
            self._entries[key] = (value, size)
            while len(self._entries) > self._most_entries or self._bytes > self._most_bytes:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped
