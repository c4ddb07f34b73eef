"""What parameters of Lambda, EventBridge, CloudWatch Logs, EC2 and RDS name in ways of their own."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.sandbox.caller import Caller
from dsops.sandbox.resources.ec2 import tagged_things
from dsops.sandbox.resources.given import Parameters, many, text, texts

_FUNCTION: Final = re.compile(r"(?:function:)?([A-Za-z0-9_-]+)(?::([A-Za-z0-9_$-]+))?")
_BUS: Final = re.compile(r"event-bus/(.+)")
_ABOUT_GROUP_ITSELF: Final = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})

KIND_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "rds": {
        "cluster": "dbcluster", "clusterpg": "dbclusterparametergroup", "clustersnapshot": "dbclustersnapshot",
        "db": "dbinstance", "es": "eventsubscription", "og": "optiongroup", "pg": "dbparametergroup",
        "proxy": "dbproxy", "secgrp": "dbsecuritygroup", "shardgrp": "dbshardgroup", "snapshot": "dbsnapshot",
        "subgrp": "dbsubnetgroup",
    },
    "cloudwatch": {"insightrule": "rule"},
}  # fmt: skip
"""Service -> kind of resource -> what parameters call it."""


ANY_KIND: Final = "*"
"""In the place of a kind: what was found is all that the operation is about."""


class Read(NamedTuple):
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


def read_special(service: str, operation: str, parameters: Parameters, caller: Caller) -> Read:
    """What is found in the ways that only this service has."""
    reader: Callable[[str, Parameters, Caller], Read] | None = {
        "ec2": _tagged, "events": _rule_or_bus, "kinesis": _stream, "lambda": _function, "logs": _log_group
    }.get(service)  # fmt: skip
    return Read(parameters, {}) if reader is None else reader(operation, parameters, caller)


def _function(_operation: str, parameters: Parameters, caller: Caller) -> Read:
    """`NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` and whole ARNs; the qualifier also by itself."""
    if "VersionNumber" in parameters:
        parameters = {**parameters, "LayerVersion": parameters["VersionNumber"]}
    written = text(parameters, "FunctionName")
    if not written:
        return Read(parameters, {})
    arn = parse_arn(written)
    account = caller.account
    if arn is not None and arn.service == "lambda" and arn.region == caller.region:
        account, written = arn.account, arn.resource
    elif re.match(r"[0-9]{12}:function:", written):
        account, _, written = written.partition(":")
    found = _FUNCTION.fullmatch(written)
    rest = {name: value for name, value in parameters.items() if name not in {"FunctionName", "Qualifier"}}
    if found is None:
        return Read(rest, {})
    qualifier = found[2] or text(parameters, "Qualifier")
    name = f"{found[1]}:{qualifier}" if qualifier else found[1]
    function = f"arn:{caller.partition}:lambda:{caller.region}:{account}:function:{name}"
    return Read(rest, {"function": (function,)}, account)


def _tagged(operation: str, parameters: Parameters, caller: Caller) -> Read:
    """CreateTags and DeleteTags take ids of any kind."""
    if operation not in {"CreateTags", "DeleteTags"}:
        return Read(parameters, {})
    things = tagged_things(texts(parameters, "Resources"), caller)
    rest = {name: value for name, value in parameters.items() if name != "Resources"}
    return Read(rest, {ANY_KIND: things or ("*",)})


def _rule_or_bus(operation: str, parameters: Parameters, caller: Caller) -> Read:
    """Rules of the default bus have its name nowhere; a bus of another account is named by ARN."""
    if operation == "PutEvents":
        buses = [text(entry, "EventBusName") or "default" for entry in many(parameters, "Entries")]
        return Read(parameters, {"eventbus": tuple(dict.fromkeys(bus_arn(bus, caller) for bus in buses))})
    written = text(parameters, "EventBusName")
    arn = parse_arn(written)
    found = None if arn is None else _BUS.fullmatch(arn.resource)
    if arn is not None and found is not None:
        return Read({**parameters, "EventBusName": found[1]}, {}, arn.account)
    if written == "default":
        return Read({name: value for name, value in parameters.items() if name != "EventBusName"}, {})
    return Read(parameters, {})


def _stream(operation: str, parameters: Parameters, caller: Caller) -> Read:  # noqa: ARG001 - as all readers
    """Kinesis's GetRecords has an iterator, in which moto writes the stream's name: `NAME:SHARD:NUMBER` in base64."""
    if operation != "GetRecords":
        return Read(parameters, {})
    try:
        name = base64.decodebytes(text(parameters, "ShardIterator").encode()).decode().partition(":")[0]
    except ValueError:
        return Read(parameters, {})
    return Read({**parameters, "StreamName": name}, {})


def bus_arn(bus: str, caller: Caller) -> str:
    """The ARN of an event bus that is named, or already an ARN."""
    if bus.startswith("arn:"):
        return bus
    return f"arn:{caller.partition}:events:{caller.region}:{caller.account}:event-bus/{bus}"


def _log_group(operation: str, parameters: Parameters, caller: Caller) -> Read:
    """AWS puts `:log-stream:` behind a group, so that policies say `log-group:NAME:*` (CloudWatch Logs User Guide)."""
    if operation in _ABOUT_GROUP_ITSELF:
        return Read(parameters, {})
    prefix = f"arn:{caller.partition}:logs:{caller.region}:{caller.account}:log-group:"
    if operation == "DescribeLogGroups":
        return Read(parameters, {"loggroup": (f"{prefix}:log-stream:",)})
    named = [text(parameters, name) for name in ("logGroupName", "logGroupIdentifier") if name in parameters]
    named += [each for name in ("logGroupNames", "logGroupIdentifiers") for each in texts(parameters, name)]
    arns = [each.removesuffix(":*") if each.startswith("arn:") else f"{prefix}{each}" for each in named]
    if "logGroupIdentifier" in parameters:
        # The ARN of a stream in the group has the group's name.
        parameters = {**parameters, "logGroupName": [arn.rpartition(":")[2] for arn in arns]}
    return Read(parameters, {"loggroup": tuple(f"{arn}:log-stream:" for arn in arns)} if arns else {})
