"""Secrets Manager: a secret's resource policy, tags and description, but never its value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_json
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound

_PAGE = 100
_MOST_PAGES = 20
"""The maximum number of pages that are read, which limits the list to 2000 secrets."""


class SecretsManagerClient(NamedTuple):
    """Client, credentials and endpoint for calls to Secrets Manager."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint


class SecretPolicy(NamedTuple):
    """A secret's resource policy as JSON; "" when it has none."""

    arn: str
    text: str


async def get_resource_policy(api: SecretsManagerClient, secret: str) -> SecretPolicy:
    """Return the resource policy of a secret, by ARN.

    Raises EntityNotFound, in addition to the errors of every call.
    """
    content = await _ask(api, "GetResourcePolicy", f"read the policy of {secret}", secret)
    return SecretPolicy(_arn(api, "GetResourcePolicy", content), text_in(content, "ResourcePolicy"))


class SecretDescription(NamedTuple):
    """A secret's ARN and KMS key."""

    arn: str
    kms_key_id: str
    """The id of the KMS key; "" for the account's default key, which other accounts cannot use."""


async def describe_secret(api: SecretsManagerClient, secret: str) -> SecretDescription:
    """Return the description of a secret, by name or ARN.

    Raises EntityNotFound, in addition to the errors of every call.
    """
    content = await _ask(api, "DescribeSecret", f"look up {secret}", secret)
    return SecretDescription(_arn(api, "DescribeSecret", content), text_in(content, "KmsKeyId"))


async def list_secret_names(api: SecretsManagerClient) -> list[str]:
    """Return the names of up to 2000 secrets in the account and the endpoint's region."""
    call = Call(api.endpoint, api.credentials, "ListSecrets", "list the secrets", _refused)
    names: list[str] = []
    parameters: dict[str, object] = {"MaxResults": _PAGE}
    for _ in range(_MOST_PAGES):
        content = await call_json(api.client, call, "secretsmanager", parameters)
        listed = content.get("SecretList")
        entries = listed if isinstance(listed, list) else ()
        names += [text_in(entry, "Name") for entry in entries if isinstance(entry, dict)]
        parameters["NextToken"] = text_in(content, "NextToken")
        if not parameters["NextToken"]:
            break
    return [name for name in names if name]


async def get_secret_tags(api: SecretsManagerClient, secret: str) -> Mapping[str, str]:
    """Return the tags of a secret, by ARN."""
    content = await _ask(api, "DescribeSecret", f"read the tags of {secret}", secret)
    _arn(api, "DescribeSecret", content)
    tags = content.get("Tags")
    return {
        text_in(tag, "Key"): text_in(tag, "Value")
        for tag in (tags if isinstance(tags, list) else ())
        if isinstance(tag, dict)
    }


async def _ask(api: SecretsManagerClient, action: str, doing: str, secret: str) -> Mapping[str, object]:
    call = Call(api.endpoint, api.credentials, action, doing, _refused)
    return await call_json(api.client, call, "secretsmanager", {"SecretId": secret})


def _arn(api: SecretsManagerClient, action: str, content: Mapping[str, object]) -> str:
    arn = text_in(content, "ARN")
    if not arn:
        raise lacks(api.endpoint, action, "ARN")
    return arn


def _refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    if answer.code == "ResourceNotFoundException":
        hint = "check the ARN, including the six characters at its end"
        return EntityNotFound(
            f"could not {doing}: not found in Secrets Manager", why=answer.message, hint=hint, aws=answer
        )
    return None
