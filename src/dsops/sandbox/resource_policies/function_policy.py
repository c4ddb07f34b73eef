"""Build Lambda's resource policy as AWS does, from the AddPermission statements that moto stores."""

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
"""Parameters that AWS converts to conditions. moto stores these parameters as if they were policy elements."""


def function_policy(statements: Iterable[Mapping[str, object]]) -> str:
    """Return the policy document, or "" without valid statements. Statements with unknown elements are dropped."""
    policy_statements = [statement for stored in statements if (statement := _stored_statement(stored)) is not None]
    return json.dumps({"Version": "2012-10-17", "Statement": policy_statements}) if policy_statements else ""


def _stored_statement(statement: Mapping[str, object]) -> Mapping[str, object] | None:
    if not statement.keys() <= _ELEMENTS | _AS_CONDITIONS.keys():
        return None
    condition = statement.get("Condition") or {}
    conditions = {name: dict(keys) for name, keys in condition.items()} if isinstance(condition, Mapping) else {}
    for name, (operator, key) in _AS_CONDITIONS.items():
        if name in statement:
            conditions.setdefault(operator, {})[key] = str(statement[name])
    elements = {name: value for name, value in statement.items() if name in _ELEMENTS and name != "Condition"}
    elements["Principal"] = _principal(statement.get("Principal"))
    return {**elements, "Condition": conditions} if conditions else elements


def _principal(principal: object) -> object:
    """Return the principal with its type; `*` is unchanged.

    moto omits the type for accounts, ARNs and services.
    """
    if not isinstance(principal, str) or principal == "*":
        return principal
    if is_account_id(principal) or principal.startswith("arn:"):
        return {"AWS": principal}
    return {"Service": principal}
