"""The types between the sandbox and the host that runs functions: a run, its result, and the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from socket import socket
from typing import NamedTuple, Protocol


class FunctionRun(NamedTuple):
    """One invocation of a function."""

    request_id: str
    arn: str
    """The function's ARN, with the qualifier of the request."""
    version: str
    runtime: str
    handler: str
    package: bytes
    """The deployment package, a zip archive."""
    layers: tuple[bytes, ...]
    """The archives of the function's layers, in order."""
    memory_mb: int
    timeout_seconds: float
    temporary_mb: int
    """The size of /tmp."""
    environment: Mapping[str, str]
    """The variables that Lambda sets, with the function's own variables and the session's credentials."""
    event: bytes


class FunctionResult(NamedTuple):
    """What an invocation returned."""

    payload: bytes
    """The response in JSON, or Lambda's error object."""
    error: str
    """The value of the header X-Amz-Function-Error; "" for success."""
    log: str
    """The log of the invocation, from START to REPORT."""


class FunctionHost(Protocol):
    """Runs functions."""

    def why_not(self, runtime: str) -> str:
        """Return why the host can't run functions of this runtime; "" if it can."""

    def start(self, run: FunctionRun, ended: Callable[[FunctionResult], None]) -> bool:
        """Start a run, or put it in a queue; False if the queue is full.

        `ended` is called once, in another thread.
        """

    def connect(self, accept: Callable[[socket], Callable[[], None]]) -> None:
        """Set the function that serves the sandbox on a listening socket. It returns a function that closes it."""

    def close(self) -> None:
        """Kill the functions that are running, and forget those in the queue."""
