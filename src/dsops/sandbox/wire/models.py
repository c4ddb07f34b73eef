"""botocore's service models: which operations there are, what they take, how it is written on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal

from dsops.errors import nearest
from dsops.sandbox.wire.service_table import SERVED

TOOLBOX: Final = "iam-toolbox"
"""Moto has none, and so it is not in the table of services."""
_SIGNED_ELSEWHERE: Final = {TOOLBOX: "iam"}

OIDC: Final = "sso-oidc"
PORTAL: Final = "sso"
CENTER_SERVICES: Final = frozenset({OIDC, PORTAL})
"""The services of IAM Identity Center, as botocore names them; moto does not answer for them either."""

EVERY_SERVICE: Final = "all"
"""In the place of a service's name."""

Protocol = Literal["query", "ec2", "json", "cbor", "rest-json", "rest-xml"]

_WRITTEN_AS: Mapping[str, Protocol] = {
    "query": "query",
    "ec2": "ec2",
    "json": "json",
    "rest-json": "rest-json",
    "rest-xml": "rest-xml",
    "smithy-rpc-v2-cbor": "cbor",
}


def _gathered(name: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for service, served in SERVED.items():
        key = getattr(served, name)
        if key:
            found[key] = (*found.get(key, ()), service)
    return found


SIGNED_AS: Mapping[str, tuple[str, ...]] = _gathered("signing_name")
"""Service of a credential scope -> the services that it may be."""

TARGETS: Mapping[str, tuple[str, ...]] = {
    name: services for prefix, services in _gathered("target").items() for name in (prefix, prefix.rpartition(".")[2])
}
"""What X-Amz-Target begins with -> the services that it may be: botocore's prefix, or what stands after its last dot.

That is the name of the service's shape in AWS's Smithy models, which the SDKs for Go, Rust, Kotlin and Swift send.
"""

VERSIONS: Mapping[str, tuple[str, ...]] = _gathered("version")
"""`Version` of the query protocol -> the services that it may be."""


@cache
def _loader() -> Any:  # botocore ships no types, here and below
    from botocore.loaders import Loader

    # Its own data only: a folder of models in the user's home must not change what the sandbox checks.
    return Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])


@cache
def service_model(service: str) -> Any:
    """The model of a served service."""
    from botocore.model import ServiceModel

    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def operation_names(service: str) -> frozenset[str]:
    """Every operation that AWS's model of the service has; none where this botocore has no such model."""
    from botocore.exceptions import UnknownServiceError

    try:
        return frozenset(service_model(service).operation_names)
    except UnknownServiceError:
        return frozenset()


@cache
def operation_model(service: str, operation: str) -> Any:
    """The model of one operation, which must be one of `operation_names`."""
    return service_model(service).operation_model(operation)


@cache
def protocols(service: str) -> tuple[Protocol, ...]:
    """The protocols that a service speaks, the one first that moto is spoken to in: it has no CBOR."""
    metadata = service_model(service).metadata
    spoken = [_WRITTEN_AS[name] for name in metadata.get("protocols", [metadata["protocol"]]) if name in _WRITTEN_AS]
    return tuple(sorted(spoken, key=lambda protocol: protocol == "cbor"))


def signing_name(service: str) -> str:
    """The service in the scope of a signature for it."""
    return _SIGNED_ELSEWHERE.get(service) or SERVED[service].signing_name


def event_source(service: str) -> str:
    """Whose events CloudTrail calls them. The IAM Toolbox's have its own name, and IAM's signatures (seen on AWS)."""
    return service if service == TOOLBOX else signing_name(service)


def why_unknown(service: str, *more: str) -> str:
    """Why that is none of the services, or of those that are named besides, and which was meant; "" where it is one."""
    known = {*SERVED, *more}
    if service in known:
        return ""
    meant = nearest(service, sorted(known))
    return f"the sandbox has no service `{service}`" + (f": did you mean `{meant}`?" if meant else "")
