"""KMS: the keys of an account, their aliases, their policies and their grants."""

from __future__ import annotations

from dsops.aws.apis.inventory.pages import Json, ListedBy, ServiceApi, json_call, json_list, objects
from dsops.aws.http.answer import text_in

_TARGET = "TrentService"


async def list_keys(api: ServiceApi) -> list[Json]:
    """Return the keys of the region with their ARNs, including those that AWS manages."""
    by = ListedBy(_TARGET, "ListKeys", "Keys", mark="Marker", next_mark="NextMarker")
    return objects(await json_list(api, by, {"Limit": 1000}))


async def list_aliases(api: ServiceApi) -> list[Json]:
    """Return the aliases of the region, each with the id of its key."""
    by = ListedBy(_TARGET, "ListAliases", "Aliases", mark="Marker", next_mark="NextMarker")
    return objects(await json_list(api, by, {"Limit": 100}))


async def list_grants(api: ServiceApi, key: str) -> list[Json]:
    """Return the grants of a key, by ARN."""
    by = ListedBy(_TARGET, "ListGrants", "Grants", mark="Marker", next_mark="NextMarker")
    return objects(await json_list(api, by, {"KeyId": key, "Limit": 100}))


async def get_key_policy(api: ServiceApi, key: str) -> str:
    """Return the policy of a key, by ARN. Each key has one."""
    return text_in(await json_call(api, _TARGET, "GetKeyPolicy", {"KeyId": key, "PolicyName": "default"}), "Policy")
