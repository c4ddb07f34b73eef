"""Look up Lambda functions in moto's backend, with the package and the layers that an invocation needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dsops.request.lookups import SecretLocation

if TYPE_CHECKING:
    from moto.awslambda import models as moto_lambda


class StoredFunction(NamedTuple):
    """A version of a function."""

    name: str
    arn: str
    """The function's ARN without a version."""
    version: str
    role: str
    runtime: str
    """The runtime, such as `python3.12`; "" for a container image."""
    handler: str
    package: bytes
    layers: tuple[bytes, ...]
    memory_mb: int
    timeout_seconds: int
    temporary_mb: int
    environment: Mapping[str, str]


def find_function(place: SecretLocation, name: str, qualifier: str = "") -> StoredFunction | None:
    """Return a function, its version or the version behind an alias; None if it does not exist."""
    from moto.awslambda.exceptions import LambdaClientError
    from moto.awslambda_simple.models import lambda_simple_backends

    backend = lambda_simple_backends[place.account][place.region]
    try:
        stored: moto_lambda.LambdaFunction | None = backend.get_function(name, qualifier or None)
    except LambdaClientError:
        return None
    if stored is None:
        return None
    layers = (backend.layers_versions_by_arn(str(layer["Arn"])) for layer in stored.layers)
    is_latest = stored.version in {1, "$LATEST"} and qualifier in {"", "$LATEST"}
    return StoredFunction(
        stored.function_name,
        stored.function_arn.partition(f":function:{name}")[0] + f":function:{name}",
        "$LATEST" if is_latest else str(stored.version),
        stored.role,
        stored.run_time or "",
        stored.handler or "",
        stored.code_bytes if stored.package_type == "Zip" else b"",
        tuple(layer.code_bytes for layer in layers if layer is not None),
        int(stored.memory_size),
        int(stored.timeout),
        int(stored.ephemeral_storage),
        dict(stored.environment_vars),
    )


def has_log_group(place: SecretLocation, name: str) -> bool:
    """Whether a log group exists."""
    from moto.logs.models import logs_backends

    return name in logs_backends[place.account][place.region].groups
