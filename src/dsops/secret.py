"""A string that never prints itself, from the line that receives a secret to the line that hands it to the child."""

from __future__ import annotations

from dsops.startup import NoReturn


class Secret:
    """A value that shows as `***` wherever it is printed, logged, formatted or compared in a failing test.

    Bytes that are not UTF-8 (a binary secret) are stored as surrogate escapes (PEP 383), as `os.fsencode` expects, so
    that every value that fits an environment variable survives unchanged.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def from_bytes(cls, value: bytes) -> Secret:
        """A secret with these bytes, UTF-8 or not."""
        return cls(value.decode("utf-8", "surrogateescape"))

    def reveal(self) -> str:
        """The value. Each call is a place where a secret could leak: a test lists the files that contain one."""
        return self._value

    def reveal_bytes(self) -> bytes:
        """The value as its original bytes."""
        return self._value.encode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled or copied to a place that keeps it")
