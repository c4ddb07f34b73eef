"""Reads a secret's resource policy and tags, but never its value."""

from __future__ import annotations

from collections.abc import Sequence

from dsops.aws.apis.secret_policy import SecretsManagerClient, get_resource_policy, get_secret_tags
from dsops.errors import AccessDenied, EntityNotFound
from dsops.policy import PolicyText, ResourcePolicy


async def read_with_any(apis: Sequence[SecretsManagerClient], arn: str) -> ResourcePolicy:
    """Read the secret's policy and tags with several credentials.

    The policy is read with the first credentials that have permission, and so are the tags.
    """
    best: ResourcePolicy | None = None
    for api in apis:
        secret = await read_secret(api, arn)
        if best is not None:
            policy = secret if best.unread_policy else best
            tags = secret if best.unread_tags else best
            secret = ResourcePolicy(policy.policy, tags.tags, policy.unread_policy, tags.unread_tags)
        best = secret
        if not (best.unread_policy or best.unread_tags):
            break
    return best or ResourcePolicy(None, (), "no keys here may read it", "no keys here may read it")


async def read_secret(api: SecretsManagerClient, arn: str) -> ResourcePolicy:
    """Read the secret's policy and tags. Raises EntityNotFound when no secret has exactly that ARN."""
    policy, unread_policy = None, ""
    try:
        answer = await get_resource_policy(api, arn)
    except AccessDenied as denied:
        unread_policy = denied.message
    else:
        if answer.arn != arn:  # AWS also finds a secret by a partial ARN, but policies need the whole ARN.
            raise EntityNotFound(f"there is no {arn}", hint=f"the ARN of that secret is {answer.arn}")
        policy = PolicyText(f"the policy of {arn}", answer.text) if answer.text else None
    try:
        tags = await get_secret_tags(api, arn)
    except AccessDenied as denied:
        return ResourcePolicy(policy, (), unread_policy, denied.message)
    return ResourcePolicy(policy, tuple(tags.items()), unread_policy, "")
