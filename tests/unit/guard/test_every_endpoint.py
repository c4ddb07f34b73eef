"""Each host in botocore's endpoint data is the endpoint of its service and region, or is refused and listed here."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointVariantError
from botocore.loaders import Loader
from botocore.regions import EndpointResolver

from dsops.guard.endpoints import endpoint_of, is_aws_host, is_endpoint_of
from dsops.request.wire.models import TOOLBOX, service_model
from tests.groups import marks_of_rest

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADER = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
NAMES = sorted(set(LOADER.list_available_services("service-2")) - {TOOLBOX})
SERVICES = [pytest.param(name, marks=marks_of_rest(number, 8)) for number, name in enumerate(NAMES)]
REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d")
VARIANTS = [(False, False), (True, False), (False, True), (True, True)]
"""FIPS and dual stack."""
REFUSED = Path(__file__).with_name("refused_endpoints.txt")
UPDATE = os.environ.get("DSOPS_UPDATE_GOLDEN") == "1"


@cache
def resolver() -> Any:  # botocore ships no types
    """botocore's old endpoint data, with names of hosts by region. The guard uses the newer rules."""
    return EndpointResolver(LOADER.load_data("endpoints"))


def hosts(service: str, *, is_fips: bool, is_dual_stack: bool) -> Iterator[tuple[str, str]]:
    """The service's hosts in the data, each with the region of its signatures."""
    prefix = service_model(service).metadata["endpointPrefix"]
    for partition in resolver().get_available_partitions():
        for name in resolver().get_available_endpoints(prefix, partition):
            if not REGION.fullmatch(name):
                continue
            try:
                found = resolver().construct_endpoint(
                    prefix, name, partition, use_fips_endpoint=is_fips, use_dualstack_endpoint=is_dual_stack
                )
            except EndpointVariantError:
                continue
            region = str(found.get("credentialScope", {}).get("region", name))
            yield str(found["hostname"]), region


def test_each_service_has_an_endpoint() -> None:
    """The rules give an endpoint for each service, except for the one whose endpoint depends on a resource."""
    assert ["cloudfront-keyvaluestore"] == [name for name in NAMES if endpoint_of(name, "us-east-1") is None]


@cache
def refused() -> dict[str, list[str]]:
    """The hosts in the data that the guard refuses, by service: the newer rules have other hosts there."""
    lines = REFUSED.read_text(encoding="ascii").splitlines()[1:]
    return {service: names.split() for service, _, names in (line.partition(": ") for line in lines)}


def is_refused(service: str, host: str, region: str) -> bool:
    """Whether a host of the data is no endpoint for the guard."""
    return not is_endpoint_of(host, service, region)


@pytest.mark.parametrize("service", SERVICES)
def test_each_host_is_its_services_endpoint(service: str) -> None:
    """The plain host of each region is the service's endpoint there, or is listed."""
    found = list(hosts(service, is_fips=False, is_dual_stack=False))

    assert all(is_aws_host(host) for host, _ in found)
    expected = [] if UPDATE else refused().get(service, [])
    assert UPDATE or expected == [host for host, region in found if is_refused(service, host, region)]


@pytest.mark.nightly
def test_the_refused_hosts_are_listed() -> None:
    """The list has the hosts of all services, and their number."""
    found = {
        service: [
            host
            for host, region in hosts(service, is_fips=False, is_dual_stack=False)
            if is_refused(service, host, region)
        ]
        for service in NAMES
    }
    rows = [f"{service}: {' '.join(names)}\n" for service, names in found.items() if names]
    head = f"# {sum(map(len, found.values()))} hosts are refused. DSOPS_UPDATE_GOLDEN=1 writes this file again.\n"
    text = head + "".join(rows)
    if UPDATE:
        REFUSED.write_text(text, encoding="ascii")

    assert text == REFUSED.read_text(encoding="ascii")


@pytest.mark.parametrize("service", SERVICES)
def test_no_host_is_an_endpoint_of_another_region(service: str) -> None:
    """A host with a region in its name is no endpoint for signatures of another region, with FIPS and dual stack."""
    for is_fips, is_dual_stack in VARIANTS:
        for host, region in hosts(service, is_fips=is_fips, is_dual_stack=is_dual_stack):
            other = "eu-west-1" if region != "eu-west-1" else "eu-west-2"
            if region in host:
                assert not is_endpoint_of(host, service, other), (host, region)


@pytest.mark.parametrize(
    ("service", "region", "host"),
    [
        ("sts", "eu-west-1", "sts.eu-west-1.api.aws"),
        ("sts", "us-east-1", "sts-fips.us-east-1.amazonaws.com"),
        ("kms", "us-gov-west-1", "kms-fips.us-gov-west-1.amazonaws.com"),
        ("s3", "eu-west-1", "s3.dualstack.eu-west-1.amazonaws.com"),
        ("s3", "us-east-1", "s3-fips.dualstack.us-east-1.amazonaws.com"),
        ("ec2", "cn-north-1", "ec2.cn-north-1.api.amazonwebservices.com.cn"),
        ("lambda", "us-iso-east-1", "lambda.us-iso-east-1.c2s.ic.gov"),
        ("acm", "eu-west-1", "acm.eu-west-1.amazonaws.com"),
        ("neptune-graph", "eu-west-1", "neptune-graph.eu-west-1.amazonaws.com"),
    ],
)
def test_variants_of_endpoints(service: str, region: str, host: str) -> None:
    """FIPS and dual-stack hosts are endpoints of their service and region, and of no other service."""
    assert is_endpoint_of(host, service, region)
    assert not is_endpoint_of(host, service, "ap-south-1")
    assert not is_endpoint_of(host, "sqs", region)
