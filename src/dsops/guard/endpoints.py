"""The endpoints of AWS's services, by the rules in botocore's data, and the hosts that belong to AWS."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from dsops.arn import PARTITIONS
from dsops.request.wire.models import resolve_endpoint

_SUFFIXES: Final = tuple(
    dict.fromkeys(
        f".{suffix}" for partition in PARTITIONS for suffix in (partition.dns_suffix, partition.dual_stack_suffix)
    )
)
_FURTHER: Final = (".on.aws", ".api.aws", ".amazonaws.com")
"""Suffixes of function URLs, and those of the partition `aws` in case the table of partitions changes."""
_VARIANTS: Final = ((False, False), (False, True), (True, False), (True, True))
"""UseFIPS and UseDualStack."""
_S3: Final = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9._-]{1,254})\.)?"
    r"s3(?:-fips|-accelerate)?(?:\.dualstack)?(?:[.-](?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}))?"
)
_ACCOUNT_DIGITS: Final = 12
_OLD: Final = {
    "ec2": ("ec2.amazonaws.com",),
    "sqs": ("queue.amazonaws.com", "{region}.queue.amazonaws.com"),
    "sts": ("sts.amazonaws.com",),
    "iot-data": ("data.iot.{region}.amazonaws.com",),
}
"""Hosts that older SDKs use and that botocore's rules do not list."""


class ServiceEndpoint(NamedTuple):
    """The host of a service in a region, and the region in the signatures of its requests."""

    host: str
    signing_region: str


def is_aws_host(host: str) -> bool:
    """Whether a host name belongs to AWS, in any partition."""
    return host.endswith((*_SUFFIXES, *_FURTHER))


@lru_cache(maxsize=1024)
def endpoint_of(service: str, region: str) -> ServiceEndpoint | None:
    """Return the default endpoint of a service in a region; None if botocore's rules give none."""
    return _resolve(service, region, is_fips=False, is_dual_stack=False)


def is_endpoint_of(host: str, service: str, region: str) -> bool:
    """Whether a host serves a service's requests that are signed for a region.

    The host may have a prefix: an account, an id, or one that the operation's model defines (`data-`).
    """
    if service == "s3":
        return _is_s3(host, region)
    if is_account_endpoint(host, service, region):
        return True
    return any(host == known or host.endswith((f".{known}", f"-{known}")) for known in _hosts(service, region))


def names_a_bucket(host: str) -> bool:
    """Whether a host of S3 has a bucket's name in it."""
    for suffix in _SUFFIXES:
        match = _S3.fullmatch(host.removesuffix(suffix)) if host.endswith(suffix) else None
        if match is not None and match["bucket"] is None:
            return False
    return True


def is_account_endpoint(host: str, service: str, region: str) -> bool:
    """Whether a host is DynamoDB's endpoint of one account, such as `111122223333.ddb.eu-west-1.amazonaws.com`."""
    account, _, rest = host.partition(".")
    is_account = len(account) == _ACCOUNT_DIGITS and account.isascii() and account.isdigit()
    return service == "dynamodb" and is_account and rest in {f"ddb.{region}{suffix}" for suffix in _SUFFIXES}


def _is_s3(host: str, region: str) -> bool:
    for suffix in _SUFFIXES:
        match = _S3.fullmatch(host.removesuffix(suffix)) if host.endswith(suffix) else None
        if match is not None:
            return match["region"] in {None, region}
    return False


@lru_cache(maxsize=1024)
def _hosts(service: str, region: str) -> tuple[str, ...]:
    found = [_resolve(service, region, is_fips=fips, is_dual_stack=dual) for fips, dual in _VARIANTS]
    hosts = [endpoint.host for endpoint in found if endpoint is not None and endpoint.signing_region == region]
    # The endpoint of a single account has a first label of its own: `a1b2-ats.iot.eu-west-1.amazonaws.com`.
    parents = [host.partition(".")[2] for host in hosts if host.count(".") > 3 and is_aws_host(host)]
    # `sqs.cn-north-1.amazonaws.com.cn` has no label for an account. The rest of its name,
    # `cn-north-1.amazonaws.com.cn`, is the parent of all services, so it must not be added.
    hosts += [host for host in parents if not host.startswith((f"{region}.", "dualstack."))]
    return tuple(dict.fromkeys((*hosts, *(host.format(region=region) for host in _OLD.get(service, ())))))


def _resolve(service: str, region: str, *, is_fips: bool, is_dual_stack: bool) -> ServiceEndpoint | None:
    found = resolve_endpoint(service, region, is_fips=is_fips, is_dual_stack=is_dual_stack)
    if found is None:
        return None
    url, signing_region = found
    return ServiceEndpoint(url.partition("://")[2].partition("/")[0], signing_region or region)
