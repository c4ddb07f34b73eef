"""Hints for a server that can't be reached or whose certificate is not trusted; imported on the first such failure."""

from __future__ import annotations

import re

from dsops.arn import PARTITIONS
from dsops.aws.http.network import Proxy
from dsops.endpoint import Address, is_aws_host, is_loopback
from dsops.errors import nearest

_REGION_SHAPE = r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}"
_OF_LOGINS = ("oidc.", "portal.sso.", "oidc-fips.", "portal.sso-fips.")
_WRONG_NAME = r"subject name|hostname mismatch|doesn't match|does not match|is not valid for"


def for_unreachable(address: Address, proxy: Proxy | None, why: str) -> str:
    """Return the hint for a failed connection: check the proxy, the sandbox, the region or the network."""
    host, authority = address.host, address.authority
    if proxy is not None:
        if "407" in why:
            return f"it wants a password: write http://USER:PASSWORD@HOST:PORT into {proxy.origin}"
        return f"check {proxy.origin} and NO_PROXY"
    if is_loopback(host):
        if address.scheme == "https" and re.search(r"\b(?:SSL|TLS)\b", why):
            return f"if it does not speak TLS, write http://{authority} into `endpoint_url` or AWS_ENDPOINT_URL"
        return "does a sandbox run there (`dsops sandbox serve`)? else correct `endpoint_url` or AWS_ENDPOINT_URL"
    region = _region_in(host)
    if not region and not is_aws_host(host):
        return "check the network, and the address in `endpoint_url` or AWS_ENDPOINT_URL"
    key = "`sso_region`" if host.startswith(_OF_LOGINS) else "`region` or AWS_REGION"
    return _for_region(region, key) or "check the network, and whether a proxy is needed (HTTPS_PROXY)"


def for_broken(proxy: Proxy | None) -> str:
    """Return the hint for a connection that broke before the response was complete."""
    if proxy is not None:
        return f"try again; if it persists, check {proxy.origin}"
    return "try again; if it persists, a firewall or proxy on the way may be closing it"


def for_certificate(why: str) -> str:
    """Return the hint for an untrusted certificate: wrong name, expired, or signed by a private CA."""
    if re.search(_WRONG_NAME, why, re.IGNORECASE):
        return "the certificate is for another name: check the address, and what answers there"
    if "expired" in why:
        return "the server's operator has to renew the certificate, unless this machine's clock is wrong"
    return "if a company proxy or a private CA signed the certificate, name its CA certificates with AWS_CA_BUNDLE"


def _region_in(host: str) -> str:
    """Return the region in a host such as `sts.us-east-1.amazonaws.com`; "" for other hosts.

    The region is returned even if AWS has no such region.
    """
    host = host.removeprefix("portal.")
    for partition in PARTITIONS:
        for suffix in (partition.dns_suffix, partition.dual_stack_suffix):
            labels = host.removesuffix(f".{suffix}").split(".")
            if host.endswith(f".{suffix}") and len(labels) == len(("sts", "us-east-1")):
                return labels[1]
    return ""


def _for_region(region: str, key: str) -> str:
    """Return a hint with the most similar region if `region` is not a region of AWS, else "".

    `key` is the setting that contains the region.
    """
    known = known_regions()
    if not region or region in known:
        return ""
    meant = nearest(region, known)
    if meant:
        return f"`{region}` is not a region that dsops knows: did you mean `{meant}`? it stands in {key}"
    if known or not re.fullmatch(_REGION_SHAPE, region):
        return f"`{region}` is not a region that dsops knows: check {key}"
    return ""


def known_regions() -> list[str]:
    """Return AWS's regions from botocore's data file, without importing botocore; [] when the file is unreadable."""
    import json
    import os
    from importlib.util import find_spec

    botocore = find_spec("botocore")
    if botocore is None or not botocore.submodule_search_locations:
        return []
    try:
        path = os.path.join(botocore.submodule_search_locations[0], "data", "partitions.json")
        with open(path, encoding="utf-8") as file:
            partitions = json.load(file)["partitions"]
        return [region for partition in partitions for region in partition["regions"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
