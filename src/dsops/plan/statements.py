"""What is needed -> a policy that says exactly that, in few words: AWS takes 2048 characters of a session policy."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dsops.plan.needs import Condition, Need

Statement = dict[str, object]
"""As JSON has it."""

_VERSION = "2012-10-17"


def statements_of(needs: Iterable[Need]) -> list[Statement]:
    """Allow statements. What differs in its resource only is one, and what differs in one condition's value only.

    Neither widens anything: of a list one entry has to match. All lists are sorted, so that the order in which an
    environment has its variables makes no other session.
    """
    values: dict[tuple[tuple[str, ...], str, str, str], set[str]] = {}
    wanted: list[Need] = []
    for need in needs:
        if len(need.conditions) == 1:
            ((operator, key, texts),) = need.conditions
            values.setdefault((need.actions, need.resource, operator, key), set()).update(texts)
        else:
            wanted.append(need)
    for (actions, resource, operator, key), all_texts in values.items():
        wanted.append(Need(actions, resource, ((operator, key, tuple(sorted(all_texts))),)))
    resources: dict[tuple[tuple[str, ...], tuple[Condition, ...]], set[str]] = {}
    for need in wanted:
        resources.setdefault((need.actions, need.conditions), set()).add(need.resource)
    statements = [_statement(actions, sorted(found), conditions) for (actions, conditions), found in resources.items()]
    return sorted(statements, key=_order)


def policy(statements: list[Statement]) -> dict[str, object]:
    """The document with those statements."""
    return {"Version": _VERSION, "Statement": statements}


def compact(document: dict[str, object]) -> str:
    """Its text without white space, as it is sent."""
    return json.dumps(document, separators=(",", ":"))


def one_or_more(texts: Iterable[str]) -> object:
    """A text for a list of one, as people write it."""
    found = list(texts)
    return found[0] if len(found) == 1 else found


def _statement(actions: tuple[str, ...], resources: list[str], conditions: tuple[Condition, ...]) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": one_or_more(actions), "Resource": one_or_more(resources)}
    if conditions:
        found: dict[str, dict[str, object]] = {}
        for operator, key, values in conditions:
            found.setdefault(operator, {})[key] = one_or_more(values)
        statement["Condition"] = found
    return statement


_FIRST = ("secretsmanager:", "ssm:", "kms:", "sts:")


def _order(statement: Statement) -> tuple[int, str]:
    action = str(statement["Action"])
    return next((place for place, prefix in enumerate(_FIRST) if prefix in action), len(_FIRST)), compact(statement)
