"""What moto keeps of Lambda's AddPermission -> the policy that AWS would make of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from dsops.arn import is_account_id

_ELEMENTS: Final = frozenset({"Sid", "Effect", "Principal", "Action", "Resource", "Condition"})
_AS_CONDITIONS: Final[Mapping[str, tuple[str, str]]] = {
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
}
"""Parameters that AWS makes conditions of, and moto leaves beside the elements."""


def function_policy(statements: Iterable[Mapping[str, object]]) -> str:
    """The policy's text; "" for none. A statement with anything unknown in it is left out: it allows nothing."""
    written = [statement for each in statements if (statement := _written(each)) is not None]
    return json.dumps({"Version": "2012-10-17", "Statement": written}) if written else ""


def _written(statement: Mapping[str, object]) -> Mapping[str, object] | None:
    if not statement.keys() <= _ELEMENTS | _AS_CONDITIONS.keys():
        return None
    condition = statement.get("Condition") or {}
    conditions = {name: dict(keys) for name, keys in condition.items()} if isinstance(condition, Mapping) else {}
    for name, (operator, key) in _AS_CONDITIONS.items():
        if name in statement:
            conditions.setdefault(operator, {})[key] = str(statement[name])
    kept = {name: value for name, value in statement.items() if name in _ELEMENTS and name != "Condition"}
    kept["Principal"] = _principal(statement.get("Principal"))
    return {**kept, "Condition": conditions} if conditions else kept


def _principal(principal: object) -> object:
    """AWS takes an account, an ARN, a service or `*` as a bare text, and writes which it is."""
    if not isinstance(principal, str) or principal == "*":
        return principal
    if is_account_id(principal) or principal.startswith("arn:"):
        return {"AWS": principal}
    return {"Service": principal}
