"""Check whether a session can open the AWS console, and find the console's partition."""

from __future__ import annotations

from dsops.arn import Partition, parse_arn, partition_named, partition_of_region
from dsops.credentials import Credentials
from dsops.endpoint import is_aws_host, parse_address
from dsops.errors import ConsoleRefused, UsageError
from dsops.plan import Plan
from dsops.resolve.base import session_endpoint
from dsops.runtime import Runtime


def partition_of_session(credentials: Credentials, region: str) -> Partition:
    """Return the partition of the session's role, or of the region if the role is not known."""
    arn = parse_arn(credentials.arn)
    return (partition_named(arn.partition) if arn else None) or partition_of_region(region)


def refuse_other_sts(plan: Plan, name: str, runtime: Runtime, variable: str) -> None:
    """Raise UsageError for a session that was not issued by AWS's own STS.

    The credentials of such a session must not be sent to AWS. `variable` is the environment variable that can set
    another federation endpoint.
    """
    url = session_endpoint(plan, name, runtime).url
    address = parse_address(url)
    if address is None or not is_aws_host(address.host):
        hint = (
            f"name the federation endpoint with `--endpoint` or {variable}; if {url} is a sandbox, "
            f"`--endpoint {url.rstrip('/')}/_sandbox/federation`"
        )
        raise UsageError(f"store `{name}` does not use AWS's STS, so it cannot open the console", hint=hint)


def refuse_chained(plan: Plan, name: str, seconds: int | None) -> None:
    """Raise UsageError if a duration is requested and the role is chained.

    After role chaining, a console session always lasts as long as the role session (IAM User Guide, "Enable custom
    identity broker access to the AWS console").
    """
    step = plan.steps[name]
    while not step.operation and step.credentials_from:
        step = plan.steps[step.credentials_from]
    if seconds is not None and step.is_chained:
        raise UsageError(
            f"`--duration` can't be used with store `{name}`",
            why="AWS does not accept a duration for the session of a role that was assumed with another role's session",
            hint="leave out `--duration`",
        )


def refuse_session(credentials: Credentials, seconds: int | None) -> None:
    """Raise ConsoleRefused for credentials of a user or the root user.

    AWS lets only roles and federated users sign in this way.
    """
    arn = parse_arn(credentials.arn)
    kind = arn.resource_type if arn else ""
    if not credentials.is_temporary or kind in {"user", "root"}:
        credentials_kind = "a session of GetSessionToken" if credentials.is_temporary else "a long-term key"
        raise ConsoleRefused(
            f"{credentials_kind} can't open the console",
            why="only sessions of roles and federated users can sign in",
            hint="name a store with a `role_arn`",
        )
    if seconds is not None and kind == "federated-user":
        raise UsageError(
            "`--duration` can't be used with a federated user",
            why="the console session lasts as long as the user's session",
            hint="set `duration_seconds` on the store",
        )
