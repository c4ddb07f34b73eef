"""What parameters of Lambda, EventBridge, CloudWatch Logs, EC2 and RDS name in ways of their own."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from dsops.arn import Arn, is_account_id, parse_arn
from dsops.errors import SandboxRefusal
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.parameter_values import Parameters, many, text, texts
from dsops.sandbox.authorization.resources.reference.ec2 import tagged_things
from dsops.sandbox.wire.errors import refusal

_FUNCTION: Final = re.compile(r"(?:function:)?([A-Za-z0-9_-]+)(?::([A-Za-z0-9_$-]+))?")
_BUS: Final = re.compile(r"event-bus/(.+)")
_ABOUT_GROUP_ITSELF: Final = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})

KIND_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "rds": {
        "cluster": "dbcluster",
        "clusterpg": "dbclusterparametergroup",
        "clustersnapshot": "dbclustersnapshot",
        "db": "dbinstance",
        "es": "eventsubscription",
        "og": "optiongroup",
        "pg": "dbparametergroup",
        "proxy": "dbproxy",
        "secgrp": "dbsecuritygroup",
        "shardgrp": "dbshardgroup",
        "snapshot": "dbsnapshot",
        "subgrp": "dbsubnetgroup",
    },
    "cloudwatch": {"insightrule": "rule"},
}
"""Service -> kind of resource -> what parameters call it."""


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
"""Parameter -> what it names."""
ANY_KIND: Final = "*"
"""In the place of a kind: what was found is all that the operation is about."""


class PartialMatch(NamedTuple):
    """Parameters that are left to be searched, and what was found before."""

    parameters: Parameters
    arns: Mapping[str, tuple[str, ...]]
    """By kind of resource."""
    owner: str = ""
    """The account where it is not the caller's."""


def tagged_as(arn: str) -> str:
    """The ARN by which a thing's tags are kept: a log group's for its streams, a function's for its versions."""
    parts = arn.split(":")
    if parts[2:3] == ["logs"] and parts[5:6] == ["log-group"]:
        return ":".join(parts[:7])
    return ":".join(parts[:7]) if parts[2:3] == ["lambda"] and parts[5:6] == ["function"] else arn


def read_special(service: str, operation: str, parameters: Parameters, caller: Caller) -> PartialMatch:
    """What is found in the ways that only this service has."""
    reader: Callable[[str, Parameters, Caller], PartialMatch] | None = {
        "ec2": _tagged,
        "ecs": _of_cluster,
        "events": _rule_or_bus,
        "kinesis": _stream,
        "lambda": _function,
        "logs": _log_group,
    }.get(service)
    return PartialMatch(parameters, {}) if reader is None else reader(operation, parameters, caller)


def _checked_arn(written: str, service: str, kind: str, caller: Caller) -> Arn:
    """The ARN of one such thing in the region. moto goes by the name at the end, whatever stands before it."""
    arn = parse_arn(written)
    here = (caller.partition, service, caller.region)
    if arn is None or arn[:3] != here or not is_account_id(arn.account) or arn.resource_type != kind:
        raise _nothing(written, kind, caller)
    return arn


def _nothing(written: str, kind: str, caller: Caller) -> SandboxRefusal:
    return refusal("InvalidParameterValue", f"{written} names no {kind} in {caller.region}.")


def _of_cluster(_operation: str, parameters: Parameters, caller: Caller) -> PartialMatch:
    """ECS takes short names, which have no slash, and ARNs."""
    for name, kind in _ECS_KINDS.items():
        for each in texts(parameters, name) if name.endswith("s") else (text(parameters, name),):
            if each.startswith("arn:"):
                _checked_arn(each, "ecs", kind, caller)
            elif "/" in each:
                raise _nothing(each, kind, caller)
    return PartialMatch(parameters, {})


def _function(_operation: str, parameters: Parameters, caller: Caller) -> PartialMatch:
    """`NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` and whole ARNs; the qualifier also by itself."""
    if "VersionNumber" in parameters:
        parameters = {**parameters, "LayerVersion": parameters["VersionNumber"]}
    written = text(parameters, "FunctionName")
    if not written:
        return PartialMatch(parameters, {})
    account = caller.account
    if written.startswith("arn:"):
        arn = _checked_arn(written, "lambda", "function", caller)
        account, written = arn.account, arn.resource
    elif re.match(r"[0-9]{12}:function:", written):
        account, _, written = written.partition(":")
    found = _FUNCTION.fullmatch(written)
    rest = {name: value for name, value in parameters.items() if name not in {"FunctionName", "Qualifier"}}
    if found is None:
        raise _nothing(text(parameters, "FunctionName"), "function", caller)
    qualifier = found[2] or text(parameters, "Qualifier")
    name = f"{found[1]}:{qualifier}" if qualifier else found[1]
    function = f"arn:{caller.partition}:lambda:{caller.region}:{account}:function:{name}"
    return PartialMatch(rest, {"function": (function,)}, account)


