"""Secrets Manager: the names, tags and resource policies of secrets, but never their values."""

from __future__ import annotations

from dsops.aws.apis.inventory.pages import Json, ListedBy, ServiceApi, json_call, json_list, objects
from dsops.aws.http.answer import text_in

_TARGET = "secretsmanager"


async def list_secrets(api: ServiceApi) -> list[Json]:
    """Return the secrets of the region with their ARNs and tags."""
    by = ListedBy(_TARGET, "ListSecrets", "SecretList")
    return objects(await json_list(api, by, {"MaxResults": 100}))


async def get_resource_policy(api: ServiceApi, secret: str) -> str:
    """Return the resource policy of a secret, by ARN; "" if it has none."""
    return text_in(await json_call(api, _TARGET, "GetResourcePolicy", {"SecretId": secret}), "ResourcePolicy")
