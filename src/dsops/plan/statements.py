"""Combine permissions into a short policy, because AWS allows only 2048 characters for a session policy."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dsops.plan.required_permissions import Condition, Need

Statement = dict[str, object]
"""A policy statement as a JSON object."""

_VERSION = "2012-10-17"


def statements_of(needs: Iterable[Need]) -> list[Statement]:
    """Return the Allow statements for these permissions.

    Permissions that differ only in the resource, or only in one condition's value, share a statement. The shared
    statement allows nothing more, because one matching entry of a list is enough. All lists are sorted, so the order
    of an environment's variables does not change the session's fingerprint.
    """
    values: dict[tuple[tuple[str, ...], str, str, str], set[str]] = {}
    merged_needs: list[Need] = []
    for need in needs:
        if len(need.conditions) == 1:
            ((operator, key, texts),) = need.conditions
            values.setdefault((need.actions, need.resource, operator, key), set()).update(texts)
        else:
            merged_needs.append(need)
    for (actions, resource, operator, key), all_texts in values.items():
        merged_needs.append(Need(actions, resource, ((operator, key, tuple(sorted(all_texts))),)))
    resources: dict[tuple[tuple[str, ...], tuple[Condition, ...]], set[str]] = {}
    for need in merged_needs:
        resources.setdefault((need.actions, need.conditions), set()).add(need.resource)
    statements = [
        _statement(actions, sorted(all_resources), conditions)
        for (actions, conditions), all_resources in resources.items()
    ]
    return sorted(statements, key=_order)


def policy(statements: list[Statement]) -> dict[str, object]:
    """Return the policy document with these statements."""
    return {"Version": _VERSION, "Statement": statements}


def compact(document: dict[str, object]) -> str:
    """Return the policy's JSON without white space, in the form that is sent to AWS."""
    return json.dumps(document, separators=(",", ":"))


def one_or_more(texts: Iterable[str]) -> object:
    """Return the strings as a list; for one string, return it by itself, as is usual in policies."""
    entries = list(texts)
    return entries[0] if len(entries) == 1 else entries


def _statement(actions: tuple[str, ...], resources: list[str], conditions: tuple[Condition, ...]) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": one_or_more(actions), "Resource": one_or_more(resources)}
    if conditions:
        condition_block: dict[str, dict[str, object]] = {}
        for operator, key, values in conditions:
            condition_block.setdefault(operator, {})[key] = one_or_more(values)
        statement["Condition"] = condition_block
    return statement


_FIRST = ("secretsmanager:", "ssm:", "kms:", "sts:")


def _order(statement: Statement) -> tuple[int, str]:
    action = str(statement["Action"])
    return next((place for place, prefix in enumerate(_FIRST) if prefix in action), len(_FIRST)), compact(statement)
