"""Load an issuer's public keys: from a file, an HTTPS address, the issuer's discovery document, or SPIFFE's agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from dsops.aws.http.network import Trust, proxy_for, trust_from
from dsops.aws.http.transport import open_driver
from dsops.aws.http.wire import Response, WireRequest
from dsops.endpoint import is_loopback, parse_address
from dsops.errors import ConfigUnreadable, ServiceError
from dsops.input_file import read_file, reason
from dsops.tasks import Work, run, transfer
from dsops.workload.key_cache import no_keys, parse_key_set
from dsops.workload.workload_api import WorkloadApi

_DISCOVERY: Final = "/.well-known/openid-configuration"
_MOST_BYTES: Final = 1 << 20
_TIMEOUT_MS: Final = 10_000


class IssuerAddress(NamedTuple):
    """Where the keys of an OpenID Connect issuer are."""

    issuer: str
    """The issuer's https URL."""
    jwks: str = ""
    """An https URL or an absolute path of the key set; "" for the address in the issuer's discovery document."""
    ca_file: str = ""
    """The PEM file with the authority of both addresses, such as the cluster's `ca.crt`."""
    token_file: str = ""
    """A file with a token for the address, which Kubernetes' API server may require."""


def load_issuer_keys(address: IssuerAddress, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the key set of an OpenID Connect issuer. Raises DsopsError."""
    if address.jwks.startswith("/"):
        return parse_key_set(_content(address.jwks), address.jwks)
    url = address.jwks or _jwks_uri(address, environ)
    return parse_key_set(_run(_get(url, address, environ), environ), url)


def load_trust_bundle(trust_domain: str, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the JWT keys of a trust domain (`spiffe://NAME`) from the Workload API. Raises DsopsError."""
    api = WorkloadApi(environ, total_timeout_ms=_TIMEOUT_MS, attempts=2)
    bundles = _run(api.fetch_jwt_bundles(), environ)
    if trust_domain not in bundles:
        hint = f"the agent has bundles of {', '.join(sorted(bundles)) or 'no trust domain'}"
        raise ServiceError(f"the SPIFFE Workload API has no bundle of {trust_domain}", hint=hint)
    return parse_key_set(bundles[trust_domain], f"the bundle of {trust_domain}")


def is_https(url: str) -> bool:
    """Whether the URL is an https address, or an http address of this machine."""
    address = parse_address(url)
    return address is not None and (address.scheme == "https" or is_loopback(address.host))


def _jwks_uri(address: IssuerAddress, environ: Mapping[str, str]) -> str:
    url = address.issuer.rstrip("/") + _DISCOVERY
    try:
        document = json.loads(_run(_get(url, address, environ), environ))
        issuer, found = document["issuer"], document["jwks_uri"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise no_keys(url) from error
    # OpenID Connect Discovery 1.0, 4.3: the document's issuer must be the one that was asked for.
    if issuer != address.issuer or not isinstance(found, str) or not is_https(found):
        raise no_keys(url)
    return found


async def _get(url: str, address: IssuerAddress, environ: Mapping[str, str]) -> bytes:
    place = parse_address(url)
    if place is None or not is_https(url):
        raise ServiceError(f"{url[:200]} is not an https address", hint="correct `issuer` or `jwks`")
    headers: tuple[tuple[str, str], ...] = ()
    if address.token_file and place.authority == _authority(address.jwks or address.issuer):
        headers = (("Authorization", f"Bearer {_content(address.token_file).decode('ascii', 'replace').strip()}"),)
    trust = Trust(address.ca_file, "") if address.ca_file else trust_from(environ)
    request = WireRequest(
        "GET",
        url,
        (*headers, ("Accept", "application/json")),
        proxy=proxy_for(place, environ),
        trust=trust if place.scheme == "https" else None,
        connect_timeout_ms=_TIMEOUT_MS,
        total_timeout_ms=_TIMEOUT_MS,
    )
    response = cast("Response", await transfer(request))
    if response.status != 200:
        hint = "the address must be readable; for Kubernetes' API server set `ca_file` and `token_file`"
        raise ServiceError(f"{url} answered with status {response.status}", hint=hint)
    return response.body


def _authority(url: str) -> str:
    place = parse_address(url)
    return place.authority if place is not None else ""


def _content(path: str) -> bytes:
    try:
        return read_file(path, _MOST_BYTES).data
    except OSError as error:
        hint = "check the path and its permissions"
        raise ConfigUnreadable(f"{path} can't be read", why=reason(error), hint=hint) from error


def _run(work: Work[Any], environ: Mapping[str, str]) -> Any:
    """Run the work on a transport of its own, in this thread."""
    driver = open_driver(environ)
    try:
        return run(work, driver)
    finally:
        driver.close()
