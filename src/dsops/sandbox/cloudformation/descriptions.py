"""What CloudFormation's reading operations return about stacks, resources, events and change sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dsops.request.wire.responses import Moment, Value
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.cloudformation.handler import invalid
from dsops.sandbox.cloudformation.stacks import ChangeSet, DeployedStack, StackEvent, StackResource
from dsops.sandbox.cloudformation.template import Content

Result = Mapping[str, Value]


def of_stacks(stacks: Iterable[DeployedStack]) -> Result:
    """Return the result of DescribeStacks."""
    return {"Stacks": [_stack(stack) for stack in stacks]}


def _stack(stack: DeployedStack) -> Result:
    parameters = {} if stack.template is None else stack.template.parameters
    declared = stack.content.get("Parameters") or {}
    shown = {name: "****" if _is_hidden(declared.get(name)) else value for name, value in parameters.items()}
    return _without_empty(
        {
            "StackId": stack.arn,
            "StackName": stack.name,
            "Description": str(stack.content.get("Description", "")),
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in shown.items()],
            "CreationTime": Moment(stack.created_at),
            **_times(stack),
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "DisableRollback": "false",
            "NotificationARNs": [],
            "Capabilities": list(stack.capabilities),
            "Outputs": [_output(*output) for output in stack.outputs],
            "RoleARN": stack.role_arn,
            "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
            "EnableTerminationProtection": "true" if stack.is_protected else "false",
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
    )


def _is_hidden(parameter: object) -> bool:
    return isinstance(parameter, dict) and str(parameter.get("NoEcho", "")).lower() == "true"


def _times(stack: DeployedStack) -> dict[str, Value]:
    times: dict[str, Value] = {}
    if stack.updated_at:
        times["LastUpdatedTime"] = Moment(stack.updated_at)
    if stack.deleted_at:
        times["DeletionTime"] = Moment(stack.deleted_at)
    return times


def _output(key: str, value: str, description: str, export: str) -> Result:
    return _without_empty(
        {"OutputKey": key, "OutputValue": value, "Description": description, "ExportName": export}, {"OutputValue"}
    )


def _without_empty(values: Mapping[str, Value], kept: Iterable[str] = ()) -> Result:
    return {name: value for name, value in values.items() if value not in ("", []) or name in kept}


def of_events(stack: DeployedStack) -> Result:
    """Return the result of DescribeStackEvents, the newest event first."""
    return {"StackEvents": [_event(stack, event) for event in reversed(stack.events)]}


def _event(stack: DeployedStack, event: StackEvent) -> Result:
    return _without_empty(
        {
            "StackId": stack.arn,
            "EventId": f"{event.logical_id}-{event.status}-{event.number}",
            "StackName": stack.name,
            "LogicalResourceId": event.logical_id,
            "PhysicalResourceId": event.physical_id,
            "ResourceType": event.type,
            "Timestamp": Moment(event.at),
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason,
        }
    )


def of_resources(stack: DeployedStack, turn: AuthenticatedRequest) -> Result:
    """Return the result of DescribeStackResources."""
    wanted = turn.text("LogicalResourceId")
    resources = [item for item in stack.resources.values() if wanted in {"", item.logical_id}]
    return {"StackResources": [{**_of_stack(stack), **_resource(item, "Timestamp")} for item in resources]}


def of_resource(stack: DeployedStack, resource: StackResource) -> Result:
    """Return the result of DescribeStackResource."""
    return {"StackResourceDetail": {**_of_stack(stack), **_resource(resource, "LastUpdatedTimestamp")}}


def list_resources(stack: DeployedStack) -> Result:
    """Return the result of ListStackResources."""
    return {"StackResourceSummaries": [_resource(item, "LastUpdatedTimestamp") for item in stack.resources.values()]}


def _of_stack(stack: DeployedStack) -> Result:
    return {"StackName": stack.name, "StackId": stack.arn}


def _resource(resource: StackResource, time: str) -> Result:
    return _without_empty(
        {
            "LogicalResourceId": resource.logical_id,
            "PhysicalResourceId": "" if resource.made is None else resource.made.id,
            "ResourceType": resource.type,
            time: Moment(resource.at),
            "ResourceStatus": resource.status,
            "ResourceStatusReason": resource.reason,
            "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        }
    )


def list_stacks(stacks: Iterable[DeployedStack], turn: AuthenticatedRequest) -> Result:
    """Return the result of ListStacks."""
    statuses = turn.parameters.get("StackStatusFilter")
    wanted = [stack for stack in stacks if not isinstance(statuses, list) or not statuses or stack.status in statuses]
    return {"StackSummaries": [_summary(stack) for stack in wanted]}


def _summary(stack: DeployedStack) -> Result:
    return _without_empty(
        {
            **_of_stack(stack),
            "CreationTime": Moment(stack.created_at),
            **_times(stack),
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
    )


def list_exports(stacks: Iterable[DeployedStack]) -> Result:
    """Return the result of ListExports."""
    return {
        "Exports": [
            {"ExportingStackId": stack.arn, "Name": name, "Value": value}
            for stack in stacks
            if stack.status != "DELETE_COMPLETE"
            for _, value, _, name in stack.outputs
            if name
        ]
    }


def of_template(text: str) -> Result:
    """Return the result of GetTemplate."""
    return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}


def of_policy(_: DeployedStack) -> Result:
    """Return the result of GetStackPolicy: the sandbox has no stack policies."""
    return {}


def summary(content: Content, *, is_validation: bool = False) -> Result:
    """Return the result of GetTemplateSummary or ValidateTemplate."""
    if not content:
        raise invalid("the stack has no template")
    types = sorted({str(resource["Type"]) for resource in content["Resources"].values()})
    needed = ["CAPABILITY_NAMED_IAM"] if any(name.startswith("AWS::IAM::") for name in types) else []
    parameters: list[Value] = [
        _without_empty(
            {
                "ParameterKey": name,
                "DefaultValue": str(parameter.get("Default", "")),
                **({} if is_validation else {"ParameterType": str(parameter.get("Type", "String"))}),
                "NoEcho": "true" if _is_hidden(parameter) else "false",
                "Description": str(parameter.get("Description", "")),
            }
        )
        for name, parameter in (content.get("Parameters") or {}).items()
    ]
    result: dict[str, Value] = {
        "Parameters": parameters,
        "Description": str(content.get("Description", "")),
        "Capabilities": needed,
    }
    return result if is_validation else {**result, "ResourceTypes": types}


def list_change_sets(stack: DeployedStack) -> Result:
    """Return the result of ListChangeSets."""
    return {"Summaries": [_change_set(stack, item) for item in stack.change_sets.values()]}


def of_change_set(stack: DeployedStack, change_set: ChangeSet) -> Result:
    """Return the result of DescribeChangeSet."""
    changes: list[Value] = [
        {
            "Type": "Resource",
            "ResourceChange": {"Action": action, "LogicalResourceId": logical_id, "ResourceType": of_type},
        }
        for action, logical_id, of_type in change_set.changes
    ]
    return {**_change_set(stack, change_set), "Changes": changes}


def _change_set(stack: DeployedStack, change_set: ChangeSet) -> Result:
    return _without_empty(
        {
            "ChangeSetName": change_set.name,
            "ChangeSetId": change_set.arn,
            **_of_stack(stack),
            "CreationTime": Moment(change_set.at),
            "ExecutionStatus": change_set.execution,
            "Status": change_set.status,
            "StatusReason": change_set.reason,
        }
    )
