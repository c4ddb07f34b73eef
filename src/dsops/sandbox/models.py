"""botocore's service models: which operations there are, what they take, how it is written on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from dsops.sandbox.served import SERVED

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

TARGETS: Mapping[str, tuple[str, ...]] = _gathered("target")
"""Prefix of X-Amz-Target -> the services that it may be."""

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
    """Every operation that AWS's model of the service has."""
    return frozenset(service_model(service).operation_names)


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
    return SERVED[service].signing_name
