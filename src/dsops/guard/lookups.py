"""Answers about stored resources, of which the guard knows none: ARNs with unknown parts, and no tags or policies."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.policy import ANY_CHARACTER, ANY_TEXT
from dsops.request.lookups import (
    Bucket,
    DatabaseInstance,
    DynamoTable,
    EstateResource,
    KmsKey,
    Lookups,
    SecretLocation,
    StoredObject,
)
from dsops.request.question import Tags
from dsops.request.stored_policies import StoredPolicy

_SUFFIX: Final = re.compile(r"-[A-Za-z0-9]{6}\Z")
_UNKNOWN_SUFFIX: Final = f"-{ANY_CHARACTER * 6}"


class _Named(NamedTuple):
    """A user or role of which only the name is known."""

    arn: str
    tags: Tags = ()


class _Principals:
    """IAM entities. Their paths are unknown."""

    def __init__(self, partition: str) -> None:
        self._partition = partition

    def role_named(self, account: str, name: str) -> _Named | None:
        return None if not name or name.startswith("arn:") else _Named(self.arn_named(account, "role", name))

    def user_named(self, account: str, name: str) -> _Named | None:
        return _Named(self.arn_named(account, "user", name)) if name else None

    def boundary_arn(self, account: str, *, role: str, user: str) -> str:
        del account, role, user
        return ""

    def arn_named(self, account: str, kind: str, name: str) -> str:
        return f"arn:{self._partition}:iam::{account}:{kind}/{ANY_TEXT}{name}"


class _Secrets:
    """Secrets and parameters. The six random characters at the end of a secret's ARN are unknown."""

    def __init__(self, partition: str) -> None:
        self._partition = partition

    def find_secret(self, secret_id: str, place: SecretLocation) -> None:
        del secret_id, place

    def resource_of(self, secret_id: str, place: SecretLocation) -> tuple[str, str]:
        arn = parse_arn(secret_id)
        if arn is None or arn.service != "secretsmanager":
            prefix = f"arn:{self._partition}:secretsmanager:{place.region}:{place.account}:secret:"
            return f"{prefix}{secret_id}{_UNKNOWN_SUFFIX}", place.account
        return (secret_id if _SUFFIX.search(secret_id) else f"{secret_id}{_UNKNOWN_SUFFIX}"), arn.account

    def parameter_tags(self, place: SecretLocation, name: str) -> Tags:
        del place, name
        return ()


class _Keys:
    """KMS keys. The key behind an alias is unknown."""

    def key(self, place: SecretLocation, key_id: str) -> KmsKey | None:
        del place, key_id
        return None

    def key_of_alias(self, place: SecretLocation, alias: str) -> str:
        del place, alias
        return ANY_TEXT

    def key_of_grant(self, place: SecretLocation, token: str) -> str:
        del place, token
        return ""

    def key_of_ciphertext(self, ciphertext: bytes) -> str:
        del ciphertext
        return ""


class _Resources:
    """Resources of the other services."""

    def __init__(self, partition: str) -> None:
        self._partition = partition

    def bucket(self, name: str, partition: str) -> Bucket | None:
        del name, partition
        return None

    def object(self, bucket: str, key: str, version_id: str, partition: str) -> StoredObject | None:
        del bucket, key, version_id, partition
        return None

    def queue(self, place: SecretLocation, name: str) -> EstateResource | None:
        del place, name
        return None

    def topic(self, arn: str) -> EstateResource | None:
        del arn
        return None

    def table(self, place: SecretLocation, name: str) -> DynamoTable | None:
        del place, name
        return None

    def table_policy(self, place: SecretLocation, arn: str) -> StoredPolicy | None:
        del place, arn
        return None

    def roles_of_profile(self, account: str, name: str) -> tuple[str, ...]:
        """Return one unknown role: a profile may contain any role of its account."""
        del name
        return (f"arn:{self._partition}:iam::{account}:role/{ANY_TEXT}",)

    def profile_of_template(self, place: SecretLocation, identifier: str, version: str) -> str:
        del place, identifier, version
        return ANY_TEXT

    def vpc_of(self, place: SecretLocation, identifier: str) -> str:
        del place, identifier
        return ""

    def database(self, place: SecretLocation, name: str) -> DatabaseInstance | None:
        del place, name
        return None

    def held_at(self, arn: str) -> EstateResource:
        del arn
        return EstateResource(None)

    def tags_of(self, arn: str, account: str, region: str) -> Tags:
        del arn, account, region
        return ()


def unknown_resources(partition: str) -> Lookups:
    """Return the lookups of a guard for one partition."""
    return Lookups(_Principals(partition), _Secrets(partition), _Keys(), _Resources(partition), ANY_TEXT)
