"""The guard's answer to a call is that of the sandbox, where the same policy is the session policy of a full role."""

from __future__ import annotations

import json
from random import Random

import pytest

from dsops.guard.exchange import Forward
from dsops.policy import LimitingPolicies, parse_policy
from tests.groups import marks_of_rest
from tests.guards import Guarded, refusal_of
from tests.sandboxes import Lab, Person, RefusedError

SEED = """
accounts:
  "111111111111":
    users:
      alice:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:*", Resource: "*"}}
    roles:
      Full:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111111111111:root"}, Action: "sts:AssumeRole"}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}
"""
ROLE = "arn:aws:iam::111111111111:role/Full"
HERE = "us-east-1:111111111111"
QUEUE = "https://sqs.us-east-1.amazonaws.com/111111111111"
Call = tuple[str, str, dict[str, object], str]
"""Service, operation, parameters, and the ARN of the resource."""
CALLS: tuple[Call, ...] = (
    ("s3", "GetObject", {"Bucket": "data", "Key": "a/b"}, "arn:aws:s3:::data/a/b"),
    ("s3", "PutObject", {"Bucket": "data", "Key": "a/c", "Body": b"x", "ACL": "private"}, "arn:aws:s3:::data/a/c"),
    ("s3", "ListObjectsV2", {"Bucket": "data", "Prefix": "a/"}, "arn:aws:s3:::data"),
    ("s3", "DeleteObjects", {"Bucket": "data", "Delete": {"Objects": [{"Key": "a/b"}]}}, "arn:aws:s3:::data/a/b"),
    ("s3", "ListBuckets", {}, "arn:aws:s3:::*"),
    ("s3", "GetBucketTagging", {"Bucket": "data"}, "arn:aws:s3:::data"),
    ("s3", "CopyObject", {"Bucket": "data", "Key": "n", "CopySource": "other/k"}, "arn:aws:s3:::data/n"),
    ("sqs", "CreateQueue", {"QueueName": "jobs"}, f"arn:aws:sqs:{HERE}:jobs"),
    ("sqs", "SendMessage", {"QueueUrl": f"{QUEUE}/jobs", "MessageBody": "x"}, f"arn:aws:sqs:{HERE}:jobs"),
    ("sqs", "ListQueues", {}, "*"),
    ("sns", "CreateTopic", {"Name": "news"}, f"arn:aws:sns:{HERE}:news"),
    ("sns", "Publish", {"TopicArn": f"arn:aws:sns:{HERE}:news", "Message": "x"}, f"arn:aws:sns:{HERE}:news"),
    ("dynamodb", "GetItem", {"TableName": "t", "Key": {"k": {"S": "v"}}}, f"arn:aws:dynamodb:{HERE}:table/t"),
    ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, f"arn:aws:dynamodb:{HERE}:table/t/index/i"),
    ("dynamodb", "ListTables", {}, "*"),
    ("ssm", "GetParameter", {"Name": "/app/db"}, f"arn:aws:ssm:{HERE}:parameter/app/db"),
    (
        "ssm",
        "PutParameter",
        {"Name": "/app/db", "Value": "v", "Type": "String"},
        f"arn:aws:ssm:{HERE}:parameter/app/db",
    ),
    ("kms", "CreateKey", {}, "*"),
    ("kms", "ListKeys", {}, "*"),
    ("secretsmanager", "ListSecrets", {}, "*"),
    ("iam", "ListUsers", {}, "*"),
    ("iam", "CreateRole", {"RoleName": "new", "AssumeRolePolicyDocument": "{}"}, "arn:aws:iam::111111111111:role/new"),
    ("iam", "GetPolicy", {"PolicyArn": "arn:aws:iam::111111111111:policy/p"}, "arn:aws:iam::111111111111:policy/p"),
    ("lambda", "GetFunction", {"FunctionName": "f"}, f"arn:aws:lambda:{HERE}:function:f"),
    ("lambda", "ListFunctions", {}, "*"),
    ("logs", "CreateLogGroup", {"logGroupName": "g"}, f"arn:aws:logs:{HERE}:log-group:g:log-stream:"),
    ("events", "PutRule", {"Name": "r", "EventPattern": "{}"}, f"arn:aws:events:{HERE}:rule/r"),
    ("ecs", "CreateCluster", {"clusterName": "c"}, f"arn:aws:ecs:{HERE}:cluster/c"),
    ("ecs", "DescribeClusters", {"clusters": ["c"]}, f"arn:aws:ecs:{HERE}:cluster/c"),
    ("kinesis", "CreateStream", {"StreamName": "s", "ShardCount": 1}, f"arn:aws:kinesis:{HERE}:stream/s"),
    ("ec2", "DescribeInstances", {}, "*"),
    ("ec2", "TerminateInstances", {"InstanceIds": ["i-0123"]}, f"arn:aws:ec2:{HERE}:instance/i-0123"),
    ("rds", "DeleteDBInstance", {"DBInstanceIdentifier": "d"}, f"arn:aws:rds:{HERE}:db:d"),
    ("stepfunctions", "ListStateMachines", {}, f"arn:aws:states:{HERE}:stateMachine:*"),
    (
        "cloudwatch",
        "PutMetricAlarm",
        {"AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "LessThanThreshold"},
        f"arn:aws:cloudwatch:{HERE}:alarm:a",
    ),
    ("sts", "GetCallerIdentity", {}, "*"),
    ("apigateway", "GetRestApis", {}, "arn:aws:apigateway:us-east-1::/restapis"),
)
CONDITIONS: tuple[dict[str, object], ...] = (
    {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}},
    {"StringLike": {"s3:prefix": "a/*"}},
    {"StringEqualsIfExists": {"s3:x-amz-acl": "public-read"}},
    {"Null": {"aws:RequestTag/team": "true"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"StringEquals": {"aws:PrincipalAccount": "111111111111"}},
    {"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}},
)
CHUNKS = 20
PAIRS_IN_CHUNK = 100


def statement(random: Random, call: Call) -> dict[str, object]:
    """A statement that is often about the call."""
    service, operation, _, arn = call
    prefix = {"stepfunctions": "states", "apigateway": "apigateway"}.get(service, service)
    made: dict[str, object] = {"Effect": random.choice(("Allow", "Allow", "Deny"))}
    actions = ("*", f"{prefix}:*", f"{prefix}:{operation}", f"{prefix}:{operation[:3]}*", "s3:Get*", "sqs:ListQueues")
    made[random.choice(("Action", "Action", "Action", "NotAction"))] = random.sample(actions, random.choice((1, 2)))
    head, _, tail = arn.rpartition(":")
    resources = ["*", arn, f"{head}:{tail[:1]}*" if head else "*", "arn:aws:s3:::other/*", f"arn:aws:sqs:{HERE}:other"]
    made[random.choice(("Resource", "Resource", "Resource", "NotResource"))] = random.sample(
        resources, random.choice((1, 2))
    )
    if random.random() < 0.4:
        made["Condition"] = random.choice(CONDITIONS)
    return made


def answer_of_sandbox(person: Person, call: Call) -> str:
    """The message of the denial; "" if the call was authorized, whatever came of it."""
    service, operation, parameters, _ = call
    try:
        person.call(service, operation, **parameters)
    except RefusedError as error:
        is_denial = error.code in {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
        return error.message if is_denial else ""
    return ""


def answer_of_guard(person: Person, policy: str, call: Call) -> str:
    """The message of the guard's denial; "" if the guard sends the call."""
    service, operation, parameters, _ = call
    guard = Guarded(LimitingPolicies([parse_policy(policy, "session", name="p")]), arn=person.arn)
    result = guard.send(guard.request(service, operation, **parameters))
    return "" if isinstance(result, Forward) else refusal_of(result, service, operation).message


@pytest.mark.parametrize(
    "chunk", [pytest.param(number, marks=marks_of_rest(number, CHUNKS // 2)) for number in range(CHUNKS)]
)
def test_the_guard_answers_as_the_sandbox(chunk: int) -> None:
    """For each pair of a policy and a call, guard and sandbox allow alike, or deny with the same message."""
    random = Random(chunk)  # noqa: S311 - reproducible pairs
    alice = Lab.of(SEED).user("alice")
    different = []
    denials = 0
    for _ in range(PAIRS_IN_CHUNK):
        call = random.choice(CALLS)
        statements = [statement(random, call) for _ in range(random.choice((1, 2, 3)))]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        person = alice.assume(ROLE, "session", Policy=policy)
        expected = answer_of_sandbox(person, call).partition(". Encoded authorization failure message:")[0]
        actual = answer_of_guard(person, policy, call)
        denials += bool(expected)
        if expected != actual:
            different.append((call[:2], statements, expected, actual))

    assert different == []
    assert 0 < denials < PAIRS_IN_CHUNK
