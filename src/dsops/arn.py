"""ARNs, account ids, regions and partitions: parsed from their text, without any request."""

from __future__ import annotations

from functools import lru_cache

from dsops.startup import NamedTuple


class Partition(NamedTuple):
    """A partition of AWS. Names, credentials and endpoints of one partition are not valid in another."""

    name: str
    dns_suffix: str
    dual_stack_suffix: str
    region_prefixes: tuple[str, ...]
    global_region: str


# This table is a copy, because reading botocore's partitions.json would cost a cold run milliseconds. A test compares
# the two.
PARTITIONS = (
    Partition("aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn", ("cn-",), "cn-northwest-1"),
    Partition("aws-us-gov", "amazonaws.com", "api.aws", ("us-gov-",), "us-gov-west-1"),
    Partition("aws-iso", "c2s.ic.gov", "api.aws.ic.gov", ("us-iso-",), "us-iso-east-1"),
    Partition("aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud", ("us-isob-",), "us-isob-east-1"),
    Partition("aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", ("eu-isoe-",), "eu-isoe-west-1"),
    Partition("aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov", ("us-isof-", "eu-isof-"), "us-isof-south-1"),
    Partition("aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu", ("eusc-",), "eusc-de-east-1"),
    Partition("aws", "amazonaws.com", "api.aws", ("",), "us-east-1"),
)


_LONGEST_CACHED = 256
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Arn(NamedTuple):
    """`arn:partition:service:region:account:resource`; region and account may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @property
    def resource_type(self) -> str:
        """`role` for `role/path/Name`, `secret` for `secret:name-AbCdEf`; the whole resource if it has no type."""
        for index, character in enumerate(self.resource):
            if character in "/:":
                return self.resource[:index]
        return self.resource

    @property
    def resource_name(self) -> str:
        """The part after the last `/`: the name of a role or user without its path."""
        return self.resource.rpartition("/")[2]


def parse_arn(text: str) -> Arn | None:
    """Parse an ARN; None for a text that has fewer than six parts, or lacks a partition or service."""
    return _parsed(text) if len(text) <= _LONGEST_CACHED else _parsed.__wrapped__(text)


@lru_cache(maxsize=512)
def _parsed(text: str) -> Arn | None:
    """Parse an ARN. The result is cached, because the sandbox parses the ARNs of a request several times."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
        return None
    return Arn(*parts[1:])


def is_account_id(text: str) -> bool:
    """Whether the text is exactly twelve ASCII digits; leading zeros are allowed."""
    return len(text) == 12 and text.isascii() and text.isdigit()


def account_of_key_id(key_id: str) -> str:
    """Return the account id encoded in an access key id; "" for other text and for key ids from before 2019.

    The account id is in the 48 bits after the prefix, as AWS's own clients decode it; the first bit says whether the
    key id contains an account id.
    """
    bits = 0
    for character in key_id[4:14]:
        digit = _BASE32.find(character)
        if digit < 0 or len(key_id) != 20:
            return ""
        bits = bits << 5 | digit
    number = (bits >> 9) & 0xFF_FFFF_FFFF
    return f"{number:012d}" if bits >> 49 and number < 10**12 else ""


def partition_of_region(region: str) -> Partition:
    """Return the partition of a region; `aws` unless the region's name begins with another partition's prefix."""
    for partition in PARTITIONS:
        if region.startswith(partition.region_prefixes):
            return partition
    raise AssertionError("the last partition takes every region")


def partition_named(name: str) -> Partition | None:
    """Return the partition of that name (`aws-cn`), or None."""
    for partition in PARTITIONS:
        if partition.name == name:
            return partition
    return None


def role_session_arn(role_arn: Arn, session_name: str) -> str:
    """Return a role session's ARN, `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, without the role's path."""
    return f"arn:{role_arn.partition}:sts::{role_arn.account}:assumed-role/{role_arn.resource_name}/{session_name}"


def is_session_of(session_arn: str, role_arn: Arn) -> bool:
    """Whether `session_arn` is the ARN of a session of the role. A session's ARN leaves out the role's path."""
    return session_arn.startswith(role_session_arn(role_arn, ""))
