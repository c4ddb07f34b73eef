"""The Resource Groups Tagging API: the tags of the resources of many services with one list."""

from __future__ import annotations

from collections.abc import Sequence

from dsops.aws.apis.inventory.pages import Json, ListedBy, ServiceApi, json_list, objects


async def get_resources(api: ServiceApi, resource_types: Sequence[str]) -> list[Json]:
    """Return ARN and tags of each tagged resource of these types, such as `kms:key`, in the region."""
    by = ListedBy(
        "ResourceGroupsTaggingAPI_20170126",
        "GetResources",
        "ResourceTagMappingList",
        mark="PaginationToken",
        next_mark="PaginationToken",
    )
    return objects(await json_list(api, by, {"ResourceTypeFilters": list(resource_types)}))
