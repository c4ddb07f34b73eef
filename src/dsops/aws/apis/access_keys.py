"""IAM's access keys of a user: made, listed, switched off and deleted; one function per API action."""

from __future__ import annotations

from typing import NamedTuple

from dsops.aws.apis.iam import Iam
from dsops.aws.http.answer import lacks
from dsops.aws.http.client import Call, call_query
from dsops.credentials import Credentials
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound, KeyRotationStopped
from dsops.secret import Secret

_VERSION = "2010-05-08"


class AccessKey(NamedTuple):
    """A key as IAM lists it: its secret is given out once, when it is made."""

    key_id: str
    is_active: bool
    created: str
    """`2026-11-24T12:00:00Z`."""


async def create_access_key(iam: Iam, user: str) -> tuple[Credentials, str]:
    """A new key of the user, and when it was made. Asked for once: an answer that is lost leaves a key behind.

    Raises KeyRotationStopped where the user has two already, besides what every call may raise.
    """
    call = Call(
        iam.endpoint,
        iam.credentials,
        "CreateAccessKey",
        f"make an access key of the user {user}",
        _refused,
        is_once=True,
    )
    result = (await call_query(iam.client, call, _VERSION, (("UserName", user),))).result
    key_id, secret = (result.text_of(f"AccessKey/{name}") for name in ("AccessKeyId", "SecretAccessKey"))
    for value in (key_id, secret):
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise lacks(iam.endpoint, call.action, "AccessKey that could be one")
    return Credentials(key_id, Secret(secret)), result.text_of("AccessKey/CreateDate")


async def list_access_keys(iam: Iam, user: str) -> list[AccessKey]:
    """The user's keys; there are two at the most."""
    call = Call(iam.endpoint, iam.credentials, "ListAccessKeys", f"list the access keys of the user {user}", _refused)
    result = (await call_query(iam.client, call, _VERSION, (("UserName", user),))).result
    listed = result.find("AccessKeyMetadata")
    if listed is None:
        raise lacks(iam.endpoint, call.action, "AccessKeyMetadata")
    return [
        AccessKey(each.text_of("AccessKeyId"), each.text_of("Status") == "Active", each.text_of("CreateDate"))
        for each in listed.children
    ]


async def deactivate_access_key(iam: Iam, user: str, key_id: str) -> None:
    """Has AWS refuse the key from now on; it can be switched on again."""
    parameters = (("UserName", user), ("AccessKeyId", key_id), ("Status", "Inactive"))
    doing = f"switch off the access key {_masked(key_id)} of the user {user}"
    call = Call(iam.endpoint, iam.credentials, "UpdateAccessKey", doing, _refused)
    await call_query(iam.client, call, _VERSION, parameters, has_result=False)


async def delete_access_key(iam: Iam, user: str, key_id: str) -> None:
    """Deletes the key for good. Raises EntityNotFound for one that is not there, besides what every call may raise."""
    doing = f"delete the access key {_masked(key_id)} of the user {user}"
    call = Call(iam.endpoint, iam.credentials, "DeleteAccessKey", doing, _refused)
    parameters = (("UserName", user), ("AccessKeyId", key_id))
    await call_query(iam.client, call, _VERSION, parameters, has_result=False)


def _masked(key_id: str) -> str:
    return f"{key_id[:4]}...{key_id[-4:]}"


def _refused(said: AwsAnswer, doing: str) -> DsopsError | None:
    if said.code in ("NoSuchEntity", "NoSuchEntityException"):
        hint = "`aws iam list-access-keys --user-name USER` shows the keys that the user has"
        return EntityNotFound(f"IAM can't {doing}", why=said.message, hint=hint, aws=said)
    if said.code in ("LimitExceeded", "LimitExceededException"):
        hint = "a user has two keys at most: delete the one that nobody uses, and begin again"
        return KeyRotationStopped(f"IAM can't {doing}", why=said.message, hint=hint, aws=said)
    return None
