"""Encode authorization messages: the reason for a denial, which only permitted callers can decode.

Source: STS API Reference, DecodeAuthorizationMessage, and AWS's two examples of the result. AWS returns such messages
only in the errors of EC2 and a few other services. In the sandbox, each denial in `/_sandbox/decisions` has one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from dsops.policy import SECRET_KEYS, Decision, Statement, lower_case

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MAX_LENGTH = 10_240
"""Maximum number of characters in a message that DecodeAuthorizationMessage accepts."""

_MAX_DECODED = 1_000_000


class Messages:
    """Encrypts and decrypts messages with a key that only this sandbox has."""

    def encode(self, decision: Decision) -> str:
        """Return a decision's encoded message; omit the request's conditions if the message would be too long."""
        record = message_record(decision)
        message = self._encrypt(decision, record)
        if len(message) > MAX_LENGTH:
            record["context"] = {**_context(decision), "conditions": _items([])}
            message = self._encrypt(decision, record)
        return message

    def decode(self, message: str, account: str) -> str | None:
        """Return the JSON text of a message; None if the message belongs to another sandbox or account."""
        from cryptography.fernet import InvalidToken

        try:
            owner, _, text = _inflate(self._fernet.decrypt(message.encode())).partition("\n")
        except (InvalidToken, ValueError, zlib.error):
            return None
        return text if owner == account else None

    def _encrypt(self, decision: Decision, record: Mapping[str, object]) -> str:
        # An unsigned request has no account, so the owner of the resource can decode its denial.
        owner = decision.request.principal.account or decision.request.resource_account
        text = f"{owner}\n{json.dumps(record, separators=(',', ':'))}"
        return self._fernet.encrypt(zlib.compress(text.encode(), 9)).decode()

    @cached_property
    def _fernet(self) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(Fernet.generate_key())


def message_record(decision: Decision) -> dict[str, object]:
    """Return the result of DecodeAuthorizationMessage for a decision, without external IDs."""
    matched = [
        statement_reason.statement
        for reason in decision.reasons
        for statement_reason in reason.matched
        if (statement_reason.statement.effect == "Deny") == (decision.effect == "ExplicitDeny")
    ]
    return {
        "allowed": decision.is_allowed,
        "explicitDeny": decision.effect == "ExplicitDeny",
        "matchedStatements": _items(_statement(statement, decision) for statement in matched),
        "failures": _items([]),
        "context": _context(decision),
    }


def _statement(statement: Statement, decision: Decision) -> dict[str, object]:
    principals = [text for _, text in statement.principals.written] if statement.principals is not None else []
    own = decision.request.principal
    resources = statement.resources.written if statement.resources is not None else ()
    return {
        "statementId": statement.sid,
        "effect": statement.effect.upper(),
        "principals": _values(principals or [own.unique_id or own.account]),
        "principalGroups": _items([]),
        "actions": _values(statement.actions.written),
        "resources": _values(resources),
        "conditions": _items(
            {"key": condition.key, "values": _values(condition.shown_values)} for condition in statement.conditions
        ),
    }


def _context(decision: Decision) -> dict[str, object]:
    request = decision.request
    principal: dict[str, str] = {"id": request.context.get("aws:userid", ("",))[0]}
    if request.principal.kind == "user":
        principal["name"] = request.principal.arn.rpartition("/")[2]
    principal["arn"] = request.principal.arn
    return {
        "principal": principal,
        "action": request.action,
        "resource": request.resource,
        "conditions": _items(_conditions(request.context)),
    }


def _conditions(context: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, object]]:
    for key, values in context.items():
        if lower_case(key) not in SECRET_KEYS:
            yield {"key": key, "values": _values(values)}


def _values(texts: Iterable[str]) -> dict[str, object]:
    return _items({"value": text} for text in texts)


def _items(entries: Iterable[object]) -> dict[str, object]:
    return {"items": list(entries)}


def _inflate(packed: bytes) -> str:
    """Decompress a message. The size limit is larger than any message that `encode` creates."""
    return zlib.decompressobj().decompress(packed, _MAX_DECODED).decode()