def _tagged(operation: str, parameters: Parameters, caller: Caller) -> PartialMatch:
    """CreateTags and DeleteTags take ids of any kind."""
    if operation not in {"CreateTags", "DeleteTags"}:
        return PartialMatch(parameters, {})
    things = tagged_things(texts(parameters, "Resources"), caller)
    rest = {name: value for name, value in parameters.items() if name != "Resources"}
    return PartialMatch(rest, {ANY_KIND: things or ("*",)})


def _rule_or_bus(operation: str, parameters: Parameters, caller: Caller) -> PartialMatch:
    """Rules of the default bus have its name nowhere; a bus of another account is named by ARN."""
    named = [text(each, "EventBusName") for each in (parameters, *many(parameters, "Entries"))]
    for bus in (*named, text(parameters, "Name") if "EventBus" in operation else ""):
        if bus.startswith("arn:"):
            _checked_arn(bus, "events", "event-bus", caller)
    if operation == "PutEvents":
        buses = [text(entry, "EventBusName") or "default" for entry in many(parameters, "Entries")]
        return PartialMatch(parameters, {"eventbus": tuple(dict.fromkeys(bus_arn(bus, caller) for bus in buses))})
    written = text(parameters, "EventBusName")
    arn = parse_arn(written)
    found = None if arn is None else _BUS.fullmatch(arn.resource)
    owner = ""
    if arn is not None and found is not None:
        written, owner = found[1], arn.account
    if written == "default":
        return PartialMatch({name: value for name, value in parameters.items() if name != "EventBusName"}, {}, owner)
    return PartialMatch({**parameters, "EventBusName": written} if owner else parameters, {}, owner)


def _stream(operation: str, parameters: Parameters, caller: Caller) -> PartialMatch:  # noqa: ARG001 - as all readers
    """Kinesis's GetRecords has an iterator, in which moto writes the stream's name: `NAME:SHARD:NUMBER` in base64."""
    if operation != "GetRecords":
        return PartialMatch(parameters, {})
    try:
        name = base64.decodebytes(text(parameters, "ShardIterator").encode()).decode().partition(":")[0]
    except ValueError:
        return PartialMatch(parameters, {})
    return PartialMatch({**parameters, "StreamName": name}, {})


def bus_arn(bus: str, caller: Caller) -> str:
    """The ARN of an event bus that is named, or already an ARN."""
    if bus.startswith("arn:"):
        return bus
    return f"arn:{caller.partition}:events:{caller.region}:{caller.account}:event-bus/{bus}"


def _log_group(operation: str, parameters: Parameters, caller: Caller) -> PartialMatch:
    """AWS puts `:log-stream:` behind a group, so that policies say `log-group:NAME:*` (CloudWatch Logs User Guide)."""
    if operation in _ABOUT_GROUP_ITSELF:
        return PartialMatch(parameters, {})
    prefix = f"arn:{caller.partition}:logs:{caller.region}:{caller.account}:log-group:"
    if operation == "DescribeLogGroups":
        return PartialMatch(parameters, {"loggroup": (f"{prefix}:log-stream:",)})
    named = [text(parameters, name) for name in ("logGroupName", "logGroupIdentifier") if name in parameters]
    named += [each for name in ("logGroupNames", "logGroupIdentifiers") for each in texts(parameters, name)]
    for each in named:
        if each.startswith("arn:"):
            _checked_arn(each, "logs", "log-group", caller)
        elif ":" in each:
            raise _nothing(each, "log-group", caller)
    arns = [each.removesuffix(":*") if each.startswith("arn:") else f"{prefix}{each}" for each in named]
    if "logGroupIdentifier" in parameters:
        # The ARN of a stream in the group has the group's name.
        parameters = {**parameters, "logGroupName": [arn.rpartition(":")[2] for arn in arns]}
    return PartialMatch(parameters, {"loggroup": tuple(f"{arn}:log-stream:" for arn in arns)} if arns else {})
