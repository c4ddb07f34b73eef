"""What a person is told to do about a server that can't be reached or trusted."""

from __future__ import annotations

import pytest

from dsops.aws.http.advice import for_broken, for_certificate, for_unreachable
from dsops.aws.http.network import Proxy
from dsops.aws.http.wire import WireRequest
from dsops.endpoint import Address

PROXY = Proxy(Address("http", "proxy.example", 3128, ""), "", None, "HTTPS_PROXY")


def advice(url: str, why: str = "its name can't be resolved", proxy: Proxy | None = None) -> str:
    """What is said of a request there."""
    return for_unreachable(WireRequest("POST", url).address, proxy, why)


@pytest.mark.parametrize("region", ["us-east1", "us-esat-1", "useast1"])
def test_a_region_that_is_none_is_told_with_the_one_that_was_meant(region: str) -> None:
    """AWS has no host for a mistyped region, so a name that can't be resolved is all that shows."""
    hint = advice(f"https://sts.{region}.amazonaws.com/")
    assert f"`{region}` is no region" in hint
    assert "did you mean `us-east-1`?" in hint


@pytest.mark.parametrize("host", ["oidc.eu-centrl-1", "portal.sso.eu-centrl-1", "portal.sso-fips.eu-centrl-1"])
def test_a_region_of_a_login_stands_in_another_key(host: str) -> None:
    """`region` has nothing to do with where people log in."""
    hint = advice(f"https://{host}.amazonaws.com/")
    assert hint.endswith("did you mean `eu-central-1`? it stands in `sso_region`")


def test_a_region_like_no_other_is_told_without_a_guess() -> None:
    """A wrong guess would send somebody the wrong way."""
    hint = "`xyz` is no region that dsops knows: check `region` or AWS_REGION"
    assert advice("https://ssm.xyz.amazonaws.com/") == hint


@pytest.mark.parametrize(
    "host", ["sts.eu-west-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn", "sts.amazonaws.com"]
)
def test_a_region_that_exists_is_not_doubted(host: str) -> None:
    """Then it is the network."""
    assert advice(f"https://{host}/") == "check the network, and whether a proxy is needed (HTTPS_PROXY)"


def test_an_address_of_somebody_else_is_to_be_checked() -> None:
    """It has no region."""
    hint = "check the network, and the address in `endpoint_url` or AWS_ENDPOINT_URL"
    assert advice("https://sts.corp.example/") == hint
    assert advice("https://example.amazonaws.com.example/") == hint


def test_on_loopback_the_sandbox_may_not_run() -> None:
    """Or it runs, but without TLS."""
    assert "`dsops sandbox serve`" in advice("http://127.0.0.1:4566/", "connection refused")
    assert "write http://127.0.0.1:4566" in advice("https://127.0.0.1:4566/", "SSL routines: wrong version number")
    assert "`dsops sandbox serve`" in advice("https://127.0.0.1:4566/", "connection refused")


def test_a_proxy_comes_first() -> None:
    """Whatever the host, it was the proxy that was asked; by the variable that names it."""
    assert advice("https://sts.us-east1.amazonaws.com/", proxy=PROXY) == "check HTTPS_PROXY and NO_PROXY"
    assert "USER:PASSWORD" in advice("https://sts.amazonaws.com/", "the proxy answered 407", PROXY)
    assert "HTTPS_PROXY" in for_broken(PROXY)
    assert "PROXY" not in for_broken(None)


@pytest.mark.parametrize(
    ("why", "hint"),
    [
        ("SSL: no alternative certificate subject name matches target host name 'a'", "another name"),
        ("hostname 'a' doesn't match 'b'", "another name"),
        ("SSL certificate problem: certificate has expired", "renew"),
        ("SSL certificate problem: unable to get local issuer certificate", "AWS_CA_BUNDLE"),
    ],
)
def test_a_certificate_has_one_of_three_faults(why: str, hint: str) -> None:
    """More trust helps against only one of them."""
    assert hint in for_certificate(why)
    assert ("AWS_CA_BUNDLE" in for_certificate(why)) == (hint == "AWS_CA_BUNDLE")
