"""KMS: a key's ARN, state and key policy. There is one function per API action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_json
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound


class Kms(NamedTuple):
    """Client, credentials and endpoint for calls to KMS."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint


class KeyDescription(NamedTuple):
    """A key's ARN and state."""

    arn: str
    state: str
    """`Enabled`, or the reason why the key can't be used, such as `Disabled` or `PendingDeletion`."""


async def describe_key(api: Kms, key: str) -> KeyDescription:
    """Look up the key with that id, ARN or alias. Raises EntityNotFound, in addition to the errors of every call."""
    content = await _ask(api, "DescribeKey", f"look up the key {key}", {"KeyId": key})
    key_metadata = content.get("KeyMetadata")
    metadata = key_metadata if isinstance(key_metadata, dict) else {}
    arn = text_in(metadata, "Arn")
    if not arn:
        raise lacks(api.endpoint, "DescribeKey", "Arn")
    return KeyDescription(arn, text_in(metadata, "KeyState"))


async def get_key_policy(api: Kms, key: str) -> str:
    """Return the key's policy, as JSON. KMS never returns the policy of another account's key.

    Raises EntityNotFound, in addition to the errors of every call.
    """
    content = await _ask(
        api, "GetKeyPolicy", f"read the policy of the key {key}", {"KeyId": key, "PolicyName": "default"}
    )
    return text_in(content, "Policy")


async def _ask(api: Kms, action: str, doing: str, parameters: Mapping[str, object]) -> Mapping[str, object]:
    call = Call(api.endpoint, api.credentials, action, doing, _refused)
    return await call_json(api.client, call, "TrentService", parameters)


def _refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    if answer.code == "NotFoundException":
        hint = "check the key's id or alias, its region and its account"
        return EntityNotFound(f"could not {doing}: not found in KMS", why=answer.message, hint=hint, aws=answer)
    return None
