"""boto3 invokes functions of the sandbox, and the functions call the sandbox with boto3 under their role."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dsops.functions.host import LocalHost
from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.seed.file import read_seed
from tests.functions import package, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "functions run here")

ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
SEED = f"""
accounts:
  "{ACCOUNT}":
    roles:
      Orders:
        trust: {{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{Service: lambda.amazonaws.com}},
                Action: "sts:AssumeRole"}}}}
        policies: [{{Version: "2012-10-17", Statement: {{Effect: Allow, Action: ["logs:*", "sqs:*"], Resource: "*"}}}}]
"""
ASKING = """
import os, urllib.error, urllib.request
import boto3

def handler(event, context):
    print("asked", event["who"])
    try:
        urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_sandbox/identity?as=admin", timeout=60)
    except urllib.error.HTTPError as error:
        control = error.code
    return [boto3.client("sts").get_caller_identity()["Arn"], control]
"""
TURNING = """
def handler(event, context):
    for record in event["Records"]:
        print("turned", record["body"][::-1])
"""
SECONDS = 60

Client = Callable[[str], Any]


@pytest.fixture
def client() -> Iterator[Client]:
    """A function that makes boto3's clients of the administrator of a sandbox that runs functions."""
    with open_server(read_seed(SEED, "seed.yaml"), functions=LocalHost()) as server:
        keys = identity_variables(server, "")
        session = boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        patient = Config(read_timeout=SECONDS, retries={"total_max_attempts": 1})
        yield lambda service: session.client(service, endpoint_url=server.url, config=patient)


def create(client: Client, code: str) -> None:
    """Create the function `orders`."""
    client("lambda").create_function(
        FunctionName="orders",
        Role=f"arn:aws:iam::{ACCOUNT}:role/Orders",
        Runtime="python3.12",
        Handler="app.handler",
        Timeout=SECONDS,
        MemorySize=512,
        Code={"ZipFile": package(code)},
    )


def logged(client: Client, text: str) -> bool:
    """Wait until the function has logged a text."""
    logs = client("logs")
    for _ in range(SECONDS * 5):
        if logs.describe_log_groups()["logGroups"]:
            events = logs.filter_log_events(logGroupName="/aws/lambda/orders")["events"]
            if any(text in event["message"] for event in events):
                return True
        time.sleep(0.2)
    return False


def test_a_function_calls_the_sandbox_as_its_role(client: Client) -> None:
    """It is the role's session, its output is in the log, and it does not reach the control endpoints."""
    create(client, ASKING)
    answer = client("lambda").invoke(FunctionName="orders", Payload=b'{"who": "alice"}', LogType="Tail")
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/Orders/orders"
    assert json.loads(answer["Payload"].read()) == [arn, 403]
    assert "asked alice" in base64.b64decode(answer["LogResult"]).decode()
    assert logged(client, "asked alice")


def test_a_function_reads_a_queue(client: Client) -> None:
    """A message starts the function, and is deleted afterwards."""
    create(client, TURNING)
    url = client("sqs").create_queue(QueueName="orders")["QueueUrl"]
    client("lambda").create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="orders")
    client("sqs").send_message(QueueUrl=url, MessageBody="abc")
    assert logged(client, "turned cba")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    # The log is written before the message is deleted, under one lock.
    counts = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert [counts[name] for name in names] == ["0", "0"]
