"""KMS about a key: which it is, whether it can be used, and who its policy lets in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.client import Call, Client, call_json
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound


class Kms(NamedTuple):
    """Where KMS is asked, and by whom."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint


class KeyDescription(NamedTuple):
    """What there is to know of a key besides its policy."""

    arn: str
    state: str
    """`Enabled`; anything else is why it can't be used, such as `Disabled` or `PendingDeletion`."""


async def describe_key(api: Kms, key: str) -> KeyDescription:
    """The key of that id, ARN or alias. Raises EntityNotFound, besides what every call may raise."""
    content = await _ask(api, "DescribeKey", f"look up the key {key}", {"KeyId": key})
    found = content.get("KeyMetadata")
    metadata = found if isinstance(found, dict) else {}
    arn = text_in(metadata, "Arn")
    if not arn:
        raise lacks(api.endpoint, "DescribeKey", "Arn")
    return KeyDescription(arn, text_in(metadata, "KeyState"))


async def get_key_policy(api: Kms, key: str) -> str:
    """The policy of the key of that ARN, as JSON; another account's can't be read by anybody.

    Raises EntityNotFound, besides what every call may raise.
    """
    content = await _ask(
        api, "GetKeyPolicy", f"read the policy of the key {key}", {"KeyId": key, "PolicyName": "default"}
    )
    return text_in(content, "Policy")


async def _ask(api: Kms, action: str, doing: str, parameters: Mapping[str, object]) -> Mapping[str, object]:
    call = Call(api.endpoint, api.credentials, action, doing, _refused)
    return await call_json(api.client, call, "TrentService", parameters)


def _refused(said: AwsAnswer, doing: str) -> DsopsError | None:
    if said.code == "NotFoundException":
        hint = "check the key's id or alias, its region and its account"
        return EntityNotFound(f"KMS can't {doing}", why=said.message, hint=hint, aws=said)
    return None
