"""Services that have one endpoint for a whole partition, and the region in whose trail their calls are."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.arn import partition_named
from dsops.endpoint import GLOBAL_REGION

# Those of botocore's endpoints that are not regionalized, among what is served; a test compares them.
_GLOBAL = frozenset(
    {"account", "budgets", "ce", "cloudfront", "iam", "networkmanager", "organizations", "route53", "shield"}
)
_NOT_THERE: Mapping[str, frozenset[str]] = {
    "aws-cn": frozenset({"networkmanager", "shield"}),
    "aws-us-gov": frozenset({"account", "budgets", "ce", "cloudfront", "shield"}),
}
_ELSEWHERE: Mapping[tuple[str, str], str] = {("aws", "networkmanager"): "us-west-2", ("aws-cn", "iam"): "cn-north-1"}


def region_of_trail(service: str, partition: str, region: str) -> str:
    """us-east-1 for IAM, whatever region a client thinks of; the request's own for services that are in each region."""
    known = partition_named(partition)
    home = region if known is None else known.global_region
    if region == GLOBAL_REGION:
        return home
    if service not in _GLOBAL or service in _NOT_THERE.get(partition, ()):
        return region
    return _ELSEWHERE.get((partition, service), home)
