"""Map an exception raised by moto to a matching AWS error, or to a 500 error.

moto looks up most resources without a check, so a missing resource raises a KeyError. An AWS error is used only if
exactly one error of the operation's model matches the exception. Because this is a guess, each failure is logged on
stderr with the file and line in moto that raised it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import access_denied, refusal
from dsops.request.wire.models import operation_model, service_model
from dsops.request.wire.xml_reader import malformed_xml

# botocore ships no type hints, so its shapes are annotated as Any in this module.
_NOT_FOUND: Final = re.compile(r"NotFound|NoSuch|DoesNotExist|NonExistent")
_BAD_TOKEN: Final = re.compile(r"Invalid.*Token")
_BAD_VALUE: Final = re.compile(r"InvalidParameter|Validation")
_TOKENS: Final = frozenset({"ContinuationToken", "Marker", "NextMarker", "NextToken", "nextToken", "marker"})
_WORDS: Final = {"secretsmanager": "Secrets Manager can't find the specified secret."}
"""Service -> the message that this service returns for every missing resource."""


def failure(
    service: str, operation: str, parameters: Mapping[str, object], region: str, error: Exception
) -> SandboxRefusal:
    """Return the error for an exception raised by moto."""
    if isinstance(error, KeyError) and error.args == (region,):
        name = service_model(service).metadata.get("serviceAbbreviation", service)
        return refusal("InvalidRegion", f"The dsops sandbox has no {name} in {region}.")
    kind = type(error).__name__
    if kind == "AccessDeniedByLock":
        # moto raises this for a bucket that belongs to another account.
        return access_denied("Access Denied")
    if kind == "ExpatError":
        # The request has no body, which AWS's models allow but S3 refuses.
        return malformed_xml()
    if kind == "RangeNotSatisfiable":
        # The part number is higher than the object's number of parts. moto itself refuses invalid byte ranges.
        return refusal("InvalidPartNumber", "The requested partnumber is not satisfiable", 416)
    if isinstance(error, TypeError | ValueError) and "ContinuationToken" in parameters and service == "s3":
        return refusal("InvalidArgument", "The continuation token provided is incorrect")
    sys.stderr.write(f"dsops sandbox: moto failed at {service}:{operation}: {kind} at {_place(error)}\n")
    return _modelled(service, operation, parameters, error) or refusal(
        "InternalFailure",
        f"The dsops sandbox keeps its state in moto, which failed at {service}:{operation}: {kind}.",
        500,
    )


def _modelled(
    service: str, operation: str, parameters: Mapping[str, object], error: Exception
) -> SandboxRefusal | None:
    """Return the only error in the operation's model that fits the exception; None if none or several fit."""
    shapes = operation_model(service, operation).error_shapes
    if isinstance(error, ValueError) or type(error).__name__ == "InvalidToken":
        if _TOKENS & parameters.keys():
            shape = _only_match(shapes, _BAD_TOKEN) or _only_match(shapes, _BAD_VALUE)
            return _refusal_of(shape, "Invalid token.") or refusal("ValidationError", "Invalid token.")
    elif isinstance(error, LookupError):
        return _refusal_of(_only_match(shapes, _NOT_FOUND), _WORDS.get(service, "The named resource does not exist."))
    return None


def _only_match(shapes: list[Any], name: re.Pattern[str]) -> Any:
    matching = [shape for shape in shapes if name.search(shape.name)]
    return matching[0] if len(matching) == 1 else None


def _refusal_of(shape: Any, message: str) -> SandboxRefusal | None:
    if shape is None:
        return None
    error_traits = shape.metadata.get("error", {})
    return refusal(error_traits.get("code", shape.name), message, error_traits.get("httpStatusCode", 400))


def _place(error: Exception) -> str:
    """Return the file and line in which the exception was raised, without any value from the request."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
