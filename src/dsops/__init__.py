"""Short-lived AWS credentials through STS, secrets reached with them, and a command that runs with those secrets.

For Python programs: `dsops.open().secrets("production")`, `dsops.open().boto3_session("store")` (dsops/library.py).
"""

# Not typing's own, which costs every command its import; a type checker takes both alike.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dsops.library import open_library as open  # noqa: A004 - `dsops.open` is read as a whole
    from dsops.version import __version__ as __version__

    __all__ = ["open"]
else:

    def __getattr__(name: str) -> object:
        """`open` and `__version__` on their first use (PEP 562): no command pays for the library."""
        if name == "open":
            from dsops.library import open_library

            return open_library
        if name == "__version__":
            from dsops.version import __version__

            return __version__
        raise AttributeError(f"module `dsops` has no attribute `{name}`")
