"""Resolves the address of an AWS service from region, FIPS, dual stack and AWS_ENDPOINT_URL*. No side effects.

A test compares the tables with botocore's endpoint rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.arn import PARTITIONS, Partition, partition_of_region
from dsops.errors import ConfigError, VariableInvalid
from dsops.startup import NamedTuple

# Maps a service name to the ID in the variable name AWS_ENDPOINT_URL_<ID>.
SERVICE_IDS = {
    "sts": "STS",
    "secretsmanager": "SECRETS_MANAGER",
    "ssm": "SSM",
    "iam": "IAM",
    "organizations": "ORGANIZATIONS",
    "kms": "KMS",
    "sso": "SSO",
    "sso-oidc": "SSO_OIDC",
    "iam-toolbox": "IAM_TOOLBOX",
    "athena": "ATHENA",
    "rolesanywhere": "ROLESANYWHERE",
}
_SIGNED_AS = {"iam-toolbox": "iam", "sso-admin": "sso", "s3-control": "s3"}
"""Services whose requests are signed under the name of another service."""
_HOST_PREFIXES = {"sso": "portal.sso", "sso-oidc": "oidc", "sso-admin": "sso"}
"""The first part of the host name, for services where it differs from the service's name.

IAM Identity Center's host names are from the time when it was called AWS SSO.
"""
_WITH_FIPS_NAMES = ("secretsmanager", "kms", "athena")
"""Services whose FIPS host names in GovCloud differ from their standard host names."""
_OF_A_PARTITION = ("iam", "organizations")
"""Services that have one address for all regions of a partition."""

GLOBAL_REGION = "aws-global"
"""The pseudo-region of https://sts.amazonaws.com, which is signed for us-east-1."""

