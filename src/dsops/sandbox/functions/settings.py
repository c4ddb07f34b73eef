"""Check the settings of a function that bound what it may use, within the limits of Lambda's service model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dsops.request.wire.errors import refusal
from dsops.request.wire.models import operation_model
from dsops.sandbox.authorization.request import AuthenticatedRequest

_NAME: Final = re.compile("[a-zA-Z][a-zA-Z0-9_]+")


def check_settings(turn: AuthenticatedRequest) -> None:
    """Check CreateFunction and UpdateFunctionConfiguration. Raises SandboxRefusal (ValidationException)."""
    shape = operation_model("lambda", turn.operation).input_shape
    storage, environment = (_object(turn.parameters.get(name)) for name in ("EphemeralStorage", "Environment"))
    _check_number(shape, turn.parameters, "MemorySize")
    _check_number(shape, turn.parameters, "Timeout")
    _check_number(shape.members["EphemeralStorage"], storage, "Size")
    for name in _object(environment.get("Variables")):
        if not _NAME.fullmatch(str(name)):
            raise _violation(name, "environment", f"satisfy regular expression pattern: {_NAME.pattern}")


def _object(value: object) -> Mapping[str, Any]:  # Any: a parameter may have any JSON value
    return value if isinstance(value, dict) else {}


def _check_number(shape: Any, parameters: Mapping[str, object], name: str) -> None:  # Any: botocore has no type hints
    value, limits = parameters.get(name), shape.members[name].metadata
    if not isinstance(value, int):
        return
    for limit, is_broken, words in (("min", int.__lt__, "greater"), ("max", int.__gt__, "less")):
        if is_broken(value, limits[limit]):
            raise _violation(value, name, f"have value {words} than or equal to {limits[limit]}")


def _violation(value: object, name: str, rule: str) -> Exception:
    place = name[0].lower() + name[1:]
    message = (
        f"1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: Member must {rule}"
    )
    return refusal("ValidationException", message)
