"""A string that is never printed by accident. Values are kept in it until the child process receives them."""

from __future__ import annotations

from dsops.startup import NoReturn


class Secret:
    """A value that shows as `***` when it is printed, logged, formatted or compared in a failing test.

    Bytes that are not UTF-8 (a binary secret) are stored as surrogate escapes (PEP 383), which `os.fsencode` converts
    back. So every value that fits into an environment variable stays unchanged.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def from_bytes(cls, value: bytes) -> Secret:
        """Return a secret made of bytes, which need not be UTF-8."""
        return cls(value.decode("utf-8", "surrogateescape"))

    def reveal(self) -> str:
        """Return the value. Every call may leak the value, so a test counts the files that call this method."""
        return self._value

    def reveal_bytes(self) -> bytes:
        """Return the value as its original bytes."""
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
