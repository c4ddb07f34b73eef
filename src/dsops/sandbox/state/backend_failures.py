"""An exception that escaped moto -> the error that AWS has for it, where its model leaves no doubt; else 500.

moto looks most things up without asking whether they are there, so that a missing one is a KeyError. Every failure is
noted on stderr with its place in moto's code: what is told to the client is a guess.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from dsops.errors import SandboxRefusal
from dsops.sandbox.wire.errors import access_denied, refusal
from dsops.sandbox.wire.models import operation_model, service_model
from dsops.sandbox.wire.xml_reader import malformed_xml

# botocore ships no types: its shapes are Any in here.
_NOT_FOUND: Final = re.compile(r"NotFound|NoSuch|DoesNotExist|NonExistent")
_BAD_TOKEN: Final = re.compile(r"Invalid.*Token")
_BAD_VALUE: Final = re.compile(r"InvalidParameter|Validation")
_TOKENS: Final = frozenset({"ContinuationToken", "Marker", "NextMarker", "NextToken", "nextToken", "marker"})
_WORDS: Final = {"secretsmanager": "Secrets Manager can't find the specified secret."}
"""Services that say the same of everything that is missing."""


def failure(
    service: str, operation: str, parameters: Mapping[str, object], region: str, error: Exception
) -> SandboxRefusal:
    """What to raise for an exception of moto's."""
    if isinstance(error, KeyError) and error.args == (region,):
        name = service_model(service).metadata.get("serviceAbbreviation", service)
        return refusal("InvalidRegion", f"The dsops sandbox has no {name} in {region}.")
    kind = type(error).__name__
    if kind == "AccessDeniedByLock":
        # What moto says of another account's bucket.
        return access_denied("Access Denied")
    if kind == "ExpatError":
        # A body that is not there: AWS's models let it be left out, S3 does not.
        return malformed_xml()
    if kind == "RangeNotSatisfiable":
        # A part of an object that has fewer; moto answers a range itself.
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
    """The one error of the operation's model that fits; None where none or several do."""
    shapes = operation_model(service, operation).error_shapes
    if isinstance(error, ValueError) or type(error).__name__ == "InvalidToken":
        if _TOKENS & parameters.keys():
            shape = _only(shapes, _BAD_TOKEN) or _only(shapes, _BAD_VALUE)
            return _refusal_of(shape, "Invalid token.") or refusal("ValidationError", "Invalid token.")
    elif isinstance(error, LookupError):
        return _refusal_of(_only(shapes, _NOT_FOUND), _WORDS.get(service, "The named resource does not exist."))
    return None


def _only(shapes: list[Any], name: re.Pattern[str]) -> Any:
    found = [shape for shape in shapes if name.search(shape.name)]
    return found[0] if len(found) == 1 else None


def _refusal_of(shape: Any, message: str) -> SandboxRefusal | None:
    if shape is None:
        return None
    written = shape.metadata.get("error", {})
    return refusal(written.get("code", shape.name), message, written.get("httpStatusCode", 400))


def _place(error: Exception) -> str:
    """File and line where it was raised; no value of the request is in that."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
