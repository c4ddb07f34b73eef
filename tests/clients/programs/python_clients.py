"""boto3, aioboto3 or an AWS CLI, unchanged but for AWS_ENDPOINT_URL: a wish in, an answer out, a line of JSON each.

    python python_clients.py boto3 | aioboto3 | PATH-OF-AWS

conversation.py says which wishes there are. Runs in an environment of its own: nothing of dsops is imported. An AWS CLI
that is a program of the Python that runs this is imported once, and forked for each command: its imports are more than
half of a command's processor time.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, NamedTuple

# The parameters and answers of AWS, parsed from JSON or by boto3, which ships no types.
Parameters = dict[str, Any]
Call = Callable[[Mapping[str, str], str, str, Parameters], Any]
Pairs = dict[str, str]
_SAID_BY_THE_CLI = re.compile(
    r"An error occurred \((\S+)\) when calling the \w+ operation(?: \([^)]*\))?: (.*)", re.DOTALL
)


class RefusedByAwsError(Exception):
    """An AWS CLI command ended with an error."""


def grant(call: Call, wish: Mapping[str, str]) -> Pairs:
    """Carry out one request line and return the answer."""
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
        "key_id": made["AccessKeyId"],
        "secret": made["SecretAccessKey"],
        "token": made["SessionToken"],
        "arn": answer["AssumedRoleUser"]["Arn"],
        "expires": str(int(moment.timestamp())),
    }


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


def _put_object(call: Call, wish: Mapping[str, str]) -> Pairs:
    call(wish, "s3", "PutObject", {"Bucket": wish["bucket"], "Key": wish["key"], "Body": wish["value"].encode()})
    return {}


def _get_object(call: Call, wish: Mapping[str, str]) -> Pairs:
    return {"value": call(wish, "s3", "GetObject", {"Bucket": wish["bucket"], "Key": wish["key"]})["Body"]}


def _presigned(call: Call, wish: Mapping[str, str]) -> Pairs:
    return {"url": call(wish, "s3", PRESIGNED, {"Bucket": wish["bucket"], "Key": wish["key"]})}


def _multipart(call: Call, wish: Mapping[str, str]) -> Pairs:
    target = {"Bucket": wish["bucket"], "Key": wish["key"]}
    call(wish, "s3", MULTIPART, {**target, "Bodies": [b"a" * PART_SIZE, wish["value"].encode()]})
    return {"size": str(call(wish, "s3", "HeadObject", target)["ContentLength"])}


def _item(call: Call, wish: Mapping[str, str]) -> Pairs:
    key = {"id": {"S": wish["key"]}}
    item = {**key, "value": {"S": wish["value"]}}
    call(wish, "dynamodb", "PutItem", {"TableName": wish["table"], "Item": item})
    answer = call(wish, "dynamodb", "GetItem", {"TableName": wish["table"], "Key": key})
    return {"value": answer["Item"]["value"]["S"]}


def _queue(call: Call, wish: Mapping[str, str]) -> Pairs:
    url = call(wish, "sqs", "GetQueueUrl", {"QueueName": wish["name"]})["QueueUrl"]
    call(wish, "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": wish["value"]})
    message = call(wish, "sqs", "ReceiveMessage", {"QueueUrl": url})["Messages"][0]
    call(wish, "sqs", "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]})
    return {"value": message["Body"]}


def _publish(call: Call, wish: Mapping[str, str]) -> Pairs:
    return {"id": call(wish, "sns", "Publish", {"TopicArn": wish["topic"], "Message": wish["value"]})["MessageId"]}


def _cipher(call: Call, wish: Mapping[str, str]) -> Pairs:
    hidden = call(wish, "kms", "Encrypt", {"KeyId": wish["key"], "Plaintext": wish["value"].encode()})
    answer = call(wish, "kms", "Decrypt", {"CiphertextBlob": hidden["CiphertextBlob"]})
    return {"value": answer["Plaintext"].decode()}


PART_SIZE = 8 * 1024 * 1024
"""Part size of multipart uploads. The AWS CLI sends parts from 8 MiB on; AWS's minimum part size is 5 MiB."""
PRESIGNED = "presigned GetObject"
"""A pseudo operation: presign a GetObject URL."""
MULTIPART = "multipart upload"
"""A pseudo operation: upload an object in several parts."""

_ACTIONS: Mapping[str, Callable[[Call, Mapping[str, str]], Pairs]] = {
    "identity": _identity,
    "assume": _assume,
    "secret": _secret,
    "parameter": _parameter,
    "role": _role,
    "create_role": _create_role,
    "put_object": _put_object,
    "get_object": _get_object,
    "presigned": _presigned,
    "multipart": _multipart,
    "item": _item,
    "queue": _queue,
    "publish": _publish,
    "cipher": _cipher,
}


def _keys(wish: Mapping[str, str]) -> dict[str, str | None]:
    if "key_id" not in wish:
        return {}
    return {
        "aws_access_key_id": wish["key_id"],
        "aws_secret_access_key": wish["secret"],
        "aws_session_token": wish.get("token"),
    }


