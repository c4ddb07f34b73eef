"""Read the parameters of CreateSession from the query and the JSON body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import refusal
from dsops.request.wire.route import query_pairs
from dsops.sandbox.roles_anywhere.refusals import validation_exception

_ARNS: Final = ("profileArn", "roleArn", "trustAnchorArn")
_LEAST_SECONDS: Final = 900
_MOST_SECONDS: Final = 43_200


class SessionRequest(NamedTuple):
    """The parameters of CreateSession."""

    trust_anchor_arn: str
    profile_arn: str
    role_arn: str
    duration_seconds: int | None
    role_session_name: str
    has_instance_properties: bool

    @property
    def recorded(self) -> dict[str, object]:
        """The parameters that CloudTrail records."""
        recorded: dict[str, object] = {
            "profileArn": self.profile_arn,
            "roleArn": self.role_arn,
            "trustAnchorArn": self.trust_anchor_arn,
        }
        if self.duration_seconds is not None:
            recorded["durationSeconds"] = self.duration_seconds
        if self.role_session_name:
            recorded["roleSessionName"] = self.role_session_name
        return recorded


def read_session_request(request: HttpRequest) -> SessionRequest:
    """Parse the parameters. Raises ValidationException, or SerializationException for a body that is no JSON object."""
    body = _body(request)
    query = dict(reversed(query_pairs(request.query)))
    texts = {name: _text(query.get(name, body.get(name, "")), name) for name in _ARNS}
    for name, text in texts.items():
        if parse_arn(text) is None:
            raise validation_exception(f"1 validation error detected: Value at '{name}' is not an ARN")
    return SessionRequest(
        texts["trustAnchorArn"],
        texts["profileArn"],
        texts["roleArn"],
        _seconds(body.get("durationSeconds")),
        _text(body.get("roleSessionName", ""), "roleSessionName"),
        bool(body.get("instanceProperties")),
    )


def _body(request: HttpRequest) -> Mapping[str, object]:
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise refusal("SerializationException", "") from error
    if not isinstance(body, dict):
        raise refusal("SerializationException", "Start of structure or map found where not expected.")
    return body


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise validation_exception(f"1 validation error detected: Value at '{name}' is not a string")
    return value


def _seconds(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not _LEAST_SECONDS <= value <= _MOST_SECONDS:
        message = f"Value at 'durationSeconds' must be between {_LEAST_SECONDS} and {_MOST_SECONDS}"
        raise validation_exception(f"1 validation error detected: {message}")
    return value
