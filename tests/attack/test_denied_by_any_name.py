"""A denial of a resource holds whichever name a request uses for the resource."""

from __future__ import annotations

import base64
import json

import pytest

from tests.sandboxes import ACCOUNT, Lab, Person

HERE = f"us-east-1:{ACCOUNT}"
GROUP = f"arn:aws:logs:{HERE}:log-group:lg"
STREAM = f"arn:aws:kinesis:{HERE}:stream/st"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture
def admin() -> Person:
    """An administrator with a log group, a stream and a tagged repository."""
    admin = Lab.of(f'accounts: {{"{ACCOUNT}": {{}}}}').user("admin")
    admin.call("logs", "CreateLogGroup", logGroupName="lg")
    admin.call("logs", "CreateLogStream", logGroupName="lg", logStreamName="ls")
    admin.call("kinesis", "CreateStream", StreamName="st", ShardCount=1)
    admin.call("ecr", "CreateRepository", repositoryName="rp", tags=[{"Key": "env", "Value": "prod"}])
    return admin


def eve(admin: Person, denied: dict[str, object]) -> Person:
    """A user who may do everything except the denied actions."""
    admin.call("iam", "CreateUser", UserName="eve")
    admin.call("iam", "CreateAccessKey", UserName="eve")
    text = json.dumps({"Version": "2012-10-17", "Statement": [ALL, {"Effect": "Deny", "Action": "*", **denied}]})
    admin.call("iam", "PutUserPolicy", UserName="eve", PolicyName="p", PolicyDocument=text)
    return admin.lab.user("eve")


@pytest.mark.parametrize("named", [{"logGroupName": "lg"}, {"logGroupIdentifier": "lg"}, {"logGroupIdentifier": GROUP}])
def test_events_of_a_log_group(admin: Person, named: dict[str, str]) -> None:
    """A Deny on a log stream applies to GetLogEvents, however the request names the stream's log group."""
    reader = eve(admin, {"Resource": f"{GROUP}:log-stream:ls"})

    assert 400 == reader.answer("logs", "GetLogEvents", logStreamName="ls", **named).status
    assert 200 == admin.answer("logs", "GetLogEvents", logStreamName="ls", **named).status


def test_records_of_a_stream(admin: Person) -> None:
    """A Deny on a Kinesis stream applies to GetRecords, whose only reference to the stream is a forgeable iterator."""
    iterator = base64.encodebytes(b"st:shardId-000000000000:0").decode()
    reader = eve(admin, {"Resource": STREAM})

    refused = reader.refused("kinesis", "GetRecords", ShardIterator=iterator)

    assert "AccessDeniedException" == refused.code
    assert [] == admin.call("kinesis", "GetRecords", ShardIterator=iterator)["Records"]


def test_repositories_by_their_tags(admin: Person) -> None:
    """A Deny with a condition on repository tags applies to ECR, although moto stores these tags in an unusual form."""
    reader = eve(admin, {"Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/env": "prod"}}})

    assert "AccessDeniedException" == reader.refused("ecr", "ListImages", repositoryName="rp").code
    assert 200 == reader.answer("ecr", "CreateRepository", repositoryName="other").status


def written(arn: str) -> list[str]:
    """Malformed ARNs with the same ending as this ARN."""
    return [
        arn.replace("arn:aws:", "arn:aws-cn:"),
        arn.replace(ACCOUNT, ""),
        arn.replace(ACCOUNT, "*"),
        arn.replace("us-east-1", ""),
        arn.replace("us-east-1", "*"),
        arn.replace("us-east-1", "US-EAST-1"),
        arn.replace("us-east-1", "eu-west-1"),
        arn.replace(":ecs:", ":x:").replace(":logs:", ":x:"),
        arn.replace(":lambda:", ":x:").replace(":events:", ":x:"),
    ]


@pytest.mark.parametrize("service", ["ecs", "events", "lambda", "logs"])
def test_an_arn_of_nothing_here_is_no_other_way_to_a_thing(admin: Person, service: str) -> None:
    """A malformed ARN is refused, because moto alone would read only the name at its end."""
    arn, operation, parameter = {
        "ecs": (f"arn:aws:ecs:{HERE}:cluster/c", "DeleteCluster", "cluster"),
        "events": (f"arn:aws:events:{HERE}:event-bus/b", "DescribeEventBus", "Name"),
        "lambda": (f"arn:aws:lambda:{HERE}:function:f", "DeleteFunction", "FunctionName"),
        "logs": (GROUP, "DescribeLogStreams", "logGroupIdentifier"),
    }[service]
    admin.call("ecs", "CreateCluster", clusterName="c")
    admin.call("events", "CreateEventBus", Name="b")
    other = eve(admin, {"Resource": [arn, f"{arn}:*"]})

    more = {"ecs": ["x/c", "arn:x/c", f"arn:aws:ecs:{HERE}:x/c"], "lambda": ["a:b:f"], "logs": ["x:lg"]}
    for text in [*written(arn), *more.get(service, [])]:
        code = other.refused(service, operation, **{parameter: text}).code
        assert code in {"InvalidParameterValue", "AccessDeniedException"}, text


def test_a_rule_of_the_default_bus_by_the_buss_arn(admin: Person) -> None:
    """A Deny on a rule of the default event bus applies, even if the request gives the bus's ARN."""
    admin.call("events", "PutRule", Name="rule", EventPattern="{}")
    other = eve(admin, {"Resource": f"arn:aws:events:{HERE}:rule/rule"})

    for bus in ({}, {"EventBusName": "default"}, {"EventBusName": f"arn:aws:events:{HERE}:event-bus/default"}):
        assert "AccessDeniedException" == other.refused("events", "DeleteRule", Name="rule", **bus).code


def test_a_trail_by_its_name_alone(admin: Person) -> None:
    """A Deny on a trail applies to requests that name the trail only in the parameter `Name`."""
    arn = f"arn:aws:cloudtrail:{HERE}:trail/trail"
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("cloudtrail", "CreateTrail", Name="trail", S3BucketName="bucket")
    other = eve(admin, {"Resource": arn})

    for operation in ("StopLogging", "StartLogging", "DeleteTrail"):
        for name in ("trail", arn):
            assert "AccessDeniedException" == other.refused("cloudtrail", operation, Name=name).code
