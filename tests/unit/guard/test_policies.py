"""The policies of a guard are loaded from files, all errors at once, or are built in."""

from __future__ import annotations

from functools import partial

import pytest

from dsops.errors import PolicyInvalid
from dsops.guard.exchange import Forward
from dsops.guard.policies import load_policies
from dsops.policy import LimitingPolicies
from tests.guards import Guarded, reference

READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}'
DENY = """
Version: "2012-10-17"
Statement:
- Effect: Deny
  Action: s3:GetObject
  Resource: arn:aws:s3:::prod/*
"""
WRONG = '{"Version": "2012-10-17",\n"Statement": [\n{"Effect": "allow", "Action": "s3:Get*", "Resource": "*"}]}'
ALSO_WRONG = """
Version: "2012-10-17"
Statement:
- Effect: Allow
  Action: GetObject
  Resource: "*"
  Principal: "*"
"""
FILES = {"read.json": READ, "deny.yaml": DENY, "wrong.json": WRONG, "also.yaml": ALSO_WRONG}


def loaded(*arguments: str, **documents: str) -> LimitingPolicies:
    """The set of the policies that these arguments name."""
    return load_policies(arguments, FILES.__getitem__, reference(), documents)


def is_allowed(layer: LimitingPolicies, service: str, operation: str, /, **parameters: object) -> bool:
    """Whether a guard with these policies sends the request."""
    guard = Guarded(layer)
    return isinstance(guard.send(guard.request(service, operation, **parameters)), Forward)


def test_several_policies_are_one_set() -> None:
    """One policy must allow, and none may deny."""
    reads = partial(is_allowed, loaded("read.json", "deny.yaml", "auto", auto=READ.replace("s3:Get*", "sqs:*")))

    assert reads("s3", "GetObject", Bucket="test", Key="k")
    assert reads("sqs", "ListQueues")
    assert not reads("s3", "GetObject", Bucket="prod", Key="k")
    assert not reads("sns", "ListTopics")


def test_the_errors_of_all_files_are_told_with_their_lines() -> None:
    """What AWS refuses and what the linter calls an error is told for each file, and nothing is loaded."""
    with pytest.raises(PolicyInvalid) as caught:
        loaded("read.json", "wrong.json", "also.yaml")

    places = [(problem.where.file, problem.where.line) for problem in caught.value.problems]
    assert [("wrong.json", 3), ("also.yaml", 5), ("also.yaml", 7)] == places


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("s3", "GetObject", {"Bucket": "b", "Key": "k"}),
        ("s3", "ListBuckets", {}),
        ("ec2", "DescribeInstances", {}),
        ("dynamodb", "GetItem", {"TableName": "t", "Key": {"k": {"S": "v"}}}),
        ("iam", "GetRole", {"RoleName": "app"}),
        ("secretsmanager", "DescribeSecret", {"SecretId": "s"}),
        ("ssm", "DescribeParameters", {}),
        ("iam", "GetAccountPasswordPolicy", {}),
    ],
)
def test_read_only_allows_reading(service: str, operation: str, parameters: dict[str, object]) -> None:
    """`read-only` allows actions with the access levels Read and List."""
    assert is_allowed(loaded("read-only"), service, operation, **parameters)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("s3", "PutObject", {"Bucket": "b", "Key": "k"}),
        ("s3", "DeleteObject", {"Bucket": "b", "Key": "k"}),
        ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::111111111111:role/app", "RoleSessionName": "session"}),
        ("sts", "GetSessionToken", {}),
        ("sts", "GetFederationToken", {"Name": "name"}),
        ("kms", "Decrypt", {"CiphertextBlob": b"x"}),
        ("secretsmanager", "GetSecretValue", {"SecretId": "s"}),
        ("secretsmanager", "BatchGetSecretValue", {"SecretIdList": ["s"]}),
        ("ssm", "GetParameter", {"Name": "p"}),
        ("ssm", "GetParametersByPath", {"Path": "/"}),
        ("ecr", "GetAuthorizationToken", {}),
        ("cognito-identity", "GetCredentialsForIdentity", {"IdentityId": "us-east-1:1"}),
        ("ec2", "GetPasswordData", {"InstanceId": "i-1"}),
        ("sqs", "SendMessage", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/111111111111/q", "MessageBody": "x"}),
    ],
)
def test_read_only_allows_no_change_and_no_secret(service: str, operation: str, parameters: dict[str, object]) -> None:
    """`read-only` allows no writing, no other session, and no reading of secret values."""
    assert not is_allowed(loaded("read-only"), service, operation, **parameters)
