"""A sandbox with users and service roles that deploy stacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config

from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.sandboxes import ACCOUNT

SEED = """
accounts:
  "111111111111":
    users:
      deployer:
        policies:
        - {Version: "2012-10-17", Statement: [
           {Effect: Allow, Resource: "*", Action: ["cloudformation:*", "sqs:*"]},
           {Effect: Allow, Resource: "arn:aws:iam::111111111111:role/Stacks", Action: "iam:PassRole",
            Condition: {StringEquals: {"iam:PassedToService": "cloudformation.amazonaws.com"}}}]}
      through:
        policies:
        - {Version: "2012-10-17", Statement: [
           {Effect: Allow, Resource: "*", Action: "cloudformation:*"},
           {Effect: Allow, Resource: "*", Action: "sqs:*", Condition: {"ForAnyValue:StringEquals":
             {"aws:CalledVia": "cloudformation.amazonaws.com"}}}]}
      deployer_admin:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Resource: "*", Action: ["cloudformation:*",
           "iam:PassRole"]}}
    roles:
      Stacks:
        trust: &trust
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {Service: cloudformation.amazonaws.com}, Action: sts:AssumeRole}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Resource: "*", Action: ["sns:*", "sqs:CreateQueue",
           "sqs:DeleteQueue"]}}
      Admin:
        trust: *trust
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Resource: "*", Action: "*"}}
      Other:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}
"""


class ClientOf(Protocol):
    """Creates boto3 clients for the sandbox."""

    def __call__(self, service: str, name: str = "admin") -> Any:
        """Return a client of that service with a user's keys."""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A server with users and service roles that deploy stacks."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


@pytest.fixture
def client(server: SandboxServer) -> ClientOf:
    """A function that creates boto3 clients for the server."""

    def make(service: str, name: str = "admin") -> Any:
        keys = identity_variables(server, f"{name}@{ACCOUNT}")
        return boto3.client(
            service,
            endpoint_url=server.url,
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 0}),
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    return make
