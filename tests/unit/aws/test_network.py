"""Which proxy and which certificates a request uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsops.aws.http import network
from dsops.aws.http.network import Trust, proxy_for, system_trust, trust_from
from dsops.endpoint import Address, parse_address
from dsops.errors import ConfigError

PROXY = "http://proxy.example:3128"


def address(url: str) -> Address:
    """Parse a URL that is valid."""
    parsed = parse_address(url)
    assert parsed is not None
    return parsed


STS = address("https://sts.us-east-1.amazonaws.com")


def proxy(url: str, **environ: str) -> str:
    """Return the proxy's URL, or "" if no proxy is used."""
    proxy_used = proxy_for(address(url), environ)
    return proxy_used.url if proxy_used is not None else ""


def test_the_scheme_chooses_the_variable() -> None:
    """HTTPS_PROXY applies only to https and HTTP_PROXY only to http."""
    assert proxy("https://a.example", HTTPS_PROXY=PROXY) == PROXY
    assert proxy("https://a.example", HTTP_PROXY=PROXY, ALL_PROXY=PROXY) == ""
    assert proxy("http://a.example", HTTP_PROXY=PROXY) == PROXY
    assert proxy("http://a.example", HTTPS_PROXY=PROXY) == ""
    assert proxy("https://a.example") == ""


def test_lower_case_wins() -> None:
    """A lower-case proxy variable takes precedence, as in curl and Python; an empty one counts as unset."""
    assert proxy("https://a.example", https_proxy=PROXY, HTTPS_PROXY="http://other:1") == PROXY
    assert proxy("https://a.example", https_proxy="", HTTPS_PROXY=PROXY) == PROXY
    proxy_used = proxy_for(STS, {"https_proxy": PROXY})
    assert proxy_used is not None
    assert proxy_used.origin == "https_proxy"


@pytest.mark.parametrize(
    ("value", "url", "username", "password"),
    [
        ("proxy.example:3128", "http://proxy.example:3128", "", None),
        ("http://proxy.example", "http://proxy.example:80", "", None),
        ("https://proxy.example/", "https://proxy.example:443", "", None),
        ("http://[::1]:8080", "http://[::1]:8080", "", None),
        ("http://ada:p%40ss%3A1@proxy.example:1", "http://proxy.example:1", "ada", "p@ss:1"),
        ("http://ada@proxy.example:1", "http://proxy.example:1", "ada", None),
        ("http://ada:@proxy.example:1", "http://proxy.example:1", "ada", ""),
        ("http://a@b:c@d@proxy.example:1", "http://proxy.example:1", "a@b", "c@d"),
        ("http://100%:%zz@proxy.example:1", "http://proxy.example:1", "100%", "%zz"),
    ],
)
def test_a_proxy_with_and_without_a_login(value: str, url: str, username: str, password: str | None) -> None:
    """The login in a proxy URL is percent-decoded, the port defaults to the scheme's, and repr omits the password."""
    proxy_used = proxy_for(STS, {"HTTPS_PROXY": value})
    assert proxy_used is not None
    assert (proxy_used.url, proxy_used.username) == (url, username)
    assert (proxy_used.password.reveal() if proxy_used.password is not None else None) == password
    assert password in (None, "") or password not in repr(proxy_used)


@pytest.mark.parametrize(
    "value", ["socks5://proxy:1080", "http://", "http://hidden@", "http://proxy/path", "http://p:0"]
)
def test_a_proxy_that_can_not_be_used(value: str) -> None:
    """An unusable proxy URL is an error that names the variable but not the URL, which may contain a password."""
    with pytest.raises(ConfigError, match="HTTPS_PROXY is not a valid proxy address") as caught:
        proxy_for(STS, {"HTTPS_PROXY": value})
    assert "hidden" not in f"{caught.value.message}{caught.value.why}{caught.value.hint}"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4566",
        "http://localhost:4566",
        "https://[::1]:1",
        "http://169.254.170.2",
        "http://[fd00:ec2::23]",
    ],
)
def test_this_machine_is_never_reached_through_a_proxy(url: str) -> None:
    """Requests to loopback and metadata addresses bypass the proxy, which would connect to its own machine."""
    assert proxy(url, HTTP_PROXY=PROXY, HTTPS_PROXY=PROXY) == ""