def call_boto3(wish: Mapping[str, str], service: str, operation: str, parameters: Parameters) -> Any:
    """Call an operation with boto3."""
    client = import_module("boto3").Session(**_keys(wish)).client(service)
    if operation == PRESIGNED:
        return client.generate_presigned_url("get_object", parameters, ExpiresIn=60)
    if operation == MULTIPART:
        bodies, made = _upload(parameters)
        upload = made | {"UploadId": client.create_multipart_upload(**made)["UploadId"]}
        parts = [
            {"PartNumber": number, "ETag": client.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
            for number, body in enumerate(bodies, 1)
        ]
        return client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    answer = getattr(client, _snake_case(operation))(**parameters)
    return {**answer, "Body": answer["Body"].read().decode()} if "Body" in answer else answer


def _upload(parameters: Parameters) -> tuple[list[bytes], Parameters]:
    return parameters["Bodies"], {name: value for name, value in parameters.items() if name != "Bodies"}


def call_aioboto3(wish: Mapping[str, str], service: str, operation: str, parameters: Parameters) -> Any:
    """Call an operation with aioboto3, in an event loop."""

    async def call() -> Any:
        async with import_module("aioboto3").Session(**_keys(wish)).client(service) as client:
            if operation == PRESIGNED:
                return await client.generate_presigned_url("get_object", parameters, ExpiresIn=60)
            if operation == MULTIPART:
                bodies, made = _upload(parameters)
                upload = made | {"UploadId": (await client.create_multipart_upload(**made))["UploadId"]}
                sent = [
                    await client.upload_part(**upload, PartNumber=number, Body=body)
                    for number, body in enumerate(bodies, 1)
                ]
                parts = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in enumerate(sent, 1)]
                return await client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
            answer = await getattr(client, _snake_case(operation))(**parameters)
            return {**answer, "Body": (await answer["Body"].read()).decode()} if "Body" in answer else answer

    return asyncio.run(call())


def cli_call(aws: str) -> Call:
    """Return a function that calls operations with an AWS CLI; an old CLI gets `--endpoint-url`."""
    with Path(aws).open("rb") as program:
        is_of_this_python = program.readline().strip() == b"#!" + sys.executable.encode()
    if is_of_this_python:
        for module in ("awscli.clidriver", "awscli.handlers"):
            import_module(module)
    run = _forked if is_of_this_python else _started

    def call(wish: Mapping[str, str], service: str, operation: str, parameters: Parameters) -> Any:
        with TemporaryDirectory() as folder:
            done = run([aws, *_words_of_cli(service, operation, parameters, folder)], _variables(wish))
            if done.exit_code:
                raise RefusedByAwsError(done.stderr.decode().strip())
            if operation == PRESIGNED:
                return done.stdout.decode().strip()
            if operation == "GetObject":
                return {"Body": Path(folder, "answer").read_text(encoding="utf-8")}
        answer = json.loads(done.stdout) if done.stdout.startswith(b"{") else {}
        blobs = {name: b64decode(answer[name]) for name in ("CiphertextBlob", "Plaintext") if name in answer}
        return {**answer, **blobs}

    return call


class Done(NamedTuple):
    """A finished command: exit code and output."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def _started(command: list[str], variables: Mapping[str, str]) -> Done:
    done = subprocess.run(
        command, env=os.environ | variables, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _forked(command: list[str], variables: Mapping[str, str]) -> Done:
    """Run the CLI's script from its first line in a forked child that already has its imports."""
    with TemporaryFile() as stdout, TemporaryFile() as stderr, open(os.devnull, "rb") as nothing:
        pid = os.fork()
        if pid == 0:
            for number, stream in enumerate((nothing, stdout, stderr)):
                os.dup2(stream.fileno(), number)
            os.environ.update(variables)
            os._exit(_run_script(command))
        exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for stream in (stdout, stderr):
            stream.seek(0)
        return Done(exit_code, stdout.read(), stderr.read())


def _run_script(command: list[str]) -> int:
    """Run the script and return its exit code. Never raises: an exception would let the child answer the next wish."""
    sys.argv = command
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException as error:  # noqa: BLE001 - the interpreter would do the same
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def _variables(wish: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in _keys(wish).items() if value is not None}


def _words_of_cli(service: str, operation: str, parameters: Parameters, folder: str) -> list[str]:
    """The AWS CLI's command line. Bytes are passed as files: in JSON only one of the two versions expects base64."""
    end = ["--endpoint-url", os.environ["AWS_ENDPOINT_URL"]] if "AWS_ENDPOINT_URL" in os.environ else []
    where = f"s3://{parameters.get('Bucket')}/{parameters.get('Key')}"
    if operation == PRESIGNED:
        return ["s3", "presign", where, "--expires-in", "60", *end]
    if operation == MULTIPART:
        Path(folder, "whole").write_bytes(b"".join(parameters["Bodies"]))
        return ["s3", "cp", f"{folder}/whole", where, *end]
    if operation == "GetObject":
        named = ["--bucket", parameters["Bucket"], "--key", parameters["Key"]]
        return ["s3api", "get-object", *named, "--output", "json", *end, f"{folder}/answer"]
    texts = {name: value for name, value in parameters.items() if not isinstance(value, bytes)}
    command = _snake_case(operation).replace("_", "-")
    words = ["s3api" if service == "s3" else service, command, "--output", "json", *end]
    words += ["--cli-input-json", json.dumps(texts)] if texts else []
    for name, value in parameters.items():
        if isinstance(value, bytes):
            file = Path(folder, name)
            file.write_bytes(value)
            words += [f"--{_snake_case(name).replace('_', '-')}", str(file) if service == "s3" else f"fileb://{file}"]
    return words


def _snake_case(operation: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()


def told(error: Exception) -> Pairs:
    """Convert an error to an answer: AWS's code and message, and the exception class for clients that have one."""
    if isinstance(error, RefusedByAwsError):
        match = _SAID_BY_THE_CLI.search(str(error))
        code, message = match.groups() if match else ("", str(error))
        return {"error": code, "message": message, "type": ""}
    response = getattr(error, "response", {"Error": {}})["Error"]
    return {
        "error": response.get("Code", ""),
        "message": response.get("Message", str(error)),
        "type": type(error).__name__,
    }


def main(which: str) -> None:
    """Answer wishes from stdin until it ends."""
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
