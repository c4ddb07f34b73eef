"""Parameter Store: names of hierarchies begin with a slash, and a name without one is the same as with it.

Systems Manager User Guide, "Understanding requirements and constraints for parameter names"; the words are AWS's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from dsops.arn import parse_arn
from dsops.sandbox.authorization.parameter_values import Parameters, text, texts
from dsops.sandbox.authorization.resources.ssm import SECRETS_BEHIND_SSM, secret_behind
from dsops.sandbox.http.messages import HttpAnswer
from dsops.sandbox.wire.errors import refusal

_NAMING: Final = frozenset(
    """
    DeleteParameter GetParameter GetParameterHistory GetParameters LabelParameterVersion UnlabelParameterVersion
    """.split()
)
_READING: Final = frozenset({"GetParameter", "GetParameters"})
_SUB_PATHS: Final = (
    'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of '
    "sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 "
    "symbols .-_"
)
_PATH: Final = (
    "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "
    '"/". It can\'t be prefixed with \\"aws\\" or \\"ssm\\" (case-insensitive). It must use only letters, numbers, or '
    "the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, "
    'if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.'
)


def check_parameter_names(operation: str, parameters: Parameters) -> None:
    """Raises ValidationException for a path without its first slash or with an empty part."""
    if operation == "PutParameter" and "/" in text(parameters, "Name") and text(parameters, "Name")[0] != "/":
        raise refusal("ValidationException", "Parameter name must be a fully qualified name.")
    if operation == "GetParametersByPath" and not text(parameters, "Path").startswith("/"):
        raise refusal("ValidationException", _PATH)
    if operation in _NAMING:
        for name in _names(parameters):
            is_path = "/" in name.removeprefix("/")
            if parse_arn(name) is None and is_path and (not name.startswith("/") or "//" in name):
                raise refusal("ValidationException", _SUB_PATHS)


def split_names(parameters: Parameters, is_secret: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """The names for moto, and those of missing secrets, for which it would refuse the whole GetParameters."""
    found: tuple[list[str], list[str]] = ([], [])
    for name in texts(parameters, "Names"):
        is_missing = name.startswith(SECRETS_BEHIND_SSM) and not is_secret(secret_behind(name))
        found[is_missing].append(name)
    return found


def with_invalid(answer: HttpAnswer, names: list[str]) -> HttpAnswer:
    """The answer of GetParameters with more names among those that are invalid."""
    said: dict[str, Any] = json.loads(answer.body)
    said["InvalidParameters"] += names
    return answer._replace(body=json.dumps(said).encode())


def with_asked_names(operation: str, parameters: Parameters, plain: Parameters, answer: HttpAnswer) -> HttpAnswer:
    """The answer whose parameters go by the names that were asked for: `/x` for what was stored as `x` (recorded).

    A secret goes by the path that stands for it; what is invalid as it was written. `plain` has names for ARNs.
    """
    if operation not in _READING or answer.status != 200:
        return answer
    asked = {name.partition(":")[0] for name in _names(parameters) if parse_arn(name) is None}
    said: dict[str, Any] = json.loads(answer.body)
    for found in said.get("Parameters", [said.get("Parameter", {})]):
        name = str(found.get("Name", ""))
        others = () if name in asked else (_other_form(name), SECRETS_BEHIND_SSM + name)
        found["Name"] = next((other for other in others if other in asked), name)
    if "InvalidParameters" in said:
        written = dict(zip(_names(plain), _names(parameters), strict=True))
        said["InvalidParameters"] = [written.get(name, name) for name in said["InvalidParameters"]]
    return answer._replace(body=json.dumps(said).encode())


def _names(parameters: Mapping[str, object]) -> tuple[str, ...]:
    return texts(parameters, "Names") if "Names" in parameters else (text(parameters, "Name"),)


def _other_form(name: str) -> str:
    """The same name with or without its first slash."""
    return name.removeprefix("/") if name.startswith("/") else f"/{name}"
