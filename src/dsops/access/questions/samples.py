"""Choose resources for a question about a resource with wildcards.

Policies tell apart what their own patterns tell apart. So one sample for each pattern that meets the question is
enough, beside the known resources.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from dsops.access.facts.world import OrganizationFacts, PolicyDocument
from dsops.policy import lower_case

_MOST_SAMPLES: Final = 50
_TEXT: Final = "any"


def samples_of(world: OrganizationFacts, action: str, resource: str) -> tuple[str, ...]:
    """Return the resource itself, or up to 50 resources that a text with `*` stands for."""
    if "*" not in resource or resource == "*":
        return (resource,)
    samples: dict[str, None] = {}
    pattern = resource.replace("[", "[[]")
    for text in _candidates(world, lower_case(action), resource):
        if fnmatchcase(text, pattern):
            samples[text] = None
        if len(samples) >= _MOST_SAMPLES:
            break
    return tuple(samples)


def _candidates(world: OrganizationFacts, action: str, resource: str) -> Iterator[str]:
    yield resource.replace("*", _TEXT)
    yield from world.resources
    yield from world.identities
    prefix = resource.partition("*")[0]
    for text in _written(world, action):
        if text.startswith(prefix):
            yield text.replace("*", _TEXT).replace("?", "x")
        elif prefix.startswith(text.partition("*")[0]):
            # The pattern has a wildcard before the prefix ends, such as `arn:aws:s3:::*/backup`. Only its part after
            # the last `*` is added to the prefix.
            yield prefix + text.rpartition("*")[2].lstrip("/")


def _written(world: OrganizationFacts, action: str) -> Iterator[str]:
    """Yield the resources that statements about the action name."""
    seen: set[int] = set()
    for document in _documents(world):
        if id(document) in seen or not document.mentions(action):
            continue
        seen.add(id(document))
        policy = document.policy
        for statement in policy.statements if policy is not None else ():
            if statement.resources is not None and statement.actions.matches(action):
                yield from statement.resources.written


def _documents(world: OrganizationFacts) -> Iterator[PolicyDocument]:
    for identity in world.identities.values():
        yield from identity.policies
        if identity.boundary is not None:
            yield identity.boundary
    yield from (known.policy for known in world.resources.values() if known.policy is not None)
