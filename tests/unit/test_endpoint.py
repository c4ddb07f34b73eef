"""Resolve the endpoint to which a service's requests are sent."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader

from dsops.endpoint import Address, is_aws_host, is_loopback, parse_address, resolve_endpoint
from dsops.errors import ConfigError

SERVICES = ("sts", "secretsmanager", "ssm", "iam", "organizations", "sso", "sso-oidc", "iam-toolbox", "kms", "athena")
LOADER = Loader()
PARTITION_DATA: dict[str, Any] = LOADER.load_data("partitions")
REGIONS = [
    region
    for partition in PARTITION_DATA["partitions"]
    for region in partition["regions"]
    if not region.endswith("-global")
]


@pytest.mark.parametrize("service", SERVICES)
def test_addresses_are_those_of_botocores_rules(service: str) -> None:
    """Host and signing region equal botocore's in every region, with and without FIPS and dual stack."""
    rules = LOADER.load_service_model(service, "endpoint-rule-set-1")
    oracle = EndpointProvider(rules, PARTITION_DATA)
    assert len(REGIONS) > 40
    for region, fips, dual_stack in product(REGIONS, (False, True), (False, True)):
        expected = oracle.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack)
        signing = (expected.properties.get("authSchemes") or [{}])[0].get("signingRegion", region)
        actual = resolve_endpoint(service, region, {}, fips=fips, dual_stack=dual_stack)
        assert (expected.url, signing) == (actual.url, actual.signing_region), (region, fips, dual_stack)
        assert is_aws_host(actual.url.removeprefix("https://"))


def test_the_iam_toolbox_is_signed_for_iam() -> None:
    """The IAM Toolbox's endpoint is signed for `iam`, at AWS's address and at a configured address."""
    for environ in ({}, {"AWS_ENDPOINT_URL": "https://one.example"}):
        endpoint = resolve_endpoint("iam-toolbox", "eu-west-1", environ)
        assert endpoint.service == LOADER.load_service_model("iam-toolbox", "service-2")["metadata"]["signingName"]
        assert endpoint.short.startswith("iam-toolbox")


def test_the_global_sts_endpoint_is_signed_for_us_east_1() -> None:
    """The pseudo-region aws-global is https://sts.amazonaws.com, signed for us-east-1."""
    endpoint = resolve_endpoint("sts", "aws-global", {})
    assert (endpoint.url, endpoint.signing_region) == ("https://sts.amazonaws.com", "us-east-1")
    assert endpoint.short == "sts.aws-global"


@pytest.mark.parametrize(("service", "fips"), [("ssm", False), ("secretsmanager", False), ("sts", True)])
def test_the_global_region_exists_for_plain_sts_only(service: str, *, fips: bool) -> None:
    """Only STS without FIPS has a global endpoint."""
    with pytest.raises(ConfigError, match="has no endpoint of this kind in the region aws-global"):
        resolve_endpoint(service, "aws-global", {}, fips=fips)


def test_an_endpoint_of_the_store_wins_over_every_variable() -> None:
    """The store's `endpoint_url` takes precedence over every variable, even if configured endpoints are ignored."""
    environ = {
        "AWS_ENDPOINT_URL_STS": "https://two.example",
        "AWS_ENDPOINT_URL": "https://three.example",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }
    endpoint = resolve_endpoint("sts", "eu-west-1", environ, endpoint_url="https://one.example:8443/base/")
    assert endpoint.url == "https://one.example:8443/base"
    assert (endpoint.region, endpoint.signing_region) == ("eu-west-1", "eu-west-1")
    assert endpoint.short == "sts at one.example:8443"


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        ("sts", "AWS_ENDPOINT_URL_STS"),
        ("secretsmanager", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
        ("ssm", "AWS_ENDPOINT_URL_SSM"),
        ("iam", "AWS_ENDPOINT_URL_IAM"),
        ("organizations", "AWS_ENDPOINT_URL_ORGANIZATIONS"),
        ("iam-toolbox", "AWS_ENDPOINT_URL_IAM_TOOLBOX"),
        ("kms", "AWS_ENDPOINT_URL_KMS"),
        ("athena", "AWS_ENDPOINT_URL_ATHENA"),
        ("sso", "AWS_ENDPOINT_URL_SSO"),
        ("sso-oidc", "AWS_ENDPOINT_URL_SSO_OIDC"),
    ],
)
def test_a_services_own_variable_wins_over_the_general_one(service: str, variable: str) -> None:
    """AWS_ENDPOINT_URL_<SERVICE> takes precedence over AWS_ENDPOINT_URL."""
    environ = {variable: "http://127.0.0.1:4566", "AWS_ENDPOINT_URL": "https://general.example"}
    for each in SERVICES:
        expected = "http://127.0.0.1:4566" if each == service else "https://general.example"
        assert expected == resolve_endpoint(each, "us-east-1", environ).url


