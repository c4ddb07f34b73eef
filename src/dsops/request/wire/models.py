"""Load botocore's service models: operations, their shapes and their protocols."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal

from dsops.errors import nearest
from dsops.request.wire.service_table import SERVED

TOOLBOX: Final = "iam-toolbox"
"""The IAM Toolbox, which moto lacks. The table of services therefore does not list it."""
ROLES_ANYWHERE: Final = "rolesanywhere"
"""IAM Roles Anywhere, which moto lacks."""
_SIGNED_ELSEWHERE: Final = {TOOLBOX: "iam", ROLES_ANYWHERE: ROLES_ANYWHERE}

OIDC: Final = "sso-oidc"
PORTAL: Final = "sso"
CENTER_SERVICES: Final = frozenset({OIDC, PORTAL})
"""botocore's names for the two services of IAM Identity Center, which moto does not implement."""

EVERY_SERVICE: Final = "all"
"""The word that means all services, for use in place of a service name."""

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
    services_by_value: dict[str, tuple[str, ...]] = {}
    for service, served in SERVED.items():
        key = getattr(served, name)
        if key:
            services_by_value[key] = (*services_by_value.get(key, ()), service)
    return services_by_value


SIGNED_AS: Mapping[str, tuple[str, ...]] = _gathered("signing_name")
"""Signing name -> the services whose requests are signed with it."""

TARGETS: Mapping[str, tuple[str, ...]] = {
    name: services for prefix, services in _gathered("target").items() for name in (prefix, prefix.rpartition(".")[2])
}
"""Prefix of X-Amz-Target -> the services that use this prefix.

Each service is listed under botocore's prefix and under the text after that prefix's last dot. This text is the
service's shape name in AWS's Smithy models, which the SDKs for Go, Rust, Kotlin and Swift send.
"""

VERSIONS: Mapping[str, tuple[str, ...]] = _gathered("version")
"""Value of the query protocol's `Version` -> the services that use it."""


@cache
def _loader() -> Any:  # Any, here and below: botocore has no type hints
    from botocore.loaders import Loader

    # Load botocore's own data only: models in the user's home directory must not change what the sandbox checks.
    return Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])


@cache
def service_model(service: str) -> Any:
    """Return the model of a service that the sandbox serves."""
    from botocore.model import ServiceModel

    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def operation_names(service: str) -> frozenset[str]:
    """Return the names of all operations in AWS's model; empty if the installed botocore lacks the model."""
    from botocore.exceptions import UnknownServiceError

    try:
        return frozenset(service_model(service).operation_names)
    except UnknownServiceError:
        return frozenset()


@cache
def operation_model(service: str, operation: str) -> Any:
    """Return the model of an operation in `operation_names`."""
    return service_model(service).operation_model(operation)


@cache
def protocols(service: str) -> tuple[Protocol, ...]:
    """Return the protocols of a service. moto is called with the first protocol, because moto lacks CBOR."""
    metadata = service_model(service).metadata
    spoken = [_WRITTEN_AS[name] for name in metadata.get("protocols", [metadata["protocol"]]) if name in _WRITTEN_AS]
    return tuple(sorted(spoken, key=lambda protocol: protocol == "cbor"))


def resolve_endpoint(service: str, region: str, *, is_fips: bool, is_dual_stack: bool) -> tuple[str, str] | None:
    """Return the URL of a service by botocore's rules, and the region in its signatures if it is another one ("").

    Returns None if the rules give no endpoint.
    """
    from botocore.exceptions import BotoCoreError

    provider = _endpoint_provider(service)
    if provider is None:
        return None
    try:
        found = provider.resolve_endpoint(
            Region=region, UseFIPS=is_fips, UseDualStack=is_dual_stack, **_static_parameters(service)
        )
    except (BotoCoreError, KeyError, TypeError):
        return None
    schemes = [scheme for scheme in found.properties.get("authSchemes", ()) if scheme.get("name") == "sigv4"]
    return str(found.url), next((str(scheme["signingRegion"]) for scheme in schemes if "signingRegion" in scheme), "")


@cache
def _static_parameters(service: str) -> dict[str, str]:
    """Return the parameters of the rules that the operations' models set, as in ACM. Most operations have these values.

    Other operations have another endpoint, which is none of the service's.
    """
    rules = _loader().load_service_model(service, "endpoint-rule-set-1")
    needed = {
        name
        for name, facts in rules["parameters"].items()
        if facts.get("required") and not {"builtIn", "default"} & facts.keys()
    }
    values: dict[str, list[str]] = {}
    for operation in operation_names(service) if needed else ():
        for parameter in operation_model(service, operation).static_context_parameters:
            values.setdefault(parameter.name, []).append(str(parameter.value))
    return {name: max(set(found), key=found.count) for name, found in values.items() if name in needed}


@cache
def _endpoint_provider(service: str) -> Any:
    from botocore.endpoint_provider import EndpointProvider
    from botocore.exceptions import UnknownServiceError

    try:
        rules = _loader().load_service_model(service, "endpoint-rule-set-1")
    except UnknownServiceError:
        return None
    return EndpointProvider(rules, _loader().load_data("partitions"))


def signing_name(service: str) -> str:
    """Return the service's name in the credential scope of its signatures."""
    return _SIGNED_ELSEWHERE.get(service) or SERVED[service].signing_name


def event_source(service: str) -> str:
    """Return the service's name in CloudTrail's eventSource.

    This is the signing name, except for the IAM Toolbox: its requests are signed for iam, but its events have the
    service's own name (observed on AWS).
    """
    return service if service == TOOLBOX else signing_name(service)


def why_unknown(service: str, *more: str) -> str:
    """Return why no service has this name, with a suggestion; "" if it is a service's name or one of `more`."""
    names = {*SERVED, *more}
    if service in names:
        return ""
    suggestion = nearest(service, sorted(names))
    return f"the sandbox has no service `{service}`" + (f": did you mean `{suggestion}`?" if suggestion else "")
