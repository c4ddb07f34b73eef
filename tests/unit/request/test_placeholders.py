"""Which parameters name the resource of an operation, for services without a module of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.guards import asked

HERE = "us-east-1:111111111111"
STREAM = f"arn:aws:states:{HERE}:stateMachine"


def resources(service: str, operation: str, parameters: dict[str, Any]) -> list[str]:
    """The ends of the ARNs of a request's first action, with `*` for unknown parts."""
    questions = asked(service, operation, parameters)
    return [resource.split(":", 5)[-1] for action, resource in questions if action == questions[0][0]]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        # A cluster that is not named is the default one.
        ("ecs", "RunTask", {"taskDefinition": "web:1"}, ["task-definition/web:1"]),
        ("ecs", "RunTask", {"taskDefinition": "web"}, ["task-definition/web:*"]),
        ("ecs", "ListTasks", {}, ["container-instance/*/*"]),
        ("ecs", "StopTask", {"task": "t"}, ["task/default/t"]),
        ("ecs", "StopTask", {"task": "t", "cluster": "c"}, ["task/c/t"]),
        ("ecs", "StopTask", {"task": "t", "cluster": f"arn:aws:ecs:{HERE}:cluster/c"}, ["task/c/t"]),
        ("ecs", "UpdateService", {"service": "s"}, ["service/default/s"]),
        ("ecs", "DescribeClusters", {}, ["cluster/default"]),
        # An app of SageMaker is below a user profile or a space.
        (
            "sagemaker",
            "DeleteApp",
            {"DomainId": "d", "UserProfileName": "u", "AppType": "JupyterServer", "AppName": "a"},
            ["app/d/u/JupyterServer/a"],
        ),
        (
            "sagemaker",
            "CreateApp",
            {"DomainId": "d", "SpaceName": "s", "AppType": "JupyterLab", "AppName": "a"},
            ["app/d/s/JupyterLab/a"],
        ),
        # The name is the ruleset's; the ruleset is its text.
        ("glue", "UpdateDataQualityRuleset", {"Name": "n", "Ruleset": "r"}, ["dataQualityRuleset/n"]),
        (
            "ec2",
            "ModifyIpamResourceCidr",
            {"ResourceId": "vpc-1", "CurrentIpamScopeId": "c", "DestinationIpamScopeId": "d"},
            ["ipam-scope/c", "ipam-scope/d"],
        ),
        # The group of the rule, not the group that the rule admits.
        (
            "ec2",
            "AuthorizeSecurityGroupIngress",
            {"GroupId": "sg-1", "SourceSecurityGroupName": "sg-2"},
            ["security-group/sg-1"],
        ),
        # Each source with its own parent.
        (
            "keyspaces",
            "RestoreTable",
            {"sourceKeyspaceName": "k1", "sourceTableName": "t1", "targetKeyspaceName": "k2", "targetTableName": "t2"},
            ["/keyspace/k1/table/t1", "/keyspace/k2/table/t2"],
        ),
        ("s3vectors", "DeleteIndex", {"vectorBucketName": "b", "indexName": "i"}, ["bucket/*/index/i"]),
        (
            "guardduty",
            "DeletePublishingDestination",
            {"DetectorId": "d", "DestinationId": "x"},
            ["detector/d/publishingdestination/x"],
        ),
        ("lexv2-models", "DescribeBot", {"botId": "b"}, ["bot/b"]),
    ],
)
def test_parameters_that_name_the_resource(
    service: str, operation: str, parameters: dict[str, Any], expected: list[str]
) -> None:
    """A resource is made of the parameters that name it."""
    assert expected == resources(service, operation, parameters)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        # Optional new names, beside the identifier that the request must have.
        ("datasync", "UpdateTask", {"TaskArn": f"arn:aws:datasync:{HERE}:task/t", "Name": "n"}, ["task/t"]),
        ("stepfunctions", "StartExecution", {"stateMachineArn": f"{STREAM}:m", "name": "n"}, ["stateMachine:m"]),
        ("macie2", "UpdateAllowList", {"id": "i", "name": "n"}, ["allow-list/i"]),
        ("route53", "DeleteKeySigningKey", {"HostedZoneId": "Z1", "Name": "Z2"}, ["hostedzone/Z1"]),
        ("connectcampaignsv2", "UpdateCampaignName", {"id": "i", "name": "n"}, ["campaign/i"]),
        # A source of events is no subscription.
        ("redshift", "ModifyEventSubscription", {"SubscriptionName": "s", "SourceIds": ["x"]}, ["eventsubscription:s"]),
        # The identifier has a form that the reference does not list, and a text has the ARN of another resource.
        (
            "stepfunctions",
            "StartExecution",
            {"stateMachineArn": f"{STREAM}:m:alias:x", "input": f"{STREAM}:other"},
            ["*"],
        ),
        ("datasync", "UpdateTask", {"TaskArn": "arn:aws:datasync:x", "Name": "n"}, ["*"]),
        # An id that only AWS knows, in the place of a name.
        ("lightsail", "DeleteDisk", {"diskName": "d"}, ["Disk/*"]),
        ("cloudformation", "DeleteStack", {"StackName": "s"}, ["stack/s/*"]),
        ("batch", "SubmitServiceJob", {"jobName": "n", "jobQueue": "q"}, ["job-queue/q", "service-job/*"]),
    ],
)
def test_parameters_that_do_not_name_the_resource(
    service: str, operation: str, parameters: dict[str, Any], expected: list[str]
) -> None:
    """A new name, a text, and a name in the place of an id are no part of an ARN."""
    assert expected == resources(service, operation, parameters)


def test_the_cluster_is_a_condition_key() -> None:
    """The condition key `ecs:cluster` has the cluster's ARN, also if the request has its name or none."""
    from dsops.guard.caller import caller_of
    from dsops.guard.lookups import unknown_resources
    from dsops.request.resources import ResourceResolver
    from tests.guards import SESSION_ARN

    resolver = ResourceResolver(unknown_resources("aws"))
    caller = caller_of(SESSION_ARN)._replace(region="us-east-1")
    for parameters, name in (({}, "default"), ({"cluster": "c"}, "c")):
        first = next(resolver.questions("ecs", "RunTask", {"taskDefinition": "t:1", **parameters}, caller))
        assert (f"arn:aws:ecs:{HERE}:cluster/{name}",) == first.context["ecs:cluster"]
