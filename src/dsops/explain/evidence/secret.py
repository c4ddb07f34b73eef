"""Read a secret's resource policy and tags, never its value."""

from __future__ import annotations

from collections.abc import Sequence

from dsops.aws.apis.secret_policy import SecretsManagerClient, get_resource_policy, get_secret_tags
from dsops.errors import AccessDenied, EntityNotFound
from dsops.policy import PolicyText, ResourcePolicy


async def read_with_any(apis: Sequence[SecretsManagerClient], arn: str) -> ResourcePolicy:
    """Read the secret with several keys; each part comes from the first key that may read it."""
    best: ResourcePolicy | None = None
    for api in apis:
        found = await read_secret(api, arn)
        if best is not None:
            policy = found if best.unread_policy else best
            tags = found if best.unread_tags else best
            found = ResourcePolicy(policy.policy, tags.tags, policy.unread_policy, tags.unread_tags)
        best = found
        if not (best.unread_policy or best.unread_tags):
            break
    return best or ResourcePolicy(None, (), "no keys here may read it", "no keys here may read it")


async def read_secret(api: SecretsManagerClient, arn: str) -> ResourcePolicy:
    """Read the secret. Raises EntityNotFound when there is none with exactly that ARN."""
    policy, unread_policy = None, ""
    try:
        found = await get_resource_policy(api, arn)
    except AccessDenied as denied:
        unread_policy = denied.message
    else:
        if found.arn != arn:  # A partial ARN finds a secret too, but policies see the whole ARN.
            raise EntityNotFound(f"there is no {arn}", hint=f"Secrets Manager has {found.arn}")
        policy = PolicyText(f"the policy of {arn}", found.text) if found.text else None
    try:
        tags = await get_secret_tags(api, arn)
    except AccessDenied as denied:
        return ResourcePolicy(policy, (), unread_policy, denied.message)
    return ResourcePolicy(policy, tuple(tags.items()), unread_policy, "")
