"""Permissions -> the statements that a person would write: merged, sorted, and with a Sid that names their content."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from dsops.arn import parse_arn
from dsops.grants.names import UniqueNames
from dsops.plan.statements import Statement, one_or_more
from dsops.policy import lower_case
from dsops.recording.call import as_pattern, escaped
from dsops.recording.generalise import covers, is_pattern
from dsops.recording.permissions import ActionUses, KeyCondition, NeededPermission

Conditions = tuple[KeyCondition, ...]

_Grant = tuple[str, Conditions]
"""A resource and the conditions on it."""


def statements_of(permissions: Iterable[NeededPermission], uses: ActionUses | None) -> list[Statement]:
    """Return Allow statements that allow exactly these permissions.

    - Actions of a service that are needed on the same resources, under the same conditions, share a statement.
    - Resources of an action with the same conditions share a statement.
    - Permissions that differ only in the value of one condition share a statement.
    """
    grants: dict[str, set[_Grant]] = defaultdict(set)
    for permission in permissions:
        grants[permission.action].add((permission.resource, permission.conditions))
    actions: dict[tuple[str, Conditions, tuple[str, ...]], list[str]] = defaultdict(list)
    for action, needed in grants.items():
        for conditions, resources in _by_conditions(needed).items():
            actions[action.partition(":")[0], conditions, resources].append(action)
    order = sorted(actions.items(), key=lambda entry: (entry[0][0], entry[0][2], sorted(entry[1]), entry[0][1]))
    names = UniqueNames("[^A-Za-z0-9]", "")
    return [
        _statement(
            names.of(_sid(service, sorted(names_of_actions), resources, uses)), names_of_actions, resources, conditions
        )
        for (service, conditions, resources), names_of_actions in order
    ]


def without_sids(statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements without `Sid`, to save characters in a session policy."""
    return [{key: value for key, value in statement.items() if key != "Sid"} for statement in statements]


def _by_conditions(grants: set[_Grant]) -> dict[Conditions, tuple[str, ...]]:
    """Merge what one action needs: conditions -> the sorted resources on which it is needed under them."""
    by_resource: dict[str, set[Conditions]] = defaultdict(set)
    for resource, conditions in grants:
        by_resource[resource].add(conditions)
    resources: dict[Conditions, set[str]] = defaultdict(set)
    for resource, alternatives in by_resource.items():
        for conditions in _with_merged_values(_least(alternatives)):
            resources[conditions].add(resource)
    return {
        conditions: ("*",) if "*" in texts else tuple(sorted(_widest(texts))) for conditions, texts in resources.items()
    }


def _least(alternatives: set[Conditions]) -> list[Conditions]:
    """Leave out conditions that another alternative has only a part of: that alternative allows more."""
    return [each for each in alternatives if not any(set(other) < set(each) for other in alternatives)]


def _with_merged_values(alternatives: list[Conditions]) -> list[Conditions]:
    """Merge alternatives that consist of one condition and differ only in its values."""
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    merged: list[Conditions] = []
    for conditions in alternatives:
        if len(conditions) == 1:
            values[conditions[0].operator, conditions[0].key].update(conditions[0].values)
        else:
            merged.append(conditions)
    for (operator, key), texts in values.items():
        merged.append((KeyCondition(operator, key, tuple(sorted(_widest(texts)))),))
    return merged


def _widest(texts: set[str]) -> set[str]:
    """Leave out texts that a pattern of the set matches."""
    patterns = [text for text in texts if is_pattern(text)]
    return {text for text in texts if not any(pattern != text and covers(pattern, text) for pattern in patterns)}


def _statement(sid: str, actions: Iterable[str], resources: Iterable[str], conditions: Conditions) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": one_or_more(sorted(actions)),
        "Resource": one_or_more(map(as_pattern, resources)),
    }
    block: dict[str, dict[str, object]] = {}
    for operator, key, values in conditions:
        has_wildcards = operator.endswith("Like") or operator.startswith("Arn")
        texts = [escaped(value) if has_wildcards else value.replace("$", "${$}") for value in values]
        block.setdefault(operator, {})[key] = one_or_more(texts)
    if block:
        statement["Condition"] = block
    return statement


# Functions for the Sid of a statement:

_READING = re.compile(r"(?:Batch)?(?:Get|Describe|List|Head|Query|Scan|Select|Search|View|Lookup|Check)")


def _sid(service: str, actions: list[str], resources: tuple[str, ...], uses: ActionUses | None) -> str:
    """Return for example `S3GetObject` for one action, `DynamodbReadWriteTable` for several."""
    word = _word(service)
    if len(actions) == 1:
        return word + actions[0].partition(":")[2]
    levels = {_level(action, uses) for action in actions}
    if "Manage" in levels:
        level = "Manage"
    elif levels == {"Read", "Write"}:
        level = "ReadWrite"
    else:
        (level,) = levels
    return word + level + _noun(resources)


def _level(action: str, uses: ActionUses | None) -> str:
    """Return `Read`, `Write` or `Manage`: AWS's access level of the action, or the level that its name suggests."""
    service, _, name = action.partition(":")
    use = uses.use_of(lower_case(service), lower_case(name)) if uses is not None else None
    if use is None or not use.level:
        return "Read" if _READING.match(name) else "Write"
    if "Permissions" in use.level:  # the level can be `Permissions management, Write`
        return "Manage"
    return "Write" if "Write" in use.level or "Tagging" in use.level else "Read"


def _noun(resources: tuple[str, ...]) -> str:
    """Return the kind of the resources, such as `Objects` or `Table`; "" if their ARNs do not tell it."""
    nouns = set()
    for resource in resources:
        arn = parse_arn(resource)
        if arn is None:
            return ""
        if arn.service == "s3":
            nouns.add("Objects" if "/" in arn.resource else "Bucket")
        else:
            nouns.add(_word(arn.resource_type) if arn.resource_type != arn.resource else "")
    return nouns.pop() if len(nouns) == 1 else ""


def _word(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split("[^A-Za-z0-9]+", text))