# A region becomes part of a host name: a string that is not a plain label could send the credentials to another host.
_REGION = re.compile(r"(?![0-9]+\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?\Z")
# A path has one slash between segments, and no segment `.` or `..`, since signers treat such paths differently.
_PATH = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=:%-]+)*/?\Z")
_IPV6 = re.compile(r"\[[0-9A-Fa-f:.]{2,45}\]\Z")
# 127.0.0.256 is no IP address: a resolver treats it as a host name, and may append an attacker's search domain.
_LOOPBACK_IPV4 = re.compile(r"127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}\Z")
# Matches the region label in AWS's own host names. A host with `s3` in that position is a customer's bucket.
_REGION_OF_AWS = re.compile(r"(?:[a-z]{2}|eusc)(?:-[a-z]+){1,3}-[0-9]{1,2}\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443}

# IAM's addresses, one set per partition, which follow no rule: (standard, dual stack, FIPS, FIPS and dual stack,
# signing region).
_IAM: dict[str, tuple[str, str, str, str, str]] = {
    "aws": (
        "iam.amazonaws.com",
        "iam.global.api.aws",
        "iam-fips.amazonaws.com",
        "iam-fips.global.api.aws",
        "us-east-1",
    ),
    "aws-cn": (
        "iam.cn-north-1.amazonaws.com.cn",
        "iam.global.api.amazonwebservices.com.cn",
        "iam-fips.amazonaws.com.cn",
        "iam-fips.api.amazonwebservices.com.cn",
        "cn-north-1",
    ),
    "aws-us-gov": (
        "iam.us-gov.amazonaws.com",
        "iam.us-gov.api.aws",
        "iam.us-gov.amazonaws.com",
        "iam.us-gov.api.aws",
        "us-gov-west-1",
    ),
    "aws-iso": (
        "iam.us-iso-east-1.c2s.ic.gov",
        "iam.api.aws.ic.gov",
        "iam-fips.us-iso-east-1.c2s.ic.gov",
        "iam-fips.api.aws.ic.gov",
        "us-iso-east-1",
    ),
    "aws-iso-b": (
        "iam.us-isob-east-1.sc2s.sgov.gov",
        "iam.api.aws.scloud",
        "iam-fips.us-isob-east-1.sc2s.sgov.gov",
        "iam-fips.api.aws.scloud",
        "us-isob-east-1",
    ),
    "aws-iso-e": (
        "iam.eu-isoe-west-1.cloud.adc-e.uk",
        "iam.api.cloud-aws.adc-e.uk",
        "iam-fips.cloud.adc-e.uk",
        "iam-fips.api.cloud-aws.adc-e.uk",
        "eu-isoe-west-1",
    ),
    "aws-iso-f": (
        "iam.us-isof-south-1.csp.hci.ic.gov",
        "iam.api.aws.hci.ic.gov",
        "iam-fips.csp.hci.ic.gov",
        "iam-fips.api.aws.hci.ic.gov",
        "us-isof-south-1",
    ),
    "aws-eusc": (
        "iam.eusc-de-east-1.amazonaws.eu",
        "iam.global.api.amazonwebservices.eu",
        "iam-fips.amazonaws.eu",
        "iam-fips.api.amazonwebservices.eu",
        "eusc-de-east-1",
    ),
}


class Endpoint(NamedTuple):
    """The address of a service in a region, with the service and region names for signatures."""

    url: str
    """The URL, such as `https://sts.us-east-1.amazonaws.com`; a configured endpoint may have a port and a path."""
    service: str
    """The service's name, also used in signatures.

    Requests to `sso` and `sso-oidc` are not signed. They send a token.
    """
    region: str
    signing_region: str
    short: str
    """A short text for messages: `sts.us-east-1`, or `sts at 127.0.0.1:4566` for a configured endpoint."""


class Address(NamedTuple):
    """The target of a connection to an http(s) URL. `host` is in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """`host`, or `host:port` if the port isn't the scheme's default port; an IPv6 address is in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_address(url: str) -> Address | None:
    """Parse `http[s]://host[:port][/path]`; None for anything else.

    A URL with a user part, query or fragment is rejected. Endpoints have none of these, and a user part can make one
    host look like another.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    authority, slash, path = rest.partition("/")
    if not separator or scheme not in _DEFAULT_PORTS or not _PATH.match(slash + path):
        return None
    host, port = authority, ""
    if not _IPV6.match(authority):
        host, colon, port = authority.rpartition(":")
        if not colon:
            host, port = authority, ""
        elif not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
            return None
    if _IPV6.match(host):
        host = host[1:-1]
    elif not _HOST_NAME.match(host):
        return None
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    return Address(scheme, host.lower().rstrip("."), number, slash + path)


def better_address(text: str) -> str:
    """Suggest a correction for an invalid URL: the text with a scheme, or the general form if that is invalid, too."""
    scheme = "http" if text.startswith(("localhost", "127.", "[::1]")) else "https"
    address = f"{scheme}://{text}"
    return address if parse_address(address) else "https://host[:port][/path]"


def is_loopback(host: str) -> bool:
    """Return whether a host name or address always means this machine: `localhost`, 127.0.0.0/8, `::1`."""
    host = host.lower().strip("[]").rstrip(".")
    if host in ("localhost", "::1"):
        return True
    return _LOOPBACK_IPV4.match(host) is not None


def is_aws_host(host: str) -> bool:
    """Return whether the host belongs to an AWS service, including VPC endpoints.

    The domain `amazonaws.com` alone proves nothing, because it also contains the names of customers' buckets, load
    balancers and instances.
    """
    host = host.lower().rstrip(".")
    labels = host.split(".")
    if labels[0].startswith("vpce-"):
        # an example is vpce-0123456789abcdef0-abcdefgh.sts.us-east-1.vpce.amazonaws.com
        del labels[0]
        if labels[2:3] != ["vpce"]:
            return False
        del labels[2]
    if any(host in row[:4] for row in _IAM.values()):
        return True
    if labels[0] == "portal":
        labels[:2] = [".".join(labels[:2])]
    prefix = labels[0].removesuffix("-fips")
    is_service = prefix in (_HOST_PREFIXES.get(service, service) for service in SERVICE_IDS)
    return is_service and any(_is_under(partition, labels[1:]) for partition in PARTITIONS)


def _is_under(partition: Partition, labels: list[str]) -> bool:
    """Return whether the labels are a partition's domain, or a region of the partition followed by its domain."""
    for suffix in (partition.dns_suffix, partition.dual_stack_suffix):
        end = suffix.split(".")
        region = labels[: -len(end)]
        if labels[-len(end) :] != end or len(region) > 1:
            continue
        if not region or (_REGION_OF_AWS.match(region[0]) and partition_of_region(region[0]) == partition):
            return True
    return False


def is_region_name(region: str) -> bool:
    """Return whether the text can be a region in a host name."""
    return _REGION.match(region) is not None


def resolve_endpoint(
    service: str,
    region: str,
    environ: Mapping[str, str],
    *,
    endpoint_url: str = "",
    fips: bool = False,
    dual_stack: bool = False,
) -> Endpoint:
    """Resolve the address of a service for a region; a service not in `SERVICE_IDS` gets AWS's usual host name.

    The first of these that is set applies:

    - `endpoint_url`
    - AWS_ENDPOINT_URL_<SERVICE>
    - AWS_ENDPOINT_URL
    - the region's own host

    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS disables the two variables. FIPS and dual stack are also enabled by
    AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT. Raises ConfigError for an invalid region name, and for an
    address that is neither https nor on loopback.
    """
    if not _REGION.match(region):
        raise ConfigError(
            f"`{region}` is not the name of a region" if region else f"no region is known for {service}",
            hint="set `region` on the store or AWS_REGION, for example us-east-1",
        )
    for url, origin in _configured_urls(service, environ, endpoint_url):
        address = parse_address(url)
        kind = VariableInvalid if origin.startswith("AWS_") else ConfigError
        if address is None:
            raise kind(f"{origin} is not an address that dsops can use", hint=f"write {better_address(url)}")
        if address.scheme == "http" and not is_loopback(address.host):
            raise kind(
                f"{origin} would send credentials unencrypted to {address.authority}",
                why="http:// is allowed for loopback addresses only",
                hint=f"write https://{address.host}",
            )
        signing_region = "us-east-1" if region == GLOBAL_REGION else region
        signed_as = _SIGNED_AS.get(service, service)
        return Endpoint(url.rstrip("/"), signed_as, region, signing_region, f"{service} at {address.authority}")
    fips = fips or _is_on(environ, "AWS_USE_FIPS_ENDPOINT")
    dual_stack = dual_stack or _is_on(environ, "AWS_USE_DUALSTACK_ENDPOINT")
    host, signing_region = _regional_host(service, region, fips=fips, dual_stack=dual_stack)
    short = service if service in _OF_A_PARTITION else f"{service}.{region}"
    return Endpoint(f"https://{host}", _SIGNED_AS.get(service, service), region, signing_region, short)


def _configured_urls(service: str, environ: Mapping[str, str], endpoint_url: str) -> list[tuple[str, str]]:
    """Return the configured addresses, each with the setting that contains it. Callers use the first address."""
    configured_urls = [(endpoint_url, "`endpoint_url`")]
    if not _is_on(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        service_id = SERVICE_IDS.get(service, service.upper().replace("-", "_"))
        names = (f"AWS_ENDPOINT_URL_{service_id}", "AWS_ENDPOINT_URL")
        configured_urls += [(environ.get(name, ""), name) for name in names]
    return [(url, origin) for url, origin in configured_urls if url]


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    # As in botocore's ensure_boolean, only "true" (in any case) turns the setting on.
    return environ.get(name, "").strip().lower() == "true"


def _regional_host(service: str, region: str, *, fips: bool, dual_stack: bool) -> tuple[str, str]:
    """Return AWS's own host for the service, and the region for signatures."""
    partition = partition_of_region(region)
    if service == "iam":
        row = _IAM[partition.name]
        return row[2 * fips + dual_stack], row[4]
    if service == "organizations":
        region = partition.global_region
    if region == GLOBAL_REGION:
        if service != "sts" or fips or dual_stack:
            raise ConfigError(
                f"{service} has no endpoint of this kind in the region {GLOBAL_REGION}",
                why=f"{GLOBAL_REGION} has only the global endpoint of STS, without FIPS and dual stack",
                hint="set `region` to a real region, for example us-east-1",
            )
        return "sts.amazonaws.com", "us-east-1"
    prefix, suffix = _HOST_PREFIXES.get(service, service), partition.dns_suffix
    if dual_stack and _has_dual_stack_name(service, partition, fips=fips):
        suffix = partition.dual_stack_suffix
    if fips and not _is_plain_name_fips(service, partition, dual_stack=dual_stack):
        prefix += "-fips"
    return f"{prefix}.{region}.{suffix}", region


def _is_plain_name_fips(service: str, partition: Partition, *, dual_stack: bool) -> bool:
    """Return whether the standard host name also serves FIPS, as it does for STS, SSM and Organizations in GovCloud."""
    if service == "iam-toolbox":
        return False
    is_one = service == "organizations" or (service not in _WITH_FIPS_NAMES and not dual_stack)
    return partition.name == "aws-us-gov" and is_one


def _has_dual_stack_name(service: str, partition: Partition, *, fips: bool) -> bool:
    """Return whether the service has a separate host name for dual stack.

    In most partitions, Secrets Manager has none, because its usual host name also serves IPv6.
    """
    if service != "secretsmanager" or partition.name not in ("aws", "aws-us-gov", "aws-cn"):
        return True
    return fips and partition.name == "aws-cn"
