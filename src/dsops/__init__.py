"""Short-lived AWS credentials through STS, secrets read with them, and commands that run with those secrets.

For Python programs: `dsops.open().secrets("production")`, `dsops.open().boto3_session("store")` (dsops/library.py).
"""

# `typing` is not imported, because that would slow down every command. Type checkers treat this constant like
# `typing.TYPE_CHECKING`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dsops.library import open_library as open  # noqa: A004 - `dsops.open` is read as a whole
    from dsops.version import __version__ as __version__

    __all__ = ["open"]
else:

    def __getattr__(name: str) -> object:
        """Load `open` or `__version__` on first use (PEP 562), so that commands do not import the library."""
        if name == "open":
            from dsops.library import open_library

            return open_library
        if name == "__version__":
            from dsops.version import __version__

            return __version__
        raise AttributeError(f"module `dsops` has no attribute `{name}`")
