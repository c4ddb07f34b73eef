"""Find resources in special parameters of Lambda, EventBridge, CloudWatch Logs, EC2, ECS, Kinesis and RDS."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from dsops.arn import Arn, is_account_id, parse_arn
from dsops.errors import SandboxRefusal
from dsops.policy import ANY_TEXT
from dsops.request.parameter_values import Parameters, many, text, texts
from dsops.request.question import CallerView
from dsops.request.resources.reference.ec2 import tagged_things
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import operation_model

_FUNCTION: Final = re.compile(r"(?:function:)?([A-Za-z0-9_-]+)(?::([A-Za-z0-9_$-]+))?")
_BUS: Final = re.compile(r"event-bus/(.+)")
_ABOUT_GROUP_ITSELF: Final = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})

KIND_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "rds": {
        "cluster": "dbcluster",
        "clusterpg": "dbclusterparametergroup",
        "clustersnapshot": "dbclustersnapshot",
        "db": "dbinstance",
        "es": "subscription",
        "og": "optiongroup",
        "pg": "dbparametergroup",
        "proxy": "dbproxy",
        "secgrp": "dbsecuritygroup",
        "shardgrp": "dbshardgroup",
        "snapshot": "dbsnapshot",
        "subgrp": "dbsubnetgroup",
    },
    "cloudwatch": {"insightrule": "rule"},
    "ec2": {"securitygroup": "group"},
    "guardduty": {"publishingdestination": "destination"},
    "redshift": {"eventsubscription": "subscription"},
    "sso-admin": {"account": "target"},
}
"""Service -> resource type -> the name that parameters use for the type."""
NAMED_IDS: Final = frozenset({"databrew", "proton", "route53-recovery-readiness"})
"""Services whose ARNs have names in the place of ids, although AWS's reference calls them ids."""


_OF_SCHEDULES: Final = frozenset({"CreateSchedule", "DeleteSchedule", "GetSchedule", "UpdateSchedule"})
_ECS_KINDS: Final[Mapping[str, str]] = {
    "cluster": "cluster",
    "clusters": "cluster",
    "containerInstance": "container-instance",
    "containerInstances": "container-instance",
    "service": "service",
    "services": "service",
    "task": "task",
    "taskDefinition": "task-definition",
    "tasks": "task",
}
"""ECS parameter -> type of the resource that it names."""
ANY_KIND: Final = "*"
"""A key of `PartialMatch.arns` for resources of any type.

If the key is present, the operation concerns only the ARNs in `PartialMatch.arns`.
"""


class PartialMatch(NamedTuple):
    """The ARNs found so far, and the parameters that are still to be searched."""

    parameters: Parameters
    arns: Mapping[str, tuple[str, ...]]
    """Resource type -> the ARNs that were found."""
    owner: str = ""
    """The account that owns the resource; "" for the caller's account."""
    context: Mapping[str, tuple[str, ...]] = {}
    """Condition keys that follow from these parameters."""


def tagged_as(arn: str) -> str:
    """Return the ARN of the resource whose tags apply to `arn`.

    A log stream's tags are those of its log group, and a function version's tags are those of its function.
    """
    parts = arn.split(":")
    if parts[2:3] == ["logs"] and parts[5:6] == ["log-group"]:
        return ":".join(parts[:7])
    return ":".join(parts[:7]) if parts[2:3] == ["lambda"] and parts[5:6] == ["function"] else arn


