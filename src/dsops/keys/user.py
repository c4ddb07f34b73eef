"""The IAM user that a key belongs to: name, endpoints, and a session with MFA if IAM requires one."""

from __future__ import annotations

from contextlib import suppress

from dsops.arn import Arn, parse_arn, partition_named, partition_of_region
from dsops.aws.apis.access_keys import delete_access_key, list_access_keys
from dsops.aws.apis.iam import Iam
from dsops.aws.apis.sts import get_caller_identity, get_session_token
from dsops.aws.http.call import make_client
from dsops.cache import Memory
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.errors import DsopsError, EntityNotFound, KeyringFailed, KeysRefused, MfaRequired, Where
from dsops.keyring.index import KeysEntry
from dsops.plan import Fingerprint, Step
from dsops.resolve.base import base_endpoint, base_environ
from dsops.runtime import Runtime
from dsops.schema import STS_TYPE
from dsops.secret import Secret
from dsops.stores.interface import Context
from dsops.stores.mfa import with_code
from dsops.text import clean

_SESSION_SECONDS = 900


def masked(key_id: str) -> str:
    """Return the first and last four characters of a key id, with dots between."""
    return f"{key_id[:4]}...{key_id[-4:]}"


def user_of(entry: KeysEntry) -> str:
    """Return the user's name without the path."""
    return _arn(entry).resource_name


def iam_of(entry: KeysEntry, credentials: Credentials, runtime: Runtime) -> Iam:
    """Return an IAM client with these credentials, in the key's partition."""
    endpoint = resolve_endpoint("iam", _region(entry, runtime), base_environ(runtime))
    return Iam(make_client(runtime), credentials, endpoint)


def sts_of(entry: KeysEntry, runtime: Runtime) -> Endpoint:
    """Return the STS endpoint in the key's partition.

    The region in the environment variables is used if it belongs to that partition.
    """
    return resolve_endpoint("sts", _region(entry, runtime), base_environ(runtime))


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
            f"dsops' list does not contain the user of the key `{entry.name}`",
            hint=f"add the key again: `dsops keys add {entry.name} --replace`",
        )
    return arn


async def entry_of(credentials: Credentials, name: str, runtime: Runtime) -> KeysEntry:
    """Return the list's entry for a key, with the key's user and creation time.

    Raises KeysRefused for a key that belongs to no IAM user.
    """
    identity = await get_caller_identity(make_client(runtime), credentials, base_endpoint(runtime))
    arn = parse_arn(identity.arn)
    if arn is None or arn.resource_type != "user":
        is_root = arn is not None and arn.resource == "root"
        raise KeysRefused(
            f"the access key belongs to {clean(identity.arn)}, not to an IAM user",
            why="the root user can't assume roles, and AWS advises to delete its access keys"
            if is_root
            else "only an IAM user has long-term keys",
            hint="create a key for a user: `aws iam create-access-key --user-name NAME`",
        )
    added = runtime.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = KeysEntry(name, credentials.access_key_id, identity.arn, added)
    with suppress(DsopsError):  # the user may lack iam:ListAccessKeys; then the key's creation time stays unknown
        keys = await list_access_keys(iam_of(entry, credentials, runtime), user_of(entry))
        created = next((key.created for key in keys if key.key_id == entry.key_id), "")
        return entry._replace(created=created)
    return entry


async def delete_key(entry: KeysEntry, key_id: str, credentials: Credentials, runtime: Runtime) -> None:
    """Delete one of the user's keys in IAM. Does nothing if the key no longer exists."""
    with suppress(EntityNotFound):
        await delete_access_key(iam_of(entry, credentials, runtime), user_of(entry), key_id)


async def session_with_mfa(
    entry: KeysEntry, credentials: Credentials, serial_number: str, runtime: Runtime
) -> Credentials:
    """Return a session of the user with MFA. The code comes from the keyring, or from a prompt at the terminal."""
    endpoint, client = sts_of(entry, runtime), make_client(runtime)

    async def use(code: Secret) -> Credentials:
        return await get_session_token(
            client,
            credentials,
            endpoint,
            duration_seconds=_SESSION_SECONDS,
            serial_number=serial_number,
            token_code=code,
        )

    step = Step(
        name=f"dsops keys rotate {entry.name}",
        type=STS_TYPE,
        settings={"serial_number": serial_number},
        region=endpoint.region,
        credentials_from="",
        profile="",
        fingerprint=Fingerprint(""),
        is_chained=False,
        where=Where("--serial-number"),
    )
    try:
        return await with_code(step, Context(runtime, client, Memory(runtime.now)), use)
    except MfaRequired as error:
        hint = f"run it at a terminal, or put the device's seed into the keyring: `dsops mfa add {serial_number}`"
        error.retell(f"the MFA code of {serial_number} is needed to rotate `{entry.name}`", hint=hint)
        raise