@pytest.mark.parametrize(
    ("exceptions", "host", "is_excepted"),
    [
        ("*", "sts.us-east-1.amazonaws.com", True),
        ("amazonaws.com", "sts.us-east-1.amazonaws.com", True),
        (".amazonaws.com", "sts.us-east-1.amazonaws.com", True),
        ("*.amazonaws.com", "sts.us-east-1.amazonaws.com", True),
        ("STS.US-EAST-1.AMAZONAWS.COM", "sts.us-east-1.amazonaws.com", True),
        ("a.example, amazonaws.com", "sts.us-east-1.amazonaws.com", True),
        ("a.example amazonaws.com", "sts.us-east-1.amazonaws.com", True),
        ("amazonaws.com:443", "sts.us-east-1.amazonaws.com", True),
        ("amazonaws.com:8443", "sts.us-east-1.amazonaws.com", False),
        ("aws.com", "sts.us-east-1.amazonaws.com", False),
        ("us-east-1", "sts.us-east-1.amazonaws.com", False),
        ("", "sts.us-east-1.amazonaws.com", False),
        (" , ", "sts.us-east-1.amazonaws.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.0.0.0/8", "sts.us-east-1.amazonaws.com", False),
        ("fd12::/16", "[fd12::1]", True),
        ("[fd12::1]", "[fd12::1]", True),
        ("fd12::1", "[fd12::1]", True),
        ("not/a/network", "10.1.2.3", False),
    ],
)
def test_exceptions_from_the_proxy(exceptions: str, host: str, *, is_excepted: bool) -> None:
    """NO_PROXY excludes hosts (with their subdomains), ports and networks from the proxy."""
    expected = "" if is_excepted else PROXY
    assert proxy(f"https://{host}", HTTPS_PROXY=PROXY, NO_PROXY=exceptions) == expected


def test_exceptions_in_lower_case_win() -> None:
    """Lower-case no_proxy takes precedence over NO_PROXY."""
    assert proxy("https://a.example", HTTPS_PROXY=PROXY, no_proxy="a.example", NO_PROXY="b.example") == ""


def test_certificates_by_variable(tmp_path: Path) -> None:
    """AWS_CA_BUNDLE takes precedence, as in botocore, over other variables; a folder has certificates named by hash."""
    (tmp_path / "one.pem").touch()
    (tmp_path / "two.pem").touch()
    first, two = str(tmp_path / "one.pem"), str(tmp_path / "two.pem")
    assert trust_from({}) is None
    assert trust_from({"REQUESTS_CA_BUNDLE": two, "AWS_CA_BUNDLE": first}) == Trust(first, "")
    assert trust_from({"SSL_CERT_FILE": first, "REQUESTS_CA_BUNDLE": two}) == Trust(two, "")
    assert trust_from({"CURL_CA_BUNDLE": two, "SSL_CERT_FILE": first}) == Trust(first, "")
    assert trust_from({"CURL_CA_BUNDLE": two, "SSL_CERT_FILE": ""}) == Trust(two, "")
    assert trust_from({"REQUESTS_CA_BUNDLE": str(tmp_path)}) == Trust("", str(tmp_path))
    assert trust_from({"SSL_CERT_FILE": "one.pem"}, str(tmp_path)) == Trust(first, "")


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_certificates_that_are_not_there(name: str) -> None:
    """A certificate file that does not exist is an error with variable and path; the system's are not used instead."""
    with pytest.raises(ConfigError, match=f"{name} is set to /nowhere/ca.pem, which does not exist"):
        trust_from({name: "/nowhere/ca.pem"})


def test_the_systems_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without variables the system's folder of hashed certificates is used, else its bundle, else botocore's."""
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    for number in range(20):
        (hashed / f"{number:08x}.0").touch()
    few = tmp_path / "few"
    few.mkdir()
    (few / "00000000.0").touch()
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    missing = str(tmp_path / "missing")
    monkeypatch.setattr(network, "_SYSTEM_FOLDERS", (missing, str(few), str(hashed)))
    monkeypatch.setattr(network, "_SYSTEM_FILES", (missing, str(bundle)))
    assert system_trust() == Trust("", str(hashed))
    monkeypatch.setattr(network, "_SYSTEM_FOLDERS", (missing, str(few)))
    assert system_trust() == Trust(str(bundle), "")
    monkeypatch.setattr(network, "_SYSTEM_FILES", (missing,))
    fallback = system_trust()
    assert fallback is not None
    assert "BEGIN CERTIFICATE" in Path(fallback.file).read_text(encoding="utf-8")
