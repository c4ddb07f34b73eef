"""EC2: the regions that are enabled for an account."""

from __future__ import annotations

from dsops.arn import partition_of_region
from dsops.aws.apis.inventory.pages import ServiceApi, no_refusal
from dsops.aws.http.answer import lacks
from dsops.aws.http.call import Call
from dsops.aws.http.client import call_query

_VERSION = "2016-11-15"


async def describe_regions(api: ServiceApi) -> list[str]:
    """Return the names of the regions that are enabled for the account, in order.

    Regions of other partitions, which emulators of AWS list, are left out, since they have other accounts.
    """
    call = Call(api.endpoint, api.credentials, "DescribeRegions", "call ec2:DescribeRegions", no_refusal)
    result = (await call_query(api.client, call, _VERSION, (), has_result=False)).result
    listed = result.find("regionInfo")
    if listed is None:
        raise lacks(api.endpoint, "DescribeRegions", "regionInfo")
    partition = partition_of_region(api.endpoint.region)
    names = [item.text_of("regionName") for item in listed.children]
    return sorted(name for name in names if partition_of_region(name) == partition)
