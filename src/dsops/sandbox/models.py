"""botocore's service models: which operations there are, what they take, how it is written on the wire."""

from __future__ import annotations

from functools import cache
from typing import Any

SERVED = ("sts", "iam", "secretsmanager", "ssm")
"""The services whose requests are served; their endpoint prefix is also their signing name."""

VERSIONS = {"2011-06-15": "sts", "2010-05-08": "iam"}
"""API version -> service, for those that speak the query protocol."""

TARGETS = {"secretsmanager": "secretsmanager", "AmazonSSM": "ssm"}
"""Prefix of X-Amz-Target -> service, for those that speak JSON."""


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
