"""Parameter Store: the names, types and KMS keys of parameters, but never their values."""

from __future__ import annotations

from dsops.aws.apis.inventory.pages import Json, ListedBy, ServiceApi, json_list, objects


async def describe_parameters(api: ServiceApi) -> list[Json]:
    """Return the parameters of the region with their types, tiers and KMS keys."""
    by = ListedBy("AmazonSSM", "DescribeParameters", "Parameters")
    return objects(await json_list(api, by, {"MaxResults": 50}))
