"""Many threads call the sandbox at once, each with its own identity: no call is answered for another identity."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config

from dsops.sandbox.control.endpoints import find_user
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed

PEOPLE = 8
ROUNDS = 25

ALL = '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}'
SEED = "accounts:\n" + "".join(
    f"""
  "{number:012}":
    users: {{user{number}: {{policies: [{ALL}]}}}}
    roles:
      Own:
        trust: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "sts:AssumeRole",
          Principal: {{AWS: "arn:aws:iam::{number:012}:root"}}}}}}
        policies: [{ALL}]
    secrets: {{shared/name: "secret of {number}"}}
"""
    for number in range(1, PEOPLE + 1)
)


@pytest.fixture(scope="module")
def server() -> SandboxServer:
    """A sandbox with accounts of one user, one role and one secret each; the secrets share one name."""
    return open_server(read_seed(SEED, "seed.yaml"))


def mistaken(server: SandboxServer, number: int) -> list[str]:
    """Make calls as one user; return all answers that belong to another identity."""
    world = server.sandbox.world
    with world.lock:
        user = find_user(server.sandbox, f"user{number}@{number:012}")
        assert user is not None
        ((key_id, secret),) = world.keys_of(user)
    session = boto3.Session(key_id, secret, region_name="us-east-1")
    options = {"endpoint_url": server.url, "config": Config(retries={"max_attempts": 0})}
    sts = session.client("sts", **options)
    role = f"arn:aws:iam::{number:012}:role/Own"
    wrong = []
    for turn in range(ROUNDS):
        wrong += [arn for arn in [sts.get_caller_identity()["Arn"]] if arn != user.arn]
        if turn % 5 == 0:
            issued = sts.assume_role(RoleArn=role, RoleSessionName=f"s{turn}")["Credentials"]
            keys = {
                "aws_access_key_id": issued["AccessKeyId"],
                "aws_secret_access_key": issued["SecretAccessKey"],
                "aws_session_token": issued["SessionToken"],
            }
            arn = session.client("sts", **keys, **options).get_caller_identity()["Arn"]
            wrong += [] if arn == f"arn:aws:sts::{number:012}:assumed-role/Own/s{turn}" else [arn]
            reader = session.client("secretsmanager", **keys, **options)
            value = reader.get_secret_value(SecretId="shared/name")["SecretString"]
            wrong += [] if value == f"secret of {number}" else [value]
    return wrong


def test_no_identity_is_mixed_up(server: SandboxServer) -> None:
    """Eight threads with keys and sessions of eight accounts never get another account's identity or secret."""
    with server, ThreadPoolExecutor(PEOPLE) as pool:
        assert list(pool.map(lambda number: mistaken(server, number), range(1, PEOPLE + 1))) == [[]] * PEOPLE
