"""Errors and hints for a region that is not enabled, for the whole account or for STS alone."""

from __future__ import annotations

import re

from dsops.arn import partition_of_region
from dsops.credentials import Credentials
from dsops.errors import AwsAnswer, RegionDisabled

# Since March 2019, every new region has to be enabled for each account (AWS Account Management Reference Guide,
# "Specify which AWS Regions your account can use"). These are the older regions, and no new region joins this list.
_ALWAYS_ON = frozenset(
    """
    us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3
    ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 ap-southeast-2
    """.split()
)


def is_opt_in(region: str) -> bool:
    """Whether an account must enable the region before use. Partitions other than `aws` have no such regions."""
    return bool(region) and partition_of_region(region).name == "aws" and region not in _ALWAYS_ON


def region_disabled(answer: AwsAnswer, doing: str, region: str) -> RegionDisabled:
    """Return the error for a region that is not enabled for the account."""
    account = re.search(r"account:\s?([0-9]{12})", answer.message)
    whose = f"account {account[1]}" if account else "the account"
    return RegionDisabled(
        f"could not {doing}: {answer.endpoint} is not activated for {whose}",
        why=answer.message,
        hint=f"{_how_to_switch_on(region, whose)}, or set another `region`",
        aws=answer,
    )


def _how_to_switch_on(region: str, whose: str) -> str:
    if not region:
        return "let the account's administrator activate it"
    if is_opt_in(region):
        return (
            f"as an administrator of {whose}, enable the region, which takes minutes to hours: "
            f"`aws account enable-region --region-name {region}`"
        )
    # STS in a region can't be activated through an API: IAM User Guide, "Manage AWS STS in an AWS Region".
    return f"as an administrator of {whose}, activate STS in {region}: IAM console, Account settings, Endpoints"


def hint_for_unknown_key(credentials: Credentials, region: str) -> str:
    """Return a hint that explains why an opt-in region rejects a key as unknown; "" for other regions."""
    if not is_opt_in(region):
        return ""
    command = f"`aws account enable-region --region-name {region}`"
    enable = f"{region} knows no key of an account that has not enabled it: {command}"
    if not credentials.is_temporary:
        return enable
    # By default the global endpoint issues version 1 tokens, which opt-in regions reject (IAM API Reference,
    # SetSecurityTokenServicePreferences).
    return f"{enable}; nor a session from the global endpoint sts.amazonaws.com: get it from a regional one"
