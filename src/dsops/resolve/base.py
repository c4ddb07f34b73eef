"""STS, IAM and the environment as the base credentials reach them: those that sign the first hop."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.aws.identity.ambient import load_ambient
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.plan import Plan
from dsops.resolve.identity import ambient_of, endpoints_of
from dsops.runtime import Runtime
from dsops.stores.endpoints import endpoint_of

DEFAULT_REGION = "us-east-1"
"""The region for STS where none is configured: GetCallerIdentity gives the same answer in every region."""


def load_base(runtime: Runtime) -> Credentials:
    """The base credentials. Raises AmbientFailed, or NoCredentials where there are none."""
    return load_ambient(runtime.environ, runtime.folder, now=runtime.now())


def base_region(runtime: Runtime) -> str:
    """The region of the environment, or of its profile; "" where neither has one."""
    environ = runtime.environ
    named = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    # The digest that the key is for is not used here.
    return named or ambient_of(environ, b"", runtime.folder)("").region


def base_environ(runtime: Runtime, profile: str = "") -> Mapping[str, str]:
    """The environment, with the endpoints that the base credentials' profile configures."""
    return {**runtime.environ, **dict(endpoints_of(runtime.environ, profile, runtime.folder))}


def base_endpoint(runtime: Runtime, region: str = "", profile: str = "") -> Endpoint:
    """STS for the base credentials: in `region`, else in that of the environment or its profile."""
    return resolve_endpoint("sts", region or base_region(runtime) or DEFAULT_REGION, base_environ(runtime, profile))


def session_endpoint(plan: Plan, name: str, runtime: Runtime) -> Endpoint:
    """STS as the store that issues the session calls it; the address of a secret store is another service's."""
    step = plan.steps[name]
    while not step.operation and step.credentials_from:
        step = plan.steps[step.credentials_from]
    return endpoint_of(step, "sts", runtime) if step.operation else base_endpoint(runtime, step.region)


def base_source(source: str, caller_arn: str) -> str:
    """Where base credentials come from; an instance with its id, the name of the session of its role."""
    session = caller_arn.rpartition("/")[2]
    is_instance = source.endswith("the instance's role") and session.startswith("i-")
    return f"{source} {session}" if is_instance else source
