"""Check and convert Parameter Store names.

A path begins with a slash. A name without further slashes identifies the same parameter with or without the leading
slash. Systems Manager User Guide, "Understanding requirements and constraints for parameter names"; messages are
AWS's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from dsops.arn import parse_arn
from dsops.request.messages import HttpAnswer
from dsops.request.parameter_values import Parameters, text, texts
from dsops.request.resources.ssm import SECRETS_BEHIND_SSM, secret_behind
from dsops.request.wire.errors import refusal

_NAMING: Final = frozenset(
    """
    DeleteParameter GetParameter GetParameterHistory GetParameters LabelParameterVersion UnlabelParameterVersion
    """.split()
)
_READING: Final = frozenset({"GetParameter", "GetParameters"})
_WITH_VALUES: Final = _READING | {"GetParameterHistory", "GetParametersByPath"}
_SEALING_KEY: Final = os.urandom(32)
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
    """Raise ValidationException for a path that has no leading slash or that has an empty segment."""
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
    """Split the names of GetParameters into two lists: names for moto, and references to missing secrets.

    The references are removed because moto would refuse the whole request if one secret is missing.
    """
    split: tuple[list[str], list[str]] = ([], [])
    for name in texts(parameters, "Names"):
        is_missing = name.startswith(SECRETS_BEHIND_SSM) and not is_secret(secret_behind(name))
        split[is_missing].append(name)
    return split


def with_invalid(answer: HttpAnswer, names: list[str]) -> HttpAnswer:
    """Return the answer of GetParameters with the names added to InvalidParameters."""
    content: dict[str, Any] = json.loads(answer.body)
    content["InvalidParameters"] += names
    return answer._replace(body=json.dumps(content).encode())


def with_asked_names(operation: str, parameters: Parameters, plain: Parameters, answer: HttpAnswer) -> HttpAnswer:
    """Return the answer with the parameter names that the client used: `/x` for a parameter stored as `x`.

    A referenced secret is named by its `/aws/reference/...` path. An invalid name is returned as the client sent it
    (recorded on AWS). `plain` are the parameters with ARNs replaced by names.
    """
    if operation not in _READING or answer.status != 200:
        return answer
    requested = {name.partition(":")[0] for name in _names(parameters) if parse_arn(name) is None}
    content: dict[str, Any] = json.loads(answer.body)
    for parameter in content.get("Parameters", [content.get("Parameter", {})]):
        name = str(parameter.get("Name", ""))
        alternatives = () if name in requested else (_other_form(name), SECRETS_BEHIND_SSM + name)
        parameter["Name"] = next((other for other in alternatives if other in requested), name)
    if "InvalidParameters" in content:
        requested_names = dict(zip(_names(plain), _names(parameters), strict=True))
        content["InvalidParameters"] = [requested_names.get(name, name) for name in content["InvalidParameters"]]
    return answer._replace(body=json.dumps(content).encode())


def with_sealed_values(operation: str, parameters: Parameters, answer: HttpAnswer) -> HttpAnswer:
    """Return the answer with an opaque text for each SecureString, unless the request asks for decryption.

    AWS returns the ciphertext, which reveals nothing; moto would return the value itself. The same value has the same
    text until the sandbox ends.
    """
    if operation not in _WITH_VALUES or answer.status != 200 or parameters.get("WithDecryption") is True:
        return answer
    content: dict[str, Any] = json.loads(answer.body)
    for parameter in content.get("Parameters", [content.get("Parameter", {})]):
        if parameter.get("Type") == "SecureString":
            digest = hashlib.blake2b(str(parameter["Value"]).encode(), key=_SEALING_KEY).digest()
            parameter["Value"] = "AQICAH" + base64.b64encode(digest).decode()
    return answer._replace(body=json.dumps(content).encode())


def _names(parameters: Mapping[str, object]) -> tuple[str, ...]:
    return texts(parameters, "Names") if "Names" in parameters else (text(parameters, "Name"),)


def _other_form(name: str) -> str:
    """Return the name with its leading slash added or removed."""
    return name.removeprefix("/") if name.startswith("/") else f"/{name}"
