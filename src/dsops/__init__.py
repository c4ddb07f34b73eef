"""Short-lived AWS credentials through STS, secrets reached with them, and a command that runs with those secrets.

For Python programs: `dsops.open().secrets("production")`, `dsops.open().boto3_session("store")` (dsops/library.py).
"""

__version__ = "0.1.0"

# Not `typing`, whose import would slow down every command; a type checker treats both alike.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dsops.library import open_library as open  # noqa: A004 - `dsops.open` is read as a whole

    __all__ = ["open"]
else:

    def __getattr__(name: str) -> object:
        """Import `open` on its first use (PEP 562), so that commands don't import the library."""
        if name == "open":
            from dsops.library import open_library

            return open_library
        raise AttributeError(f"module `dsops` has no attribute `{name}`")