def test_configured_endpoints_can_be_ignored() -> None:
    """AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true disables the endpoint variables; other values do not."""
    environ = {"AWS_ENDPOINT_URL": "https://general.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"}
    assert resolve_endpoint("sts", "us-east-1", environ).url == "https://sts.us-east-1.amazonaws.com"
    environ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "1"
    assert resolve_endpoint("sts", "us-east-1", environ).url == "https://general.example"


def test_an_empty_variable_is_an_unset_one() -> None:
    """An empty AWS_ENDPOINT_URL_STS does not hide AWS_ENDPOINT_URL."""
    environ = {"AWS_ENDPOINT_URL_STS": "", "AWS_ENDPOINT_URL": "https://general.example"}
    assert resolve_endpoint("sts", "us-east-1", environ).url == "https://general.example"


def test_fips_and_dual_stack_come_from_the_environment_too() -> None:
    """AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT apply if they are `true`."""
    environ = {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}
    assert resolve_endpoint("sts", "us-east-2", environ).url == "https://sts-fips.us-east-2.api.aws"
    assert (
        resolve_endpoint("sts", "us-east-2", dict.fromkeys(environ, "false")).url
        == "https://sts.us-east-2.amazonaws.com"
    )


@pytest.mark.parametrize(
    "url", ["http://sts.us-east-1.amazonaws.com", "http://10.0.0.1:4566", "http://localhost.evil.example"]
)
def test_unencrypted_endpoints_off_loopback_are_refused(url: str) -> None:
    """An http endpoint beyond loopback is refused; the hint has the https address."""
    with pytest.raises(ConfigError) as caught:
        resolve_endpoint("sts", "us-east-1", {"AWS_ENDPOINT_URL": url})
    assert "AWS_ENDPOINT_URL would send credentials unencrypted" in caught.value.message
    assert caught.value.hint.startswith("write https://")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:5000", "http://localhost:5000", "http://[::1]:5000", "http://127.9.9.9"]
)
def test_unencrypted_endpoints_on_loopback_are_taken(url: str) -> None:
    """An http endpoint on loopback, such as the sandbox's, is accepted."""
    assert url == resolve_endpoint("sts", "us-east-1", {"AWS_ENDPOINT_URL": url}).url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:4566",
        "ftp://host",
        "https://",
        "https:///path",
        "https://user:pw@host",
        "https://host/a//b",
        "https://host/a/../b",
        "https://host/./a",
        "https://host/..",
        "https://host/a@b",
        "https://host/a b",
        "https://host/\u00e9",
        "https://host?x=1",
        "https://host#f",
        "https://host:0",
        "https://host:99999",
        "https://host:",
        "https://ho st",
        "https://host\n",
        "https://a\\@b",
        "https://[::1",
        "https://[::1]x",
        "https://-host",
        "https://host:4x",
    ],
)
def test_an_address_that_is_not_plain_is_refused(url: str) -> None:
    """An endpoint with user, query, fragment, bad port or ambiguous path is refused."""
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL_STS is not an address"):
        resolve_endpoint("sts", "us-east-1", {"AWS_ENDPOINT_URL_STS": url})


@pytest.mark.parametrize(
    "region", ["evil.example/", "us-east-1.evil", "US-EAST-1", "-a", "a-", "us east", "x@y", "a" * 64, "é"]
)
def test_a_region_that_would_change_the_host_is_refused(region: str) -> None:
    """A region must be one lower-case label, since it becomes part of the host name."""
    with pytest.raises(ConfigError, match="is not the name of a region"):
        resolve_endpoint("sts", region, {})


