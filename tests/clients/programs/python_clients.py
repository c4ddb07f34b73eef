"""boto3, aioboto3 or an AWS CLI, unchanged but for AWS_ENDPOINT_URL: a wish in, an answer out, a line of JSON each.

    python python_clients.py boto3 | aioboto3 | PATH-OF-AWS

conversation.py says which wishes there are. Runs in an environment of its own: nothing of dsops is imported.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

# What AWS takes and gives, parsed from JSON or by boto3, which ships no types.
Parameters = dict[str, Any]
Call = Callable[[Mapping[str, str], str, str, Parameters], Any]
Pairs = dict[str, str]
_SAID_BY_THE_CLI = re.compile(
    r"An error occurred \((\S+)\) when calling the \w+ operation(?: \([^)]*\))?: (.*)", re.DOTALL
)


class RefusedByAwsError(Exception):
    """The AWS CLI ended with an error."""


def grant(call: Call, wish: Mapping[str, str]) -> Pairs:
    """The answer to a wish."""
    return _ACTIONS[wish["action"]](call, wish)


def _identity(call: Call, wish: Mapping[str, str]) -> Pairs:
    return {"arn": call(wish, "sts", "GetCallerIdentity", {})["Arn"]}


def _assume(call: Call, wish: Mapping[str, str]) -> Pairs:
    parameters: Parameters = {"RoleArn": wish["role"], "RoleSessionName": wish["session"]}
    parameters |= {
        name: wish[key] for name, key in (("ExternalId", "external_id"), ("Policy", "policy")) if key in wish
    }
    if "duration" in wish:
        parameters["DurationSeconds"] = int(wish["duration"])
    if "tag_key" in wish:
        parameters["Tags"] = [{"Key": wish["tag_key"], "Value": wish["tag_value"]}]
    answer = call(wish, "sts", "AssumeRole", parameters)
    made = answer["Credentials"]
    expires = made["Expiration"]
    moment = datetime.fromisoformat(expires) if isinstance(expires, str) else expires
    return {
        "key_id": made["AccessKeyId"], "secret": made["SecretAccessKey"], "token": made["SessionToken"],
        "arn": answer["AssumedRoleUser"]["Arn"], "expires": str(int(moment.timestamp())),
    }  # fmt: skip


def _secret(call: Call, wish: Mapping[str, str]) -> Pairs:
    return {"value": call(wish, "secretsmanager", "GetSecretValue", {"SecretId": wish["id"]})["SecretString"]}


def _parameter(call: Call, wish: Mapping[str, str]) -> Pairs:
    answer = call(wish, "ssm", "GetParameter", {"Name": wish["name"], "WithDecryption": True})
    return {"value": answer["Parameter"]["Value"]}


def _role(call: Call, wish: Mapping[str, str]) -> Pairs:
    return {"arn": call(wish, "iam", "GetRole", {"RoleName": wish["name"]})["Role"]["Arn"]}


def _create_role(call: Call, wish: Mapping[str, str]) -> Pairs:
    parameters = {"RoleName": wish["name"], "AssumeRolePolicyDocument": wish["trust"]}
    return {"arn": call(wish, "iam", "CreateRole", parameters)["Role"]["Arn"]}


_ACTIONS: Mapping[str, Callable[[Call, Mapping[str, str]], Pairs]] = {
    "identity": _identity,
    "assume": _assume,
    "secret": _secret,
    "parameter": _parameter,
    "role": _role,
    "create_role": _create_role,
}


def _keys(wish: Mapping[str, str]) -> dict[str, str | None]:
    if "key_id" not in wish:
        return {}
    return {
        "aws_access_key_id": wish["key_id"], "aws_secret_access_key": wish["secret"],
        "aws_session_token": wish.get("token"),
    }  # fmt: skip


def call_boto3(wish: Mapping[str, str], service: str, operation: str, parameters: Parameters) -> Any:
    """boto3's answer."""
    client = import_module("boto3").Session(**_keys(wish)).client(service)
    return getattr(client, _snake_case(operation))(**parameters)


def call_aioboto3(wish: Mapping[str, str], service: str, operation: str, parameters: Parameters) -> Any:
    """aioboto3's answer, in an event loop."""

    async def call() -> Any:
        async with import_module("aioboto3").Session(**_keys(wish)).client(service) as client:
            return await getattr(client, _snake_case(operation))(**parameters)

    return asyncio.run(call())


def cli_call(aws: str) -> Call:
    """What an AWS CLI answers. One that is older than AWS_ENDPOINT_URL is told its endpoint by the option."""

    def call(wish: Mapping[str, str], service: str, operation: str, parameters: Parameters) -> Any:
        words = [service, _snake_case(operation).replace("_", "-"), "--output", "json"]
        if "AWS_ENDPOINT_URL" in os.environ:
            words += ["--endpoint-url", os.environ["AWS_ENDPOINT_URL"]]
        if parameters:
            words += ["--cli-input-json", json.dumps(parameters)]
        keys = {name.upper(): value for name, value in _keys(wish).items() if value is not None}
        done = subprocess.run(
            [aws, *words], env=os.environ | keys, capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode:
            raise RefusedByAwsError(done.stderr.strip())
        return json.loads(done.stdout)

    return call


def _snake_case(operation: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()


def told(error: Exception) -> Pairs:
    """AWS's code and message, and the class of the exception where a program can catch it by one."""
    if isinstance(error, RefusedByAwsError):
        match = _SAID_BY_THE_CLI.search(str(error))
        code, message = match.groups() if match else ("", str(error))
        return {"error": code, "message": message, "type": ""}
    response = getattr(error, "response", {"Error": {}})["Error"]
    return {
        "error": response.get("Code", ""), "message": response.get("Message", str(error)), "type": type(error).__name__
    }  # fmt: skip


def main(which: str) -> None:
    """Answers until the input ends."""
    calls: Mapping[str, Call] = {"boto3": call_boto3, "aioboto3": call_aioboto3}
    call = calls.get(which) or cli_call(which)
    for line in sys.stdin:
        try:
            answer = grant(call, json.loads(line))
        except Exception as error:  # noqa: BLE001 - every error is an answer here
            answer = told(error)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
