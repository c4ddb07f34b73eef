"""Choose ARNs for resources that a principal would make. Its own policies decide which names it may use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

from dsops.access.escalations.rules import RESOURCE_TYPES
from dsops.access.facts.world import IamIdentity
from dsops.policy import lower_case, variable_keys

_MOST: Final = 20
_NAME: Final = "dsops-new"
_REGION: Final = "us-east-1"


def made_up_arns(identity: IamIdentity, resource_type: str, actions: Sequence[str]) -> tuple[str, ...]:
    """Return ARNs of the type that the identity's statements about the actions tell apart, at most 20."""
    partition = identity.arn.split(":")[1]
    plain = _arn(resource_type, partition, _REGION, identity.account, _NAME, "1")
    found = {plain: None}
    for pattern in _patterns(identity, tuple(map(lower_case, actions))):
        candidate = _fitted(pattern, plain)
        if candidate is not None and is_of_type(candidate, resource_type):
            found[candidate] = None
        if len(found) == _MOST:
            break
    return tuple(found)


def is_of_type(arn: str, resource_type: str) -> bool:
    """Whether an ARN is of a type of RESOURCE_TYPES."""
    return fnmatchcase(arn, _pattern(resource_type))


@cache
def _pattern(resource_type: str) -> str:
    return _arn(resource_type, "*", "*", "*", "*", "*")


def _arn(resource_type: str, partition: str, region: str, account: str, name: str, identifier: str) -> str:
    text = RESOURCE_TYPES[resource_type].format(region=region, account=account, name=name, id=identifier)
    return f"arn:{partition}:{text}"


def _patterns(identity: IamIdentity, actions: Sequence[str]) -> Iterator[str]:
    for document in identity.policies:
        if not any(map(document.mentions, actions)):
            continue
        policy = document.policy
        for statement in policy.statements if policy is not None else ():
            if statement.resources is not None and any(map(statement.actions.matches, actions)):
                yield from (text for text in statement.resources.written if not [*variable_keys([text])])


def _fitted(pattern: str, plain: str) -> str | None:
    """Return an ARN that the pattern matches and that is like `plain`; None if the two differ too much."""
    patterns, parts = pattern.split(":", 5), plain.split(":", 5)
    if len(patterns) != len(parts):
        return None
    return ":".join(
        part if _matches(part, own) else own.replace("*", _NAME).replace("?", "x")
        for own, part in zip(patterns, parts, strict=True)
    )


def _matches(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]"))
