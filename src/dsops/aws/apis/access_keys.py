"""IAM access keys of a user: create, list, deactivate, delete. There is one function per API action."""

from __future__ import annotations

from typing import NamedTuple

from dsops.aws.apis.iam import Iam
from dsops.aws.http.answer import lacks
from dsops.aws.http.call import Call
from dsops.aws.http.client import call_query
from dsops.credentials import Credentials
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound, KeyRotationStopped
from dsops.secret import Secret

_VERSION = "2010-05-08"


class AccessKey(NamedTuple):
    """An access key as IAM lists it. IAM returns the secret access key only once, on creation."""

    key_id: str
    is_active: bool
    created: str
    """The creation time, such as `2026-11-24T12:00:00Z`."""


async def create_access_key(iam: Iam, user: str) -> tuple[Credentials, str]:
    """Create an access key of the user. Return the key and its creation time.

    The request is never retried, because a key whose response is lost still exists. Raises KeyRotationStopped when
    the user already has two keys, in addition to the errors of every call.
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
    """Return the user's access keys, at most two."""
    call = Call(iam.endpoint, iam.credentials, "ListAccessKeys", f"list the access keys of the user {user}", _refused)
    result = (await call_query(iam.client, call, _VERSION, (("UserName", user),))).result
    listed = result.find("AccessKeyMetadata")
    if listed is None:
        raise lacks(iam.endpoint, call.action, "AccessKeyMetadata")
    return [
        AccessKey(element.text_of("AccessKeyId"), element.text_of("Status") == "Active", element.text_of("CreateDate"))
        for element in listed.children
    ]


async def deactivate_access_key(iam: Iam, user: str, key_id: str) -> None:
    """Deactivate the key, so that AWS refuses it. The key can be reactivated."""
    parameters = (("UserName", user), ("AccessKeyId", key_id), ("Status", "Inactive"))
    doing = f"switch off the access key {_masked(key_id)} of the user {user}"
    call = Call(iam.endpoint, iam.credentials, "UpdateAccessKey", doing, _refused)
    await call_query(iam.client, call, _VERSION, parameters, has_result=False)


async def delete_access_key(iam: Iam, user: str, key_id: str) -> None:
    """Delete the key permanently.

    Raises EntityNotFound when the key does not exist, in addition to the errors of every call.
    """
    doing = f"delete the access key {_masked(key_id)} of the user {user}"
    call = Call(iam.endpoint, iam.credentials, "DeleteAccessKey", doing, _refused)
    parameters = (("UserName", user), ("AccessKeyId", key_id))
    await call_query(iam.client, call, _VERSION, parameters, has_result=False)


def _masked(key_id: str) -> str:
    return f"{key_id[:4]}...{key_id[-4:]}"


def _refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    if answer.code in ("NoSuchEntity", "NoSuchEntityException"):
        hint = "`aws iam list-access-keys --user-name USER` lists the user's keys"
        return EntityNotFound(f"could not {doing}: not found in IAM", why=answer.message, hint=hint, aws=answer)
    if answer.code in ("LimitExceeded", "LimitExceededException"):
        hint = "a user has two keys at most: delete the unused key, then start again"
        return KeyRotationStopped(
            f"could not {doing}: the user has too many keys", why=answer.message, hint=hint, aws=answer
        )
    return None
