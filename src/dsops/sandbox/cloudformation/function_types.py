"""The resource types of Lambda, CloudWatch Logs, DynamoDB and ECR.

The calls are those of AWS's handlers (`handlers.*.permissions` in the types' schemas).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, Final

from dsops.sandbox.cloudformation.handler import Handler, Made, Properties, ResourceType, as_text, chosen, words

_MISSING: Final = frozenset({"ResourceNotFoundException", "ResourceNotFound", "RepositoryNotFoundException"})
_SETTINGS: Final = """
    DeadLetterConfig Description Environment EphemeralStorage Handler KMSKeyArn Layers MemorySize Role Runtime Timeout
    TracingConfig
"""
_MAPPING: Final = """
    BatchSize BisectBatchOnFunctionError DestinationConfig Enabled EventSourceArn FilterCriteria FunctionName
    FunctionResponseTypes MaximumBatchingWindowInSeconds MaximumRecordAgeInSeconds MaximumRetryAttempts
    ParallelizationFactor ScalingConfig StartingPosition TumblingWindowInSeconds
"""
_TABLE: Final = """
    AttributeDefinitions BillingMode DeletionProtectionEnabled GlobalSecondaryIndexes KeySchema LocalSecondaryIndexes
    ProvisionedThroughput TableClass
"""


def _code(properties: Properties) -> dict[str, Any]:
    """Return the location of a function's code; source text in the template becomes a ZIP archive."""
    code = properties.get("Code") or {}
    if "ZipFile" not in code:
        return dict(code)
    is_node = str(properties.get("Runtime", "")).startswith("nodejs")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.js" if is_node else "index.py", str(code["ZipFile"]))
    return {"ZipFile": content.getvalue()}


def _create_function(handler: Handler, properties: Properties) -> Made:
    name = handler.name(properties, "FunctionName", 64)
    settings = chosen(properties, f"{_SETTINGS} Architectures PackageType")
    tags = handler.all_tags(properties) or None
    code = _code(properties)
    answer = handler.call("lambda", "CreateFunction", {"FunctionName": name, "Code": code, "Tags": tags, **settings})
    return Made(name, {"Arn": answer["FunctionArn"]})


