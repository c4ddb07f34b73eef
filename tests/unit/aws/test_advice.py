"""Hints for a server that cannot be reached or trusted."""

from __future__ import annotations

import pytest

from dsops.aws.http.advice import for_broken, for_certificate, for_unreachable
from dsops.aws.http.network import Proxy
from dsops.aws.http.wire import WireRequest
from dsops.endpoint import Address

PROXY = Proxy(Address("http", "proxy.example", 3128, ""), "", None, "HTTPS_PROXY")


def advice(url: str, why: str = "its name can't be resolved", proxy: Proxy | None = None) -> str:
    """Return the hint for a request to this URL that failed for this reason."""
    return for_unreachable(WireRequest("POST", url).address, proxy, why)


@pytest.mark.parametrize("region", ["us-east1", "us-esat-1", "useast1"])
def test_an_unknown_region_has_a_suggestion(region: str) -> None:
    """An unknown region in an AWS host name is named in the hint, with the region that was probably meant.

    AWS has no host for a mistyped region, so a name that cannot be resolved is the only symptom.
    """
    hint = advice(f"https://sts.{region}.amazonaws.com/")
    assert f"`{region}` is not a region" in hint
    assert "did you mean `us-east-1`?" in hint


@pytest.mark.parametrize("host", ["oidc.eu-centrl-1", "portal.sso.eu-centrl-1", "portal.sso-fips.eu-centrl-1"])
def test_an_unknown_region_of_a_login_names_sso_region(host: str) -> None:
    """For IAM Identity Center hosts the hint names `sso_region`, because `region` does not apply to logins."""
    hint = advice(f"https://{host}.amazonaws.com/")
    assert hint.endswith("did you mean `eu-central-1`? it stands in `sso_region`")


def test_an_unknown_region_without_a_suggestion() -> None:
    """For a region that resembles no known region the hint suggests none, because a wrong guess would mislead."""
    hint = "`xyz` is not a region that dsops knows: check `region` or AWS_REGION"
    assert advice("https://ssm.xyz.amazonaws.com/") == hint


@pytest.mark.parametrize(
    "host", ["sts.eu-west-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn", "sts.amazonaws.com"]
)
def test_an_existing_region_suggests_the_network(host: str) -> None:
    """For an existing region the hint suggests the network or a missing proxy."""
    assert advice(f"https://{host}/") == "check the network, and whether a proxy is needed (HTTPS_PROXY)"


def test_a_host_that_is_not_awss() -> None:
    """For a host that is not one of AWS's, the hint says to check `endpoint_url`."""
    hint = "check the network, and the address in `endpoint_url` or AWS_ENDPOINT_URL"
    assert advice("https://sts.corp.example/") == hint
    assert advice("https://example.amazonaws.com.example/") == hint


def test_on_loopback_the_sandbox_may_not_run() -> None:
    """For a loopback host, the hint is to run `dsops sandbox serve`, or to write http if the server has no TLS."""
    assert "`dsops sandbox serve`" in advice("http://127.0.0.1:4566/", "connection refused")
    assert "write http://127.0.0.1:4566" in advice("https://127.0.0.1:4566/", "SSL routines: wrong version number")
    assert "`dsops sandbox serve`" in advice("https://127.0.0.1:4566/", "connection refused")


def test_a_proxy_comes_first() -> None:
    """If a proxy was used, the hint names the proxy's variable, whatever the host."""
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
def test_each_certificate_problem_has_its_hint(why: str, hint: str) -> None:
    """Each certificate problem has its own hint; only an untrusted authority has the hint AWS_CA_BUNDLE."""
    assert hint in for_certificate(why)
    assert ("AWS_CA_BUNDLE" in for_certificate(why)) == (hint == "AWS_CA_BUNDLE")
