"""Find the endpoints that the AWS stores call."""

from __future__ import annotations

from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.plan import Step
from dsops.runtime import Runtime


def endpoint_of(step: Step, service: str, runtime: Runtime, region: str = "") -> Endpoint:
    """Return the service's endpoint for the step, in `region` or else in the step's region."""
    url = step.settings.get("endpoint_url", "")
    environ = {**runtime.environ, **dict(step.endpoints)} if step.endpoints else runtime.environ
    return resolve_endpoint(service, region or step.region, environ, endpoint_url=str(url))
