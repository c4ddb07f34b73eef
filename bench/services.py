"""CPU time of the sandbox's server for a request, by service; beside MiniStack with AUTH, if `ministack` is installed.

All servers get the same requests in turn, signed by a user who may do everything: MiniStack with AUTH=true checks
signatures and policies, too. Each request is sent by `load.py` on 16 connections. The lowest of the rounds counts,
because other programs on the machine only add time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.run import machine  # noqa: E402 - the folder above is on the path only now
from bench.sandbox import (  # noqa: E402
    ALICE,
    FORM,
    HEALTH,
    JSON,
    SEED,
    Server,
    ask,
    assume_role,
    dsops_server,
    free_port,
    rate,
    wait_for,
)
from tests.sandboxes import Keys, sign  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_RIGHTS = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "sts:AssumeRole",
    },
}
MINISTACK_HEALTH = "/_ministack/health"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/queue"
TABLE = {
    "TableName": "table",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
SMALL, LARGE = b"k" * 1024, bytes(range(256)) * 4096


class Target(NamedTuple):
    """A server and the keys of a user with all permissions."""

    server: Server
    keys: Keys
    health: str


class Caller(NamedTuple):
    """Signs requests for `load.py`."""

    keys: Keys

    def signed(self, service: str, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
        """Return a complete HTTP request."""
        signed = dict(sign(self.keys, service, "us-east-1", method, path, headers, body).headers.items())
        if not any(name.lower() == "content-length" for name in signed):
            signed["Content-Length"] = str(len(body))
        head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in signed.items())]
        return "\r\n".join([*head, "", body.decode("latin-1")])

    def s3(self, method: str, path: str, body: bytes = b"") -> str:
        """Return a request to S3."""
        headers = {"User-Agent": "bench/1", "x-amz-content-sha256": sha256(body).hexdigest()}
        return self.signed("s3", method, path, headers, body)

    def json(self, service: str, target: str, parameters: dict[str, object]) -> str:
        """Return a request to a service that speaks JSON."""
        body = json.dumps(parameters).encode()
        return self.signed(service, "POST", "/", JSON | {"X-Amz-Target": target}, body)

    def requests(self) -> dict[str, list[str]]:
        """Return the requests of each row. Each request has a signature of its own."""
        many, few = range(300), range(5)
        get_item, send = "DynamoDB_20120810.GetItem", "AmazonSQS.SendMessage"
        return {
            "S3 PutObject, 1 KB": [self.s3("PUT", f"/bucket/small-{n}", SMALL) for n in many],
            "S3 GetObject, 1 KB": [self.s3("GET", f"/bucket/small-{n}") for n in many],
            "S3 PutObject, 1 MB": [self.s3("PUT", f"/bucket/large-{n}", LARGE) for n in few],
            "S3 GetObject, 1 MB": [self.s3("GET", f"/bucket/large-{n}") for n in few],
            "DynamoDB PutItem": [self.put_item(n) for n in many],
            "DynamoDB GetItem": [
                self.json("dynamodb", get_item, {"TableName": "table", "Key": {"id": {"S": f"k{n}"}}}) for n in many
            ],
            "SQS SendMessage": [
                self.json("sqs", send, {"QueueUrl": QUEUE, "MessageBody": f"message {n}"}) for n in many
            ],
            "STS AssumeRole": [self.signed("sts", "POST", "/", FORM, assume_role(n)) for n in many],
            "Secrets Manager GetSecretValue": [
                self.secret("GetSecretValue", SecretId="bench/db", Blank=n) for n in many
            ],
        }

    def put_item(self, number: int) -> str:
        """Return a request to store an item with three attributes."""
        item = {"id": {"S": f"k{number}"}, "v": {"N": str(number)}, "w": {"S": "x" * 100}}
        return self.json("dynamodb", "DynamoDB_20120810.PutItem", {"TableName": "table", "Item": item})

    def secret(self, operation: str, **parameters: object) -> str:
        """Return a request to Secrets Manager."""
        return self.json("secretsmanager", f"secretsmanager.{operation}", parameters)


def prepare(target: Target) -> None:
    """Create the bucket, the table, the queue, the secret and the objects."""
    caller = Caller(target.keys)
    requests = caller.requests()
    for text in (
        caller.s3("PUT", "/bucket"),
        caller.json("dynamodb", "DynamoDB_20120810.CreateTable", dict(TABLE)),
        caller.json("sqs", "AmazonSQS.CreateQueue", {"QueueName": "queue"}),
        caller.secret("CreateSecret", Name="bench/db", SecretString="invented", ClientRequestToken="0" * 32),
        *requests["S3 PutObject, 1 KB"],
        *requests["S3 PutObject, 1 MB"],
        *requests["DynamoDB PutItem"],
    ):
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        status, answer = ask(target.server.port, method, path, body.encode("latin-1"), headers)
        if status != 200:
            raise SystemExit(f"{first} was answered with {status}: {answer}")


@contextmanager
def sandbox(folder: Path, source: str = "") -> Iterator[Target]:
    """Start the sandbox; `source` is the `src` folder of another commit, or ""."""
    folder.mkdir()
    (folder / "seed.yaml").write_text(SEED.replace('Action: "sts:AssumeRole"', 'Action: "*"'))
    with dsops_server(folder, environ={"PYTHONPATH": source} if source else {}) as server:
        yield Target(server, ALICE, HEALTH)


@contextmanager
def ministack(program: str) -> Iterator[Target]:
    """Start MiniStack with AUTH, and create a user and a role."""
    import botocore.session

    port = free_port()
    root = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    settings = {"AUTH": "true", "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "ERROR"}
    environ = {**os.environ, **root, **settings, "MINISTACK_ACCOUNT_ID": "123456789012"}
    with subprocess.Popen(
        [program], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            wait_for(port, MINISTACK_HEALTH)
            iam = botocore.session.get_session().create_client(
                "iam",
                region_name="us-east-1",
                endpoint_url=f"http://127.0.0.1:{port}",
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106 - MiniStack's root key
            )
            iam.create_user(UserName="alice")
            iam.put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=json.dumps(ALL_RIGHTS))
            iam.create_role(RoleName="Reader", AssumeRolePolicyDocument=json.dumps(TRUST))
            key = iam.create_access_key(UserName="alice")["AccessKey"]
            keys = Keys(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])
            yield Target(Server(process, port), keys, MINISTACK_HEALTH)
        finally:
            process.terminate()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure the CPU time of a request by service")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--seconds", type=float, default=1.5, help="for how long each time (1.5)")
    parser.add_argument("--before", default="", help="the `src` folder of another commit")
    parser.add_argument("--only", default="", help="only rows whose name contains this text")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    program = shutil.which("ministack")
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        targets = {"dsops": stack.enter_context(sandbox(folder / "now"))}
        if options.before:
            targets["before"] = stack.enter_context(sandbox(folder / "before", options.before))
        if program is not None:
            targets["MiniStack"] = stack.enter_context(ministack(program))
        for target in targets.values():
            prepare(target)
        for _ in range(options.rounds):
            for who, target in targets.items():
                health = [f"GET {target.health} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]
                for row, requests in {"health": health, **Caller(target.keys).requests()}.items():
                    if options.only not in row:
                        continue
                    file = folder / "requests.json"
                    file.write_text(json.dumps(requests))
                    found.setdefault((row, who), []).append(rate(target.server, file, options.seconds).server_us)
    print(f"{machine()}; the lowest of {options.rounds} rounds, CPU of the server for a request in us\n")
    print(f"| request | {' | '.join(targets)} |\n|---|{'---|' * len(targets)}")
    for row in dict.fromkeys(row for row, _ in found):
        print(f"| {row} | {' | '.join(f'{min(found[row, who]):,.0f}' for who in targets)} |")


if __name__ == "__main__":
    main()
