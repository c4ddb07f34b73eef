"""Services with one endpoint for a whole partition, and the region in whose trail their calls are recorded."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.arn import partition_named
from dsops.endpoint import GLOBAL_REGION

# The served services that botocore's endpoints do not list as regionalized; a test compares the two.
_GLOBAL = frozenset(
    {"account", "budgets", "ce", "cloudfront", "iam", "networkmanager", "organizations", "route53", "shield"}
)
_NOT_THERE: Mapping[str, frozenset[str]] = {
    "aws-cn": frozenset({"networkmanager", "shield"}),
    "aws-us-gov": frozenset({"account", "budgets", "ce", "cloudfront", "shield"}),
}
_ELSEWHERE: Mapping[tuple[str, str], str] = {("aws", "networkmanager"): "us-west-2", ("aws-cn", "iam"): "cn-north-1"}


def region_of_trail(service: str, partition: str, region: str) -> str:
    """Return the region that records the call: us-east-1 for IAM, the request's region for regional services."""
    known = partition_named(partition)
    home = region if known is None else known.global_region
    if region == GLOBAL_REGION:
        return home
    if service not in _GLOBAL or service in _NOT_THERE.get(partition, ()):
        return region
    return _ELSEWHERE.get((partition, service), home)
