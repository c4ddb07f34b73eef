"""The IAM actions of operations: the exceptions exist at AWS, and the operations without a known action are listed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import Loader

from dsops.request.resources.reference import actions
from dsops.request.resources.reference.actions import actions_of, prefix_of
from dsops.request.wire.models import TOOLBOX, operation_model, operation_names
from tests.guards import asked, reference

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = Path(__file__).with_name("unknown_actions.txt")
UPDATE = os.environ.get("DSOPS_UPDATE_GOLDEN") == "1"
OWN_MODULES = {"dynamodb", "iam", "kms", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts"}
"""Services whose module in `resources` names the actions."""
BY_PATH = {"apigateway", "apigatewayv2"}
"""Services whose actions are HTTP methods."""


def every_service() -> list[str]:
    """botocore's names of all services."""
    loader = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
    return sorted(set(loader.list_available_services("service-2")) - BY_PATH - OWN_MODULES - {TOOLBOX})


def is_known(action: str) -> bool:
    """Whether AWS's reference lists an action."""
    prefix, _, name = action.lower().partition(":")
    return reference().use_of(prefix, name) is not None


def test_every_exception_is_an_operation_and_an_action() -> None:
    """Each line of the tables names an operation of botocore, and actions of AWS's reference."""
    for service, operations, names in [*actions._rows(actions._RENAMED), *actions._rows(actions._WITH_PARAMETER)]:
        assert operations[0] in operation_names(service), (service, operations)
        for name in names:
            assert is_known(name if ":" in name else f"{prefix_of(service)}:{name}"), (service, name)
    for (service, operation), listed in actions._renamed().items():
        assert operation in operation_names(service), (service, operation)
        assert len(set(listed)) == len(listed)


def test_every_parameter_of_an_exception_exists() -> None:
    """Each parameter that needs a further action is a parameter of the operation, and can have the value."""
    for (service, operation), rows in actions._with_parameter().items():
        members = operation_model(service, operation).input_shape.members
        for parameter, value, _ in rows:
            assert not value or value in members[parameter].metadata["enum"], (service, operation, parameter)


def test_operations_without_a_known_action_are_listed() -> None:
    """The guard refuses these operations, whatever the policies allow: AWS publishes no action for them."""
    found: dict[str, list[str]] = {}
    count = 0
    for service in every_service():
        for operation in sorted(operation_names(service)):
            count += 1
            if not all(map(is_known, actions_of(service, operation, {}))):
                found.setdefault(service, []).append(operation)
    unknown = sum(map(len, found.values()))
    head = f"# {unknown} of {count} operations have no known action. DSOPS_UPDATE_GOLDEN=1 writes this file again.\n"
    text = head + "".join(f"{service}: {' '.join(names)}\n" for service, names in found.items())
    if UPDATE:
        UNKNOWN.write_text(text, encoding="ascii")

    assert UNKNOWN.read_text(encoding="ascii") == text


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        # AWS's reference has actions of these names, but they are for the rows of a table.
        ("keyspaces", "UpdateTable", {}, "cassandra:Alter"),
        # The reference and the model disagree about the action, so both are needed.
        ("glue", "GetColumnStatisticsForTable", {}, "glue:GetColumnStatisticsForTable glue:GetTable"),
        ("lambda", "InvokeAsync", {}, "lambda:InvokeFunction lambda:InvokeAsync"),
        # The model says that the operation has no action of its own.
        ("batch", "TerminateJobs", {}, "batch:TerminateJob"),
        ("glue", "GetUnfilteredPartitionsMetadata", {}, "glue:GetPartitions"),
        ("securityhub", "GetFindingStatisticsV2", {}, "securityhub:GetAdhocInsightResults"),
        ("taxsettings", "PutTaxExemption", {}, "tax:UpdateExemptions"),
        # The model lists several actions.
        ("cloudfront", "CreateDistributionWithTags", {}, "cloudfront:CreateDistribution cloudfront:TagResource"),
        ("codeartifact", "GetAuthorizationToken", {}, "codeartifact:GetAuthorizationToken sts:GetServiceBearerToken"),
        ("cloudtrail", "ListInsightsMetricData", {}, "cloudtrail:LookupEvents cloudtrail:ListInsightsData"),
        # Amazon Lex V2 has actions of its own; other maps give it those of the first version (`PutBot`).
        ("lexv2-models", "CreateBot", {}, "lex:CreateBot"),
        # Operations on the buckets of Outposts are in S3 Control's model.
        ("s3control", "DeleteBucket", {}, "s3-outposts:DeleteBucket"),
        ("s3control", "DeleteAccessPointScope", {}, "s3express:DeleteAccessPointScope"),
        ("s3control", "CreateJob", {}, "s3:CreateJob"),
        # Parameters that need a further action.
        ("logs", "GetLogEvents", {"unmask": True}, "logs:GetLogEvents logs:Unmask"),
        ("logs", "GetLogEvents", {"unmask": False}, "logs:GetLogEvents"),
        ("logs", "PutAccountPolicy", {"policyType": "TRANSFORMER_POLICY"}, "logs:PutAccountPolicy logs:PutTransformer"),
        ("logs", "PutAccountPolicy", {"policyType": "METRIC_EXTRACTION_POLICY"}, "logs:PutAccountPolicy"),
        (
            "bedrock-agentcore",
            "InvokeAgentRuntime",
            {"runtimeUserId": "u"},
            "bedrock-agentcore:InvokeAgentRuntime bedrock-agentcore:InvokeAgentRuntimeForUser",
        ),
        ("s3vectors", "QueryVectors", {"filter": {"a": 1}}, "s3vectors:QueryVectors s3vectors:GetVectors"),
        ("s3vectors", "QueryVectors", {"topK": 1}, "s3vectors:QueryVectors"),
    ],
)
def test_operations_with_other_actions(
    service: str, operation: str, parameters: Mapping[str, object], expected: str
) -> None:
    """An operation needs the actions that AWS's documentation states, in this order."""
    assert expected == " ".join(actions_of(service, operation, parameters))


def test_each_action_of_an_operation_is_asked() -> None:
    """The checks of an operation with several actions have the resources of each action."""
    name = {"domain": "d"}
    unmasked = {"logGroupName": "g", "logStreamName": "s", "unmask": True}
    group = "arn:aws:logs:us-east-1:111111111111:log-group:g:log-stream:"

    assert [
        ("codeartifact:GetAuthorizationToken", "arn:aws:codeartifact:us-east-1:111111111111:domain/d"),
        ("sts:GetServiceBearerToken", "*"),
    ] == asked("codeartifact", "GetAuthorizationToken", name)
    assert ("logs:Unmask", group) in asked("logs", "FilterLogEvents", unmasked)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        # AWS AppStream has a list of objects as text here, and Verified Permissions a flag.
        ("appstream", "CreateExportImageTask", {"ImageName": "i", "AmiName": "a", "TagSpecifications": {"k": "v"}}),
        ("verifiedpermissions", "GetPolicyStore", {"policyStoreId": "p", "tags": True}),
    ],
)
def test_parameters_that_are_no_tags_have_the_names_of_tags(
    service: str, operation: str, parameters: dict[str, Any]
) -> None:
    """A parameter whose name says tags, and which is of another type, does not fail the request."""
    assert f"{service}:{operation}" == asked(service, operation, parameters)[0][0]
