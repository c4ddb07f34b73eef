"""Lambda functions for tests: packages, and whether this machine can run them."""

from __future__ import annotations

import io
import threading
import zipfile
from functools import cache

from dsops.errors import SandboxUnavailable
from dsops.functions.host import LocalHost
from dsops.sandbox.functions.run import FunctionResult, FunctionRun

SECONDS = 100


def package(code: str, name: str = "app.py") -> bytes:
    """A deployment package with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, code)
    return buffer.getvalue()


@cache
def why_not() -> str:
    """Return why this machine can't run functions; "" if it can."""
    try:
        LocalHost().close()
    except SandboxUnavailable as error:
        return f"functions can't be isolated on this machine: {error.why}"
    return ""


def run_once(
    host: LocalHost,
    code: str,
    *,
    name: str = "app.py",
    runtime: str = "python3.12",
    handler: str = "app.handler",
    layers: tuple[bytes, ...] = (),
    timeout_seconds: float = 50,
    memory_mb: int = 256,
) -> FunctionResult:
    """Run a function, and return its result."""
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "_HANDLER": handler,
    }
    run = FunctionRun(
        "request", "arn", "$LATEST", runtime, handler, package(code, name), layers,
        memory_mb, timeout_seconds, 16, environment, b'{"a": 1}',
    )  # fmt: skip
    results: list[FunctionResult] = []
    has_ended = threading.Event()

    def ended(result: FunctionResult) -> None:
        results.append(result)
        has_ended.set()

    assert host.start(run, ended)
    assert has_ended.wait(SECONDS)
    return results[0]
