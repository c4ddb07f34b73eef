"""Where a key of the keyring is at home: its user, and the endpoints of its partition."""

from __future__ import annotations

from dsops.arn import Arn, parse_arn, partition_named, partition_of_region
from dsops.aws.apis.iam import Iam
from dsops.aws.http.client import make_client
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.errors import KeyringFailed
from dsops.keyring.index import KeysEntry
from dsops.resolve.base import base_environ
from dsops.runtime import Runtime


def user_of(entry: KeysEntry) -> str:
    """The user's name, without its path."""
    return _arn(entry).resource_name


def iam_of(entry: KeysEntry, credentials: Credentials, runtime: Runtime) -> Iam:
    """IAM of the key's partition, asked with these credentials."""
    endpoint = resolve_endpoint("iam", _region(entry, runtime), base_environ(runtime))
    return Iam(make_client(runtime), credentials, endpoint)


def sts_of(entry: KeysEntry, runtime: Runtime) -> Endpoint:
    """STS of the key's partition, in the environment's region where that is one of it."""
    return resolve_endpoint("sts", _region(entry, runtime), base_environ(runtime))


def masked(key_id: str) -> str:
    """Enough to tell two apart."""
    return f"{key_id[:4]}...{key_id[-4:]}"


def _region(entry: KeysEntry, runtime: Runtime) -> str:
    partition = partition_named(_arn(entry).partition)
    region = runtime.environ.get("AWS_REGION") or runtime.environ.get("AWS_DEFAULT_REGION") or ""
    if region and (partition is None or partition_of_region(region).name == partition.name):
        return region
    return partition.global_region if partition is not None else "us-east-1"


def _arn(entry: KeysEntry) -> Arn:
    arn = parse_arn(entry.arn)
    if arn is None:
        raise KeyringFailed(
            f"dsops' list does not say whose key `{entry.name}` is",
            hint=f"put it there again: `dsops keys add {entry.name} --replace`",
        )
    return arn
