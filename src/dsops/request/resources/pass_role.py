"""Find the roles that a request passes to a service. Each of them requires `iam:PassRole`.

IAM User Guide, "Grant a user permissions to pass a role to an AWS service". AWS publishes no list of operations that
pass a role, so a parameter that is named `role` and contains a role's ARN is treated as a passed role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from dsops.arn import parse_arn
from dsops.request.lookups import PrincipalView, ResourceLookup, SecretLocation
from dsops.request.parameter_values import Parameters, inside, text
from dsops.request.question import AuthorizationQuestion, CallerView, Context

_READING: Final = ("Describe", "Get", "List", "Search", "Batch", "Lookup", "Query", "Scan", "Simulate", "Head")
_PASSES_NONE: Final = frozenset({"dynamodb", "kms", "organizations", "ram", "secretsmanager", "sqs", "sts"})
"""Services that use role ARNs only as principals, or not at all."""
_SERVICES: Final[Mapping[str, str]] = {
    "stepfunctions": "states.amazonaws.com",
    "ecs": "ecs-tasks.amazonaws.com",
    "emr": "elasticmapreduce.amazonaws.com",
    "rds": "monitoring.rds.amazonaws.com",
    "logs": "logs.amazonaws.com",
}
"""botocore's service name -> the value of `iam:PassedToService`, if it is not `SERVICE.amazonaws.com`."""
_TAKE_NAMES: Final = frozenset({"ecs", "emr", "glue", "ssm"})
"""Services that accept a role's name as well as its ARN."""
_DEEPEST = 8


def passed_roles(
    service: str,
    operation: str,
    parameters: Parameters,
    caller: CallerView,
    associated: str,
    role_named: Callable[[str, str], PrincipalView | None],
) -> Iterator[AuthorizationQuestion]:
    """Yield a check for each role that the request passes.

    `associated` is the ARN of the resource that will use the role; "" if unknown.
    """
    if service in _PASSES_NONE or operation.startswith(_READING):
        return
    principal = _SERVICES.get(service, f"{service}.amazonaws.com")
    for role_text in dict.fromkeys(_roles(parameters, _DEEPEST)):
        role = role_named(caller.account, role_text) if service in _TAKE_NAMES else None
        arn = role_text if role is None else role.arn
        parts = parse_arn(arn)
        if parts is None or parts.service != "iam" or not parts.resource.startswith("role/"):
            continue
        yield AuthorizationQuestion(
            "iam:PassRole", arn, parts.account or caller.account, _passed_to(principal, associated)
        )


def roles_in_profiles(
    parameters: Parameters, caller: CallerView, stored: ResourceLookup
) -> Iterator[AuthorizationQuestion]:
    """Yield a check for the role in each instance profile that an EC2 request passes to an instance."""
    for name in dict.fromkeys((*_profiles(parameters), *_of_templates(parameters, caller, stored))):
        for arn in stored.roles_of_profile(caller.account, name):
            instance = f"arn:{caller.partition}:ec2:{caller.region}:{caller.account}:instance/*"
            yield AuthorizationQuestion("iam:PassRole", arn, caller.account, _passed_to("ec2.amazonaws.com", instance))


def _passed_to(principal: str, associated: str) -> Context:
    context: Context = {"iam:PassedToService": (principal,)}
    return context | ({"iam:AssociatedResourceArn": (associated,)} if associated not in {"", "*"} else {})


def _profiles(parameters: Parameters) -> Iterator[str]:
    """Yield instance profile names in `IamInstanceProfile` (EC2, Auto Scaling) and EMR's `JobFlowRole`."""
    for holder in _structures(parameters, _DEEPEST):
        for named in ("IamInstanceProfile", "JobFlowRole"):
            profile = holder.get(named)
            names = (profile,) if isinstance(profile, str) else inside(holder, named).values()
            for name in names:
                yield str(name).rpartition("/")[2]


def _of_templates(parameters: Parameters, caller: CallerView, stored: ResourceLookup) -> Iterator[str]:
    """Yield the names of instance profiles in the launch templates that a request names."""
    place = SecretLocation(caller.account, caller.region)
    for holder in _structures(parameters, _DEEPEST):
        for name in ("LaunchTemplate", "LaunchTemplateSpecification"):
            named = inside(holder, name)
            identifier = text(named, "LaunchTemplateId") or text(named, "LaunchTemplateName")
            if identifier:
                yield stored.profile_of_template(place, identifier, text(named, "Version")).rpartition("/")[2]


def _structures(value: object, deeper: int) -> Iterator[Parameters]:
    if deeper and isinstance(value, Mapping):
        yield value
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        if deeper:
            yield from _structures(inner, deeper - 1)


def _roles(value: object, deeper: int) -> Iterator[str]:
    """Yield the values of parameters whose name ends in `role` or `roleArn`, also in the plural."""
    for holder in _structures(value, deeper):
        for name, entry in holder.items():
            if str(name).lower().removesuffix("s").removesuffix("arn").endswith("role"):
                yield from (text for text in (entry if isinstance(entry, list) else (entry,)) if isinstance(text, str))
