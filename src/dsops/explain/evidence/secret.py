"""A secret -> its own policy and tags, and what could not be read of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dsops.aws.apis.secret_policy import SecretsManagerClient, get_resource_policy, get_secret_tags
from dsops.errors import AccessDenied, EntityNotFound
from dsops.explain.evidence.attached import PolicyText


class KnownSecret(NamedTuple):
    """What Secrets Manager told of a secret, which is never its value."""

    policy: PolicyText | None
    tags: tuple[tuple[str, str], ...]
    unread_policy: str
    """Why nobody knows the policy, or whether there is one; "" when that is known."""
    unread_tags: str


async def read_with_any(apis: Sequence[SecretsManagerClient], arn: str) -> KnownSecret:
    """The same with several keys: of each part what the first of them may read."""
    best: KnownSecret | None = None
    for api in apis:
        found = await read_secret(api, arn)
        if best is not None:
            policy = found if best.unread_policy else best
            tags = found if best.unread_tags else best
            found = KnownSecret(policy.policy, tags.tags, policy.unread_policy, tags.unread_tags)
        best = found
        if not (best.unread_policy or best.unread_tags):
            break
    return best or KnownSecret(None, (), "no keys here may read it", "no keys here may read it")


async def read_secret(api: SecretsManagerClient, arn: str) -> KnownSecret:
    """The secret of that ARN. Raises EntityNotFound when there is none, or one with another ARN."""
    policy, unread_policy = None, ""
    try:
        found = await get_resource_policy(api, arn)
    except AccessDenied as denied:
        unread_policy = denied.message
    else:
        if found.arn != arn:  # a partial ARN finds a secret too, but policies see the whole one
            raise EntityNotFound(f"there is no {arn}", hint=f"Secrets Manager has {found.arn}")
        policy = PolicyText(f"the policy of {arn}", found.text) if found.text else None
    try:
        tags = await get_secret_tags(api, arn)
    except AccessDenied as denied:
        return KnownSecret(policy, (), unread_policy, denied.message)
    return KnownSecret(policy, tuple(tags.items()), unread_policy, "")
