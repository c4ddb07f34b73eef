"""A small organization in a sandbox, from which tests collect facts."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3

from dsops import tasks
from dsops.access.collect.account import Freshness
from dsops.access.collect.account_apis import AccountApis
from dsops.access.collect.collection import DEFAULT_ROLE, Collected, Collector, Order
from dsops.access.collect.permissions import collection_policy
from dsops.aws.http.call import make_client
from dsops.aws.http.transport import open_driver
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.runtime import utc_now
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.running_sandboxes import ask
from dsops.sandbox.seed.file import read_seed
from dsops.secret import Secret
from tests.fakes import make_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dsops.sandbox.control.server import SandboxServer

MANAGEMENT, PRODUCTION, STAGING = "111111111111", "222222222222", "333333333333"
REGION = "eu-west-1"


def policy(action: str | Sequence[str], effect: str = "Allow", **more: Any) -> dict[str, Any]:
    """A policy with one statement."""
    actions = action if isinstance(action, str) else list(action)
    return {"Version": "2012-10-17", "Statement": {"Effect": effect, "Action": actions, **more}}


def seed(*, denied: Sequence[str] = (), roles: Sequence[str] = (PRODUCTION, STAGING)) -> dict[str, Any]:
    """The seed: a management account with the user `audit`, and two accounts with a role for the collection.

    `denied` are actions that `audit` and the roles may not call. `roles` are the accounts that have the role.
    """
    caller: dict[str, Any] = collection_policy("aws", DEFAULT_ROLE)
    reader = {**caller, "Statement": caller["Statement"][2]}
    deny = [policy(denied, "Deny", Resource="*")] if denied else []
    trust = policy("sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{MANAGEMENT}:user/audit"})
    role = {DEFAULT_ROLE: {"trust": trust, "policies": [reader, *deny]}}
    everything = policy("*", Resource="*")
    no_leaving = policy("organizations:LeaveOrganization", "Deny", Resource="*")
    own = policy("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    return {
        "region": REGION,
        "accounts": {
            MANAGEMENT: {
                "users": {"admin": {"policies": [policy("*", Resource="*")]}, "audit": {"policies": [caller, *deny]}}
            },
            PRODUCTION: {
                "users": {"admin": {"policies": [everything]}, "ada": {"groups": ["people"], "tags": {"team": "blue"}}},
                "groups": {"people": {"policies": [policy("s3:ListAllMyBuckets", Resource="*")]}},
                "roles": {
                    **(role if PRODUCTION in roles else {}),
                    "Deploy": {
                        "path": "/app/",
                        "trust": own,
                        "tags": {"stage": "prod"},
                        "policies": [
                            {"name": "own", "document": policy("sqs:*", Resource="*")},
                            "arn:aws:iam::aws:policy/ReadOnlyAccess",
                        ],
                    },
                },
                "secrets": {"prod/db": "hush-value"},
                "secret_policies": {"prod/db": policy("secretsmanager:GetSecretValue", Principal="*", Resource="*")},
                "keys": {"app": {}},
                "oidc_providers": [
                    {"url": "https://token.actions.githubusercontent.com", "client_ids": ["sts.amazonaws.com"]}
                ],
            },
            STAGING: {"roles": role if STAGING in roles else {}},
        },
        "organization": {
            "management_account": MANAGEMENT,
            "id": "o-exampleorg1",
            "service_control_policies": [{"name": "NoLeaving", "document": no_leaving}],
            "organizational_units": {
                "Workloads": {
                    "organizational_units": {"Production": {"accounts": {PRODUCTION: {"name": "shop"}}}},
                    "accounts": [STAGING],
                }
            },
        },
    }


class Estate(NamedTuple):
    """A running sandbox with the organization."""

    server: SandboxServer
    url: str = ""
    """The address to collect from; "" for the sandbox's."""

    def collect(self, folder: Path, **more: Any) -> Collected:
        """Collect into the folder with the keys of `audit`."""
        caller = more.pop("caller", f"audit@{MANAGEMENT}")
        keys = ask(self.server.url, "identity", **{"as": caller})
        credentials = Credentials(keys["AccessKeyId"], Secret(keys["SecretAccessKey"]))
        client = make_client(make_runtime(now=utc_now, journal=more.pop("journal", None)), total_timeout_ms=20_000)
        apis = AccountApis(client, credentials, self._endpoint, caller.partition("@")[2], REGION)
        freshness = Freshness(time.time(), more.pop("max_age", 3600.0))
        report = more.pop("report", lambda _done, _total: None)
        arn = f"arn:aws:iam::{MANAGEMENT}:user/audit"
        order = Order(str(folder), (), DEFAULT_ROLE, (REGION,), freshness, arn, "2026-11-28T12:00:00Z")
        order = order._replace(**more)
        return tasks.run(Collector(apis, order, report).collect(), open_driver({}))

    def environ(self) -> dict[str, str]:
        """The environment variables with which a program collects with the keys of `audit`."""
        keys = ask(self.server.url, "identity", **{"as": f"audit@{MANAGEMENT}"})
        return {
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        }

    def client(self, service: str, account: str = PRODUCTION) -> Any:
        """A client of boto3 with the keys of the account's administrator."""
        keys = ask(self.server.url, "identity", **{"as": f"admin@{account}"})
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.server.url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
        )

    def calls(self) -> list[str]:
        """The calls that the sandbox has recorded, as `service:Action`."""
        records = self.server.sandbox.events.records(0, "")
        return [f"{each['eventSource'].partition('.')[0]}:{each['eventName']}" for each in records]

    def _endpoint(self, service: str, region: str) -> Endpoint:
        return resolve_endpoint(service, region, {}, endpoint_url=self.url or self.server.url)


@contextmanager
def running(content: dict[str, Any] | None = None) -> Iterator[Estate]:
    """Run a sandbox with the organization."""
    with open_server(read_seed(json.dumps(content or seed()), "seed.json")) as server:
        yield Estate(server)
