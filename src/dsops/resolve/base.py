"""Load the base credentials, which sign the first hop; find their region and STS endpoint."""

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
"""The region for STS calls if no region is known. GetCallerIdentity returns the same response in every region."""


def load_base(runtime: Runtime) -> Credentials:
    """Return the base credentials. Raises AmbientFailed, or NoCredentials if there are none."""
    return load_ambient(runtime.environ, runtime.folder, now=runtime.now())


def base_region(runtime: Runtime) -> str:
    """Return the region of the environment variables, else of the profile that they select; "" if neither has one."""
    environ = runtime.environ
    named = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    # The HMAC key affects only the digest, which is not used here.
    return named or ambient_of(environ, b"", runtime.folder)("").region


def base_environ(runtime: Runtime, profile: str = "") -> Mapping[str, str]:
    """Return the environment variables, with the endpoint settings of the base credentials' profile added."""
    return {**runtime.environ, **dict(endpoints_of(runtime.environ, profile, runtime.folder))}


def base_endpoint(runtime: Runtime, region: str = "", profile: str = "") -> Endpoint:
    """Return the STS endpoint for the base credentials.

    The first of these that is known is its region: `region`, the environment variables' region, the profile's region.
    """
    return resolve_endpoint("sts", region or base_region(runtime) or DEFAULT_REGION, base_environ(runtime, profile))


def session_endpoint(plan: Plan, name: str, runtime: Runtime) -> Endpoint:
    """Return the STS endpoint of the store that issues the session.

    The endpoint of a secret store is skipped, because it belongs to another service.
    """
    step = plan.steps[name]
    while not step.operation and step.credentials_from:
        step = plan.steps[step.credentials_from]
    return endpoint_of(step, "sts", runtime) if step.operation else base_endpoint(runtime, step.region)


def base_source(source: str, caller_arn: str) -> str:
    """Return the source of the base credentials.

    For an instance's role, the source includes the instance id, which is the session name of that role.
    """
    session = caller_arn.rpartition("/")[2]
    is_instance = source.endswith("the instance's role") and session.startswith("i-")
    return f"{source} {session}" if is_instance else source