def test_no_region_is_an_error_that_says_where_to_set_one() -> None:
    """A missing region is an error that says where to set a region; the function assumes no default."""
    with pytest.raises(ConfigError, match="no region is known for ssm") as caught:
        resolve_endpoint("ssm", "", {})
    assert "AWS_REGION" in caught.value.hint


def test_the_short_name_is_service_and_region() -> None:
    """The short name of an endpoint is `sts.us-east-1`, or just `iam` for IAM, which has no region."""
    assert resolve_endpoint("sts", "us-east-1", {}).short == "sts.us-east-1"
    assert resolve_endpoint("iam", "us-east-1", {}).short == "iam"


def test_parsing_an_address() -> None:
    """A host is lower-cased without its final dot; the port defaults to the scheme's."""
    assert parse_address("HTTPS://Host.Example./p/q") == Address("https", "host.example", 443, "/p/q")
    assert parse_address("http://[::1]:80") == Address("http", "::1", 80, "")
    assert Address("http", "::1", 8080, "").authority == "[::1]:8080"
    assert Address("https", "h", 443, "").authority == "h"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.255.0.3", "::1", "[::1]"])
def test_loopback_hosts(host: str) -> None:
    """Names and addresses of loopback are recognised as loopback."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.nip.io",
        "localhost.example",
        "my.localhost",
        "128.0.0.1",
        "127.1",
        "::ffff:127.0.0.1",
        "",
        "127.0.0.256",
        "127.999.999.999",
        "127.0.0.0001",
    ],
)
def test_hosts_that_may_be_elsewhere(host: str) -> None:
    """Host names that only a resolver can map to an address are not accepted as loopback."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "sts.amazonaws.com",
        "sts.us-east-1.amazonaws.com",
        "SSM.eu-west-1.api.aws",
        "secretsmanager-fips.us-gov-west-1.amazonaws.com",
        "vpce-0a1b2c-3d4e.sts.us-east-1.vpce.amazonaws.com",
        "sts.cn-north-1.amazonaws.com.cn",
        "ssm.us-isob-east-1.sc2s.sgov.gov",
        "iam.amazonaws.com",
        "iam.global.api.aws",
        "iam.us-gov.amazonaws.com",
        "portal.sso.eu-central-1.amazonaws.com",
        "portal.sso-fips.us-east-1.api.aws",
        "oidc.eu-central-1.amazonaws.com",
    ],
)
def test_hosts_of_aws(host: str) -> None:
    """The hosts of AWS services, VPC endpoints included, are recognised as AWS's."""
    assert is_aws_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "sts.us-east-1.amazonaws.com.evil.example",
        "evil.amazonaws.com",
        "sts.s3.us-east-1.amazonaws.com",
        "amazonaws.com",
        "ec2-3-4-5-6.compute-1.amazonaws.com",
        "sts.evilamazonaws.com",
        "sts.a.b.amazonaws.com",
        "localhost",
        "",
        "vpce-1.vpce-svc-2.us-east-1.vpce.amazonaws.com",
        "vpce-1.sts.us-east-1.amazonaws.com",
        "sts-fips.example.com",
        # buckets, load balancers and endpoint services that customers name
        "sts.s3.amazonaws.com",
        "secretsmanager.s3.amazonaws.com",
        "sts.elb.amazonaws.com",
        "sts.vpce-svc-12.amazonaws.com",
        "iam.mine.api.aws",
        "vpce-1.sts.vpce.amazonaws.com",
        "vpce-1.vpce.sts.amazonaws.com",
        "sts.cn-north-1.amazonaws.com",
        "sts.us-east-1.amazonaws.com.cn",
        "portal.us-east-1.amazonaws.com",
        "portal",
        "portal.sso.mine.example",
        "oidc.eks.us-east-1.amazonaws.com",
    ],
)
def test_hosts_that_customers_can_own_are_not_accepted(host: str) -> None:
    """Hosts under amazonaws.com that customers can own, and similar names, are not recognised as AWS's."""
    assert not is_aws_host(host)
