"""The interface of a cache of parsed files: the agent has one, which a run gets with its `Runtime`."""

from __future__ import annotations

from dsops.startup import Any, Protocol


class Kept(Protocol):
    """Protocol: keeps parsed files, by keys that contain the digests of the files."""

    def get(self, key: tuple[object, ...]) -> Any:  # Any: each key has values of one type
        """Return the value that was kept under the key; None if there is none."""

    def keep(self, key: tuple[object, ...], value: object, size: int) -> None:
        """Keep the value, which no code may change. `size` is the number of bytes that it was parsed from."""
