"""Functions that create the policy documents that tests need most often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Document = Mapping[str, object]
Conditions = Mapping[str, Mapping[str, object]]

_VERSION = "2012-10-17"


def allow(*actions: str, on: str | list[str] = "*", when: Conditions | None = None) -> Document:
    """Return an identity policy that allows the actions on the resources, with optional conditions."""
    return _identity("Allow", actions, on, when)


def deny(*actions: str, on: str | list[str] = "*", when: Conditions | None = None) -> Document:
    """Return an identity policy that denies the actions on the resources, with optional conditions."""
    return _identity("Deny", actions, on, when)


def trust(
    *principals: str,
    external_id: str = "",
    actions: tuple[str, ...] = ("sts:AssumeRole",),
    when: Conditions | None = None,
) -> Document:
    """Return a trust policy for principals: ARNs, account ids, or services such as `ecs-tasks.amazonaws.com`."""
    services = [name for name in principals if name.endswith((".amazonaws.com", ".amazonaws.com.cn"))]
    others = [name for name in principals if name not in services]
    principal: dict[str, object] = {}
    if others:
        principal["AWS"] = others
    if services:
        principal["Service"] = services
    conditions = {operator: dict(keys) for operator, keys in (when or {}).items()}
    if external_id:
        conditions.setdefault("StringEquals", {})["sts:ExternalId"] = external_id
    statement: dict[str, object] = {"Effect": "Allow", "Principal": principal, "Action": list(actions)}
    return _document(statement, conditions)


def _identity(
    effect: Literal["Allow", "Deny"], actions: tuple[str, ...], on: str | list[str], when: Conditions | None
) -> Document:
    return _document({"Effect": effect, "Action": list(actions), "Resource": on}, when)


def _document(statement: dict[str, object], when: Conditions | None) -> Document:
    if when:
        statement["Condition"] = when
    return {"Version": _VERSION, "Statement": [statement]}
