"""The API of the AWS Secrets Manager Agent: parses its requests, and formats its answers.

Source: github.com/aws/aws-secretsmanager-agent, README.md. The default path prefix is `/v1/`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from dsops.aws.apis.secretsmanager import SecretValue
from dsops.errors import DsopsError, Throttled, TimedOut, Unreachable

TOKEN_HEADERS: Final = ("x-aws-parameters-secrets-token", "x-vault-token")
GET_PATH: Final = "/secretsmanager/get"
PATH_PREFIX: Final = "/v1/"
PING_PATH: Final = "/ping"
_TRUE, _FALSE = frozenset(("true", "1")), frozenset(("false", "0"))
_PARAMETERS: Final = ("versionId", "versionStage", "refreshNow")
_SERVER_ERROR: Final = 500


class SecretQuery(NamedTuple):
    """A request for a secret."""

    secret_id: str
    version_id: str
    version_stage: str
    is_fresh: bool
    """Whether the secret has to be read from AWS, even if it is cached."""


class HttpFailure(NamedTuple):
    """An error answer."""

    status: int
    text: str


def parse_secret_query(path: str, query: str) -> SecretQuery | HttpFailure:
    """Return the request in one of the two forms: the secret's id in the query, or as the rest of the path."""
    in_path = path != GET_PATH
    known = _PARAMETERS if in_path else ("secretId", *_PARAMETERS)
    values = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            return HttpFailure(400, f"unknown parameter: {name}")
        values[name] = value
    refresh = values.get("refreshNow", "false").lower()
    if refresh not in _TRUE | _FALSE:
        return HttpFailure(400, "invalid refreshNow value")
    secret_id = unquote(path.removeprefix(PATH_PREFIX)) if in_path else values.get("secretId", "")
    if not secret_id:
        return HttpFailure(400, "missing secret ID" if in_path else "missing parameter secretId")
    return SecretQuery(secret_id, values.get("versionId", ""), values.get("versionStage", ""), refresh in _TRUE)


def secret_body(value: SecretValue) -> bytes:
    """Return the answer for a secret, as GetSecretValue returns it; `CreatedDate` is a text."""
    content: dict[str, object] = {"ARN": value.arn, "Name": value.name, "VersionId": value.version_id}
    if value.is_binary:
        content["SecretBinary"] = b64encode(value.value.reveal_bytes()).decode()
    else:
        content["SecretString"] = value.value.reveal()
    content["VersionStages"] = list(value.stages)
    if value.created is not None:
        content["CreatedDate"] = f"{value.created:.3f}".rstrip("0").rstrip(".")
    return json.dumps(content, separators=(",", ":")).encode()


def failure_of(error: DsopsError) -> HttpFailure:
    """Return the error answer: AWS's own status and code if AWS refused the request."""
    if error.aws is not None and error.aws.code and error.aws.status:
        return HttpFailure(error.aws.status, error_text(error.aws.code, error.aws.message))
    if isinstance(error, TimedOut):
        return HttpFailure(504, error_text("TimeoutError", "Timeout"))
    if isinstance(error, Unreachable):
        return HttpFailure(502, error_text("ConnectionError", "Read Error"))
    return HttpFailure(_SERVER_ERROR, error_text("InternalFailure", ""))


def is_transient(error: DsopsError) -> bool:
    """Whether a cached value may be served instead: AWS was unreachable, failed or throttled the request."""
    is_failure = error.aws is not None and error.aws.status >= _SERVER_ERROR
    return is_failure or isinstance(error, (TimedOut, Unreachable, Throttled))


def error_text(code: str, message: str) -> str:
    """Return an error as JSON 1.1 has it; without a message, only the code."""
    return json.dumps({"__type": code, "message": message} if message else {"__type": code})
