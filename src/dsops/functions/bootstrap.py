"""Call the handler of a Python function, as Lambda's runtime does, and write its response.

Runs inside the function's process: `python -S bootstrap.py EVENT RESULT REQUEST_ID ARN SECONDS`, where EVENT and
RESULT are descriptors, and SECONDS is the function's timeout. RESULT receives the line READY once the handler is
imported, then a line of JSON, `{"error": "..."}` ("" stands for success), then the response.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn

_READY = b"READY\n"
_OUT_OF_MEMORY = 137
"""The exit status of a process that was killed for its memory, as shells show it."""


class _Failed(Exception):
    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        self.kind, self.message, self.trace = kind, message, trace or []


class LambdaContext:
    """The context object of a handler (Lambda Developer Guide, "AWS Lambda context object in Python")."""

    def __init__(self, request_id: str, arn: str, seconds: float) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = arn
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.aws_request_id = request_id
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = time.time() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function times out."""
        return max(0, int((self._deadline - time.time()) * 1000))


def _main(event: int, result: int, request_id: str, arn: str, seconds: float) -> NoReturn:
    with open(event, "rb") as file:
        payload = file.read()
    error = ""
    with open(result, "wb", buffering=0) as answer:
        try:
            handler = _handler(os.environ["_HANDLER"])
            answer.write(_READY)
            body = _call(handler, payload, LambdaContext(request_id, arn, seconds))
        except _Failed as failed:
            error = "Unhandled"
            print(f"[ERROR] {failed.kind}: {failed.message}\n{''.join(failed.trace)}", flush=True)
            content = {"errorMessage": failed.message, "errorType": failed.kind, "requestId": request_id}
            body = json.dumps({**content, "stackTrace": failed.trace}).encode()
        except MemoryError:
            os._exit(_OUT_OF_MEMORY)
        sys.stdout.flush()
        sys.stderr.flush()
        rest = memoryview(json.dumps({"error": error}).encode() + b"\n" + body)
        while rest:
            rest = rest[answer.write(rest) or 0 :]
    # Threads and exit handlers of the function do not outlive the response.
    os._exit(0)


def _handler(name: str) -> Callable[[Any, LambdaContext], object]:
    module_name, dot, function_name = name.rpartition(".")
    if not dot or not module_name:
        raise _Failed("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except MemoryError:
        raise
    except ImportError as error:
        raise _Failed("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise _Failed("Runtime.UserCodeSyntaxError", message, [str(error.text or "")]) from error
    except Exception as error:
        raise _Failed(type(error).__name__, str(error), _lines(error.__traceback__)) from error
    handler: Callable[[Any, LambdaContext], object] | None = getattr(module, function_name, None)
    if handler is None:
        raise _Failed("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return handler


def _call(handler: Callable[[Any, LambdaContext], object], payload: bytes, context: LambdaContext) -> bytes:
    try:
        event = json.loads(payload or b"{}")
        response = handler(event, context)
    except MemoryError:
        raise
    except Exception as error:
        raise _Failed(type(error).__name__, str(error), _lines(error.__traceback__)) from error
    try:
        return json.dumps(response).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _Failed("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def _lines(trace: TracebackType | None) -> list[str]:
    """Return the lines of the function's code in a stack trace."""
    frames = [frame for frame in traceback.extract_tb(trace) if frame.filename != __file__]
    return traceback.format_list([frame for frame in frames if not frame.filename.startswith("<frozen")])


if __name__ == "__main__":
    sys.path[0:0] = [os.environ["LAMBDA_TASK_ROOT"]]
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]))