def read_special(service: str, operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:
    """Find the resources in parameters with a format that only this service has."""
    reader: Callable[[str, Parameters, CallerView], PartialMatch] | None = {
        "bedrock-runtime": _model,
        "ec2": _tagged,
        "ecs": _of_cluster,
        "events": _rule_or_bus,
        "kinesis": _stream,
        "lambda": _function,
        "logs": _log_group,
        "sagemaker": _app,
        "scheduler": _schedule,
    }.get(service)
    return PartialMatch(parameters, {}) if reader is None else reader(operation, parameters, caller)


def _checked_arn(arn_text: str, service: str, kind: str, caller: CallerView) -> Arn:
    """Parse an ARN; refuse it unless it has this resource type and the caller's region.

    moto reads only the name at the end, so it would ignore a wrong type or region.
    """
    arn = parse_arn(arn_text)
    here = (caller.partition, service, caller.region)
    if arn is None or arn[:3] != here or not is_account_id(arn.account) or arn.resource_type != kind:
        raise _no_such_resource(arn_text, kind, caller)
    return arn


def _no_such_resource(arn_text: str, kind: str, caller: CallerView) -> SandboxRefusal:
    return refusal("InvalidParameterValue", f"{arn_text} names no {kind} in {caller.region}.")


def _model(_operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:
    """Find Bedrock's model. An inference profile (`us.VENDOR.MODEL`) uses models of regions that AWS chooses."""
    name = text(parameters, "modelId")
    if not name or name.startswith("arn:"):
        return PartialMatch(parameters, {ANY_KIND: (name,)} if name else {})
    prefix = f"arn:{caller.partition}:bedrock:"
    _, _, model = name.partition(".")
    if "." not in model:
        return PartialMatch({}, {ANY_KIND: (f"{prefix}{caller.region}::foundation-model/{name}",)})
    profile = f"{prefix}{caller.region}:{caller.account}:inference-profile/{name}"
    return PartialMatch({}, {ANY_KIND: (profile, f"{prefix}{ANY_TEXT}::foundation-model/{model}")})


def _of_cluster(operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:
    """Find the cluster of an ECS request, which is `default` if the request names none (ECS API Reference).

    Parameters that are neither a valid ARN nor a name without a slash are refused.
    """
    for name, kind in _ECS_KINDS.items():
        for name_or_arn in texts(parameters, name) if name.endswith("s") else (text(parameters, name),):
            if name_or_arn.startswith("arn:"):
                _checked_arn(name_or_arn, "ecs", kind, caller)
            elif "/" in name_or_arn:
                raise _no_such_resource(name_or_arn, kind, caller)
    parameters = _with_revision(parameters)
    shape = operation_model("ecs", operation).input_shape
    if operation == "DescribeClusters":
        return PartialMatch({"clusters": ["default"], **parameters}, {})
    if shape is None or "cluster" not in shape.members:
        return PartialMatch(parameters, {})
    cluster = text(parameters, "cluster") or "default"
    arn = parse_arn(cluster)
    owner = caller.account if arn is None else arn.account
    name = cluster if arn is None else arn.resource_name
    whole = f"arn:{caller.partition}:ecs:{caller.region}:{owner}:cluster/{name}"
    return PartialMatch({**parameters, "cluster": name}, {"cluster": (whole,)}, owner, {"ecs:cluster": (whole,)})


def _with_revision(parameters: Parameters) -> Parameters:
    """Split a task definition `FAMILY:REVISION`. Without a revision, AWS uses the latest one."""
    family, _, revision = text(parameters, "taskDefinition").partition(":")
    if not family or family == "arn":
        return parameters
    named = {"TaskDefinitionFamilyName": family, "TaskDefinitionRevisionNumber": revision}
    return {name: value for name, value in {**parameters, **named}.items() if name != "taskDefinition"}


def _app(operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:  # noqa: ARG001 - all readers have these parameters
    """Find the user profile or space of a SageMaker app: `app/DOMAIN/PROFILE_OR_SPACE/TYPE/NAME`."""
    if not operation.endswith("App") or "SpaceName" not in parameters:
        return PartialMatch(parameters, {})
    rest = {name: value for name, value in parameters.items() if name != "SpaceName"}
    return PartialMatch({"UserProfileName": parameters["SpaceName"], **rest}, {})


def _schedule(operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:  # noqa: ARG001 - all readers have these parameters
    """Add the group of a schedule: a schedule without a group is in the group `default`."""
    return PartialMatch({"GroupName": "default", **parameters} if operation in _OF_SCHEDULES else parameters, {})


def _function(_operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:
    """Parse a function's name: `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` or an ARN.

    The request can also contain the qualifier as a separate parameter.
    """
    if "VersionNumber" in parameters:
        parameters = {**parameters, "LayerVersion": parameters["VersionNumber"]}
    name_text = text(parameters, "FunctionName")
    if not name_text:
        return PartialMatch(parameters, {})
    account = caller.account
    if name_text.startswith("arn:"):
        arn = _checked_arn(name_text, "lambda", "function", caller)
        account, name_text = arn.account, arn.resource
    elif re.match(r"[0-9]{12}:function:", name_text):
        account, _, name_text = name_text.partition(":")
    name_match = _FUNCTION.fullmatch(name_text)
    rest = {name: value for name, value in parameters.items() if name not in {"FunctionName", "Qualifier"}}
    if name_match is None:
        raise _no_such_resource(text(parameters, "FunctionName"), "function", caller)
    qualifier = name_match[2] or text(parameters, "Qualifier")
    name = f"{name_match[1]}:{qualifier}" if qualifier else name_match[1]
    function = f"arn:{caller.partition}:lambda:{caller.region}:{account}:function:{name}"
    return PartialMatch(rest, {"function": (function,)}, account)


def _tagged(operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:
    """Find the resources in CreateTags and DeleteTags, which accept ids of any resource type."""
    if operation not in {"CreateTags", "DeleteTags"}:
        return PartialMatch(parameters, {})
    things = tagged_things(texts(parameters, "Resources"), caller)
    rest = {name: value for name, value in parameters.items() if name != "Resources"}
    return PartialMatch(rest, {ANY_KIND: things or ("*",)})


def _rule_or_bus(operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:
    """Find the event bus of a rule.

    A rule on the default bus does not name the bus; a bus of another account is named by ARN.
    """
    named = [text(holder, "EventBusName") for holder in (parameters, *many(parameters, "Entries"))]
    for bus in (*named, text(parameters, "Name") if "EventBus" in operation else ""):
        if bus.startswith("arn:"):
            _checked_arn(bus, "events", "event-bus", caller)
    if operation == "PutEvents":
        buses = [text(entry, "EventBusName") or "default" for entry in many(parameters, "Entries")]
        return PartialMatch(parameters, {"eventbus": tuple(dict.fromkeys(bus_arn(bus, caller) for bus in buses))})
    bus_text = text(parameters, "EventBusName")
    arn = parse_arn(bus_text)
    bus_match = None if arn is None else _BUS.fullmatch(arn.resource)
    owner = ""
    if arn is not None and bus_match is not None:
        bus_text, owner = bus_match[1], arn.account
    if bus_text in {"", "default"}:
        rest = {name: value for name, value in parameters.items() if name != "EventBusName"}
        return PartialMatch(rest, {"ruleoncustomeventbus": ()}, owner)
    return PartialMatch({**parameters, "EventBusName": bus_text} if owner else parameters, {}, owner)


def _stream(operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:  # noqa: ARG001 - all readers have these parameters
    """Find the stream in Kinesis's GetRecords. moto's shard iterator is `NAME:SHARD:NUMBER` in base64."""
    if operation != "GetRecords":
        return PartialMatch(parameters, {})
    try:
        name = base64.decodebytes(text(parameters, "ShardIterator").encode()).decode().partition(":")[0]
    except ValueError:
        return PartialMatch(parameters, {})
    return PartialMatch({**parameters, "StreamName": name}, {})


def bus_arn(bus: str, caller: CallerView) -> str:
    """Return the ARN of an event bus that is given by name or ARN."""
    if bus.startswith("arn:"):
        return bus
    return f"arn:{caller.partition}:events:{caller.region}:{caller.account}:event-bus/{bus}"


def _log_group(operation: str, parameters: Parameters, caller: CallerView) -> PartialMatch:
    """Find log groups and return their ARNs with `:log-stream:` appended, as AWS does.

    Because of this ending, policies name `log-group:NAME:*` (CloudWatch Logs User Guide).
    """
    if operation in _ABOUT_GROUP_ITSELF:
        return PartialMatch(parameters, {})
    prefix = f"arn:{caller.partition}:logs:{caller.region}:{caller.account}:log-group:"
    if operation == "DescribeLogGroups":
        return PartialMatch(parameters, {"loggroup": (f"{prefix}:log-stream:",)})
    groups = [text(parameters, name) for name in ("logGroupName", "logGroupIdentifier") if name in parameters]
    groups += [group for name in ("logGroupNames", "logGroupIdentifiers") for group in texts(parameters, name)]
    for group in groups:
        if group.startswith("arn:"):
            _checked_arn(group, "logs", "log-group", caller)
        elif ":" in group:
            raise _no_such_resource(group, "log-group", caller)
    arns = [group.removesuffix(":*") if group.startswith("arn:") else f"{prefix}{group}" for group in groups]
    if "logGroupIdentifier" in parameters:
        # The ARN of a log stream contains the name of its group.
        parameters = {**parameters, "logGroupName": [arn.rpartition(":")[2] for arn in arns]}
    return PartialMatch(parameters, {"loggroup": tuple(f"{arn}:log-stream:" for arn in arns)} if arns else {})
