"""Find the roles that a request passes to a service. Each of them requires `iam:PassRole`.

IAM User Guide, "Grant a user permissions to pass a role to an AWS service". AWS publishes no list of operations that
pass a role, so a parameter whose name contains `role` and whose value is a role's ARN is treated as a passed role.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from dsops.arn import parse_arn
from dsops.request.lookups import Lookups, ResourceLookup, SecretLocation
from dsops.request.parameter_values import Parameters, inside, text
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.wire.models import operation_model, service_model

_READING: Final = tuple(
    """
    Describe Get List Search BatchGet BatchDescribe BatchImportFindings Lookup Query Scan Simulate Head
    """.split()
)
"""Beginnings of operations that pass no role."""
_PASSES_TO_READ: Final = frozenset(
    """
    cloudcontrol.GetResource cloudcontrol.ListResources devicefarm.GetDevicePoolCompatibility
    emr.GetClusterSessionCredentials emr.GetOnClusterAppUIPresignedURL emr.GetPersistentAppUIPresignedURL
    emr-containers.GetManagedEndpointSessionCredentials iotdeviceadvisor.GetEndpoint sagemaker-geospatial.GetTile
    """.split()
)
"""Reading operations that a service performs with a role of the request."""
_PASSES_NONE: Final = frozenset({"iam", "kms", "organizations", "ram", "secretsmanager", "sqs", "sts"})
"""Services that use role ARNs only as principals, or not at all, or whose module checks them (IAM)."""
_SERVICES: Final[Mapping[str, str]] = {"ecs": "ecs-tasks.amazonaws.com", "rds": "monitoring.rds.amazonaws.com"}
"""botocore's service name -> the value of `iam:PassedToService`, if it is not `SIGNING_NAME.amazonaws.com`."""
_TAKE_NAMES: Final = frozenset({"datapipeline", "ecs", "elasticbeanstalk", "emr", "glue", "ssm"})
"""Services that accept a role's name as well as its ARN."""
_NAMES: Final = frozenset(
    """
    ec2.rolename imagebuilder.rolename macie2.rolename rds.domainiamrolename resiliencehub.invokerrolename
    resiliencehubv2.invokerrolename resiliencehubv2.rolename ssm-quicksetup.localdeploymentexecutionrolename
    """.split()
)
"""Parameters, in lower case, that contain the name of a role."""
_PAIRS: Final = (
    ("AttributeName", "AttributeValue"),
    ("OptionName", "Value"),
    ("Name", "Value"),
    ("key", "stringValue"),
)
"""Structures whose first member is a setting's name, and whose second member is its value (SNS, RDS, Beanstalk)."""
_PROFILES: Final = {"batch": "instancerole", "emr": "jobflowrole"}
"""Service -> the parameter for an instance profile whose name, in lower case, does not contain `instanceprofile`."""
_OTHER_PROFILES: Final = frozenset({"dms", "iam", "securityhub"})
"""Services in which an instance profile is another thing (DMS), is not passed, or is part of a finding."""
_DEEPEST = 100
_DATA: Final = "AttributeValue"
"""The shape of DynamoDB's data."""


class _Setting(NamedTuple):
    """A parameter, or a setting that the request names in another parameter."""

    name: str
    """In lower case. The name of a pair is without dashes and underscores."""
    value: object


def passed_roles(
    service: str, operation: str, parameters: Parameters, caller: CallerView, associated: str, lookups: Lookups
) -> Iterator[AuthorizationQuestion]:
    """Yield a check for each role that the request passes, itself or in an instance profile.

    `associated` is the ARN of the resource that will use the role; "" if unknown.
    """
    is_reading = operation.startswith(_READING) and f"{service}.{operation}" not in _PASSES_TO_READ
    if service in _PASSES_NONE or is_reading:
        return
    settings = _settings(service, operation, parameters)
    profiles = [] if service in _OTHER_PROFILES else [*_profiles(service, settings)]
    if service in {"autoscaling", "ec2", "emr"}:
        profiles += _of_templates(parameters, caller, lookups.resources)
    for name in dict.fromkeys(profiles):
        for arn in lookups.resources.roles_of_profile(caller.account, name):
            instance = f"arn:{caller.partition}:ec2:{caller.region}:{caller.account}:instance/*"
            yield AuthorizationQuestion("iam:PassRole", arn, caller.account, _passed_to("ec2.amazonaws.com", instance))
    principal = _SERVICES.get(service) or f"{service_model(service).signing_name}.amazonaws.com"
    for role_text, is_name in dict.fromkeys(_roles(service, settings)):
        role = lookups.principals.role_named(caller.account, role_text) if is_name else None
        arn = role_text if role is None else role.arn
        parts = parse_arn(arn)
        if parts is None or parts.service != "iam" or not parts.resource.startswith("role/"):
            continue
        yield AuthorizationQuestion(
            "iam:PassRole", arn, parts.account or caller.account, _passed_to(principal, associated)
        )


def _passed_to(principal: str, associated: str) -> Context:
    context: Context = {"iam:PassedToService": (principal,)}
    return context | ({"iam:AssociatedResourceArn": (associated,)} if associated not in {"", "*"} else {})


def _profiles(service: str, settings: Iterable[_Setting]) -> Iterator[str]:
    """Yield the names of instance profiles, which a request names by name, by ARN, or in a structure with either."""
    for name, value in settings:
        if "instanceprofile" in name or name == _PROFILES.get(service):
            for profile in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(profile, str):
                    yield profile.rpartition("/")[2]


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


def _settings(service: str, operation: str, parameters: Parameters) -> list[_Setting]:
    """Return the parameters with `role` or `profile` in their names, at any depth, and such pairs of name and value.

    The keys of a map are often data, such as the variables of a function. They count only if they end in `role` or
    `roleArn`, as the attributes of SNS do.
    """
    found: list[_Setting] = []
    queue: list[tuple[Any, object]] = [(operation_model(service, operation).input_shape, parameters)]
    for shape, value in queue:
        kind = "" if shape is None else shape.type_name
        if isinstance(value, list):
            member = shape.member if kind == "list" else None
            queue += [(member, item) for item in value if isinstance(item, dict | list)]
        elif isinstance(value, Mapping) and (shape is None or shape.name != _DATA):
            members = shape.members if kind == "structure" else {}
            for name, inner in value.items():
                lower = str(name).lower()
                if ("role" in lower or "profile" in lower) and (kind != "map" or _is_role(lower)):
                    found.append(_Setting(lower, inner))
                if isinstance(inner, dict | list):
                    queue.append((shape.value if kind == "map" else members.get(name), inner))
            found += _pairs(value)
    return found


def _pairs(holder: Parameters) -> Iterator[_Setting]:
    """Yield the setting that a structure has as a name and a value."""
    for name, value in _PAIRS:
        if name in holder and value in holder:
            setting = str(holder[name]).lower().replace("-", "").replace("_", "")
            if "role" in setting or "profile" in setting:
                yield _Setting(setting, holder[value])


def _roles(service: str, settings: Iterable[_Setting]) -> Iterator[tuple[str, bool]]:
    """Yield the values of parameters that may pass a role, and whether a value can be the role's name."""
    for name, value in settings:
        if "role" not in name or "principal" in name:
            continue
        is_name = (_is_role(name) and service in _TAKE_NAMES) or f"{service}.{name}" in _NAMES
        yield from (
            (item, is_name) for item in (value if isinstance(value, list) else (value,)) if isinstance(item, str)
        )


def _is_role(name: str) -> bool:
    return name.removesuffix("s").removesuffix("arn").endswith("role")
