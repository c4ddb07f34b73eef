"""Compute condition keys of EC2, EventBridge, Lambda and RDS whose names differ from parameter names.

See the Service Authorization Reference of each service. A key is absent if neither the request nor the sandbox's
state has a value for the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from dsops.arn import Arn
from dsops.request.lookups import ResourceLookup, SecretLocation
from dsops.request.parameter_values import Parameters, inside, many, shown, text
from dsops.request.question import CallerView, Context, Tags
from dsops.request.resources.reference.irregular import bus_arn

_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "ec2:AvailabilityZone": ("Placement.AvailabilityZone",),
    "ec2:InstanceMarketType": ("InstanceMarketOptions.MarketType",),
    "ec2:InstanceMetadataTags": ("MetadataOptions.InstanceMetadataTags",),
    "ec2:InstanceProfile": ("IamInstanceProfile.Arn",),
    "ec2:KeyPairName": ("KeyName",),
    "ec2:MetadataHttpEndpoint": ("MetadataOptions.HttpEndpoint",),
    "ec2:MetadataHttpPutResponseHopLimit": ("MetadataOptions.HttpPutResponseHopLimit",),
    "ec2:MetadataHttpTokens": ("MetadataOptions.HttpTokens",),
    "ec2:PlacementGroupName": ("Placement.GroupName",),
    "ec2:Tenancy": ("Placement.Tenancy", "InstanceTenancy"),
    "ec2:VolumeIops": ("Iops",),
    "ec2:VolumeSize": ("Size",),
    "ec2:VolumeThroughput": ("Throughput",),
    "lambda:SecurityGroupIds": ("VpcConfig.SecurityGroupIds",),
    "lambda:SubnetIds": ("VpcConfig.SubnetIds",),
    "rds:DatabaseClass": ("DBInstanceClass", "DBClusterInstanceClass"),
    "rds:DatabaseEngine": ("Engine",),
    "rds:DatabaseName": ("DBName", "DatabaseName"),
    "rds:Piops": ("Iops",),
    "rds:StorageSize": ("AllocatedStorage",),
}
"""Maps a condition key to the possible paths of its value in the parameters. The first path that exists is used."""
_IN_VPC: Final = frozenset({"network-acl", "network-interface", "route-table", "security-group", "subnet"})
"""EC2 resource types for which AWS lists the key ec2:Vpc and moto stores a VPC."""
_PATTERN_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "events:source": ("source",),
    "events:detail-type": ("detail-type",),
    "events:detail.service": ("detail", "service"),
    "events:detail.eventTypeCode": ("detail", "eventTypeCode"),
    "events:detail.userIdentity.principalId": ("detail", "userIdentity", "principalId"),
}
"""Condition key -> path of its values in the event pattern of a rule."""


def keys_of_request(parameters: Parameters, listed: Mapping[str, str], caller: CallerView) -> Context:
    """Return those condition keys in `listed` whose values depend on the request, not on a single resource."""
    context: Context = {}
    for key, paths in _PATHS.items():
        if key in listed:
            key_values = next((values for path in paths if (values := _texts_at(parameters, path))), ())
            context |= {key: key_values} if key_values else {}
    if "ec2:Region" in listed:
        context["ec2:Region"] = (caller.region,)
    if "events:creatorAccount" in listed:
        # The sandbox has no rules that another account or a service has created, so the creator is the caller's
        # account.
        context["events:creatorAccount"] = (caller.account,)
    if "events:TargetArn" in listed and "Targets" in parameters:
        context["events:TargetArn"] = tuple(text(target, "Arn") for target in many(parameters, "Targets"))
    if "EventPattern" in parameters:
        context |= {
            key: key_values for key in _PATTERN_KEYS if key in listed and (key_values := _in_pattern(parameters, key))
        }
    return context


def keys_of_entries(parameters: Parameters, bus: str, caller: CallerView) -> Iterator[Context]:
    """Yield the condition keys for each pair of source and detail type in a PutEvents request on a bus.

    A policy must allow every pair.
    """
    entries = many(parameters, "Entries")
    kinds = [
        (text(entry, "Source"), text(entry, "DetailType"))
        for entry in entries
        if bus_arn(text(entry, "EventBusName") or "default", caller) == bus
    ]
    for source, detail_type in dict.fromkeys(kinds):
        yield {"events:source": (source,), "events:detail-type": (detail_type,)}


def keys_of_resource(arn: Arn, parameters: Parameters, tags: Tags, stored: ResourceLookup) -> Context:
    """Return the condition keys of one resource: its VPC, a database's engine and class, RDS's tag keys."""
    place = SecretLocation(arn.account, arn.region)
    if arn.service == "rds":
        context: Context = {f"rds:{arn.resource_type}-tag/{key}": (value,) for key, value in tags}
        database = stored.database(place, arn.resource.partition(":")[2]) if arn.resource_type == "db" else None
        if database is not None:
            context["rds:DatabaseEngine"] = (database.engine,)
            context["rds:DatabaseClass"] = (database.instance_class,)
        return context
    if arn.service != "ec2" or arn.resource_type not in _IN_VPC:
        return {}
    # A network interface that does not exist yet belongs to the VPC of its subnet.
    for name in (arn.resource_name, text(parameters, "SubnetId"), text(parameters, "VpcId")):
        vpc = stored.vpc_of(place, name) if name not in {"", "*"} else ""
        if vpc:
            return {"ec2:Vpc": (f"arn:{arn.partition}:ec2:{place.region}:{place.account}:vpc/{vpc}",)}
    return {}


def _texts_at(parameters: Parameters, path: str) -> tuple[str, ...]:
    """Return the strings at a path such as `VpcConfig.SubnetIds`; () if the path does not exist."""
    *outer, last = path.split(".")
    for name in outer:
        parameters = inside(parameters, name)
    value = parameters.get(last)
    if isinstance(value, list):
        return tuple(map(str, value))
    return () if value is None or isinstance(value, Mapping) else (shown(value),)


def _in_pattern(parameters: Parameters, key: str) -> tuple[str, ...]:
    """Return the strings at the key's path in an event pattern; () if the pattern is not JSON.

    Matching rules that are objects, such as `{"prefix": "a"}`, are skipped.
    """
    try:
        node = json.loads(text(parameters, "EventPattern"))
    except (ValueError, RecursionError):
        return ()
    for name in _PATTERN_KEYS[key]:
        node = node.get(name) if isinstance(node, dict) else None
    return tuple(item for item in node if isinstance(item, str)) if isinstance(node, list) else ()