def _update_function(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    if chosen(old, _SETTINGS) != chosen(new, _SETTINGS):
        parameters = {"FunctionName": made.id, **chosen(new, _SETTINGS)}
        handler.call("lambda", "UpdateFunctionConfiguration", parameters)
    if old.get("Code") != new.get("Code"):
        handler.call("lambda", "UpdateFunctionCode", {"FunctionName": made.id, **_code(new)})
    return made


def _add_permission(handler: Handler, properties: Properties) -> Made:
    statement = handler.name({}, "", 100)
    handler.call("lambda", "AddPermission", {"StatementId": statement, **properties})
    return Made(statement, {"Id": statement})


def _remove_permission(handler: Handler, made: Made, properties: Properties) -> None:
    parameters = {"FunctionName": properties.get("FunctionName"), "StatementId": made.id}
    handler.unless(_MISSING, "lambda", "RemovePermission", parameters)


def _create_mapping(handler: Handler, properties: Properties) -> Made:
    answer = handler.call("lambda", "CreateEventSourceMapping", chosen(properties, _MAPPING))
    return Made(str(answer["UUID"]), {"Id": answer["UUID"]})


def _create_log_group(handler: Handler, properties: Properties) -> Made:
    name = handler.name(properties, "LogGroupName", 512)
    tags = handler.all_tags(properties) or None
    handler.call(
        "logs", "CreateLogGroup", {"logGroupName": name, "tags": tags, **chosen(properties, "KmsKeyId LogGroupClass")}
    )
    made = handler.keep(Made(name, {"Arn": handler.arn("logs", f"log-group:{name}:*")}))
    return _retain_logs(handler, made, {}, properties)


def _retain_logs(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    days = new.get("RetentionInDays")
    if days is not None and days != old.get("RetentionInDays"):
        handler.call("logs", "PutRetentionPolicy", {"logGroupName": made.id, "retentionInDays": days})
    elif days is None and "RetentionInDays" in old:
        handler.call("logs", "DeleteRetentionPolicy", {"logGroupName": made.id})
    return made


def _create_table(handler: Handler, properties: Properties) -> Made:
    name = handler.name(properties, "TableName", 255)
    stream, encryption = properties.get("StreamSpecification"), properties.get("SSESpecification")
    names = {"SSEEnabled": "Enabled"}
    parameters = {
        "TableName": name,
        "Tags": handler.tag_list(properties),
        "StreamSpecification": None if stream is None else {"StreamEnabled": True, **stream},
        "SSESpecification": None
        if encryption is None
        else {names.get(key, key): encryption[key] for key in encryption},
        **chosen(properties, _TABLE),
    }
    table = handler.call("dynamodb", "CreateTable", parameters)["TableDescription"]
    made = handler.keep(Made(name, {"Arn": table["TableArn"], "StreamArn": table.get("LatestStreamArn", "")}))
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery is not None:
        parameters = {"TableName": name, "PointInTimeRecoverySpecification": recovery}
        handler.call("dynamodb", "UpdateContinuousBackups", parameters)
    if properties.get("TimeToLiveSpecification") is not None:
        parameters = {"TableName": name, **chosen(properties, "TimeToLiveSpecification")}
        handler.call("dynamodb", "UpdateTimeToLive", parameters)
    return made


def _create_repository(handler: Handler, properties: Properties) -> Made:
    name = handler.name(properties, "RepositoryName", 256, is_lower=True)
    settings = chosen(properties, "ImageScanningConfiguration ImageTagMutability EncryptionConfiguration")
    answer = handler.call(
        "ecr", "CreateRepository", {"repositoryName": name, "tags": handler.tag_list(properties), **settings}
    )
    repository = answer["repository"]
    attributes = {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]}
    made = handler.keep(Made(name, attributes))
    return _update_repository(handler, made, {}, properties)


def _update_repository(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    named = {"repositoryName": made.id}
    lifecycle = (new.get("LifecyclePolicy") or {}).get("LifecyclePolicyText")
    if lifecycle is not None and new.get("LifecyclePolicy") != old.get("LifecyclePolicy"):
        handler.call("ecr", "PutLifecyclePolicy", {**named, "lifecyclePolicyText": lifecycle})
    policy = new.get("RepositoryPolicyText")
    if policy is not None and policy != old.get("RepositoryPolicyText"):
        handler.call("ecr", "SetRepositoryPolicy", {**named, "policyText": as_text(policy)})
    return made


FUNCTION_TYPES: Final[Mapping[str, ResourceType]] = {
    "AWS::Lambda::Function": ResourceType(
        words(f"FunctionName Code Architectures PackageType Tags {_SETTINGS}"),
        _create_function,
        lambda handler, made, _: handler.unless(_MISSING, "lambda", "DeleteFunction", {"FunctionName": made.id}),
        _update_function,
        words("FunctionName PackageType Architectures Tags"),
    ),
    "AWS::Lambda::Permission": ResourceType(
        words("Action FunctionName Principal SourceArn SourceAccount EventSourceToken PrincipalOrgID"),
        _add_permission,
        _remove_permission,
    ),
    "AWS::Lambda::EventSourceMapping": ResourceType(
        words(_MAPPING),
        _create_mapping,
        lambda handler, made, _: handler.unless(_MISSING, "lambda", "DeleteEventSourceMapping", {"UUID": made.id}),
    ),
    "AWS::Logs::LogGroup": ResourceType(
        words("LogGroupName KmsKeyId LogGroupClass RetentionInDays Tags"),
        _create_log_group,
        lambda handler, made, _: handler.unless(_MISSING, "logs", "DeleteLogGroup", {"logGroupName": made.id}),
        _retain_logs,
        words("LogGroupName KmsKeyId LogGroupClass Tags"),
    ),
    "AWS::DynamoDB::Table": ResourceType(
        words(
            f"""
            TableName Tags StreamSpecification SSESpecification PointInTimeRecoverySpecification TimeToLiveSpecification
            {_TABLE}
            """
        ),
        _create_table,
        lambda handler, made, _: handler.unless(_MISSING, "dynamodb", "DeleteTable", {"TableName": made.id}),
    ),
    "AWS::ECR::Repository": ResourceType(
        words(
            """
            RepositoryName ImageScanningConfiguration ImageTagMutability EncryptionConfiguration LifecyclePolicy
            RepositoryPolicyText Tags
            """
        ),
        _create_repository,
        lambda handler, made, _: handler.unless(
            _MISSING, "ecr", "DeleteRepository", {"repositoryName": made.id, "force": False}
        ),
        _update_repository,
        words("RepositoryName EncryptionConfiguration Tags"),
    ),
}
