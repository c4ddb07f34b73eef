"""What authorization checks depend on beyond the request: the owners, policies and tags of stored resources.

The sandbox implements the classes whose names end in `Lookup` for the resources that it stores. A lookup returns None,
"" or an empty result for a resource that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from dsops.request.question import HasArn, Tags
from dsops.request.stored_policies import StoredPolicy


class SecretLocation(NamedTuple):
    """The account and region in which a secret, parameter or other resource is stored."""

    account: str
    region: str


class EstateResource(NamedTuple):
    """The policy and tags of a resource that supports resource policies."""

    policy: StoredPolicy | None
    tags: Tags = ()


class Bucket(NamedTuple):
    """A bucket and the account that owns it. Bucket names are unique across the accounts of a partition."""

    account: str
    policy: StoredPolicy | None
    blocks_public_policy: bool
    restricts_public: bool
    kms_key: str
    """The KMS key that encrypts new objects by default; "" for S3's own keys."""


class StoredObject(NamedTuple):
    """The tags and the encryption key of an object that exists."""

    tags: Tags
    kms_key: str
    """The KMS key that encrypts the object; "" for S3's own keys."""


class DynamoTable(NamedTuple):
    """The partition keys and tags of a DynamoDB table."""

    partition_key: str
    index_keys: Mapping[str, str]
    """The name of an index -> the index's partition key."""
    tags: Tags


class DatabaseInstance(NamedTuple):
    """An RDS database instance."""

    engine: str
    instance_class: str


class Grant(NamedTuple):
    """A grant that lets a principal use a KMS key."""

    grantee: str
    retiring: str
    """The principal that may retire the grant; "" if only the grantee may retire it."""
    operations: tuple[str, ...]
    context_subset: tuple[tuple[str, str], ...]
    context_equals: tuple[tuple[str, str], ...]
    names: frozenset[str] = frozenset()
    """The grant's id and the grant's token. A request can use either of them."""


class KmsKey(NamedTuple):
    """The policy, attributes and grants of a KMS key."""

    arn: str
    policy: StoredPolicy
    aliases: tuple[str, ...]
    tags: Tags
    spec: str
    usage: str
    origin: str
    is_multi_region: bool
    grants: tuple[Grant, ...]
    state: str
    """The state of the key: `Enabled`, or a state in which the key can't be used (`Disabled`, `PendingDeletion`)."""


class SecretView(Protocol):
    """What authorization checks need to know of a stored secret."""

    @property
    def arn(self) -> str:
        """The secret's ARN, with its random suffix."""

    @property
    def account(self) -> str:
        """The account that owns the secret."""

    @property
    def tags(self) -> Tags:
        """The secret's tags."""

    @property
    def policy(self) -> StoredPolicy | None:
        """The secret's resource policy."""


class SecretLookup(Protocol):
    """Secrets and parameters."""

    def find_secret(self, secret_id: str, place: SecretLocation) -> SecretView | None:
        """Find a secret by name, by ARN, or by ARN without the random suffix."""

    def resource_of(self, secret_id: str, place: SecretLocation) -> tuple[str, str]:
        """Return the ARN and account to use in policy evaluation for a secret that is not found."""

    def parameter_tags(self, place: SecretLocation, name: str) -> Tags:
        """Return the tags of a parameter."""


class KeyLookup(Protocol):
    """KMS keys, aliases and grants."""

    def key(self, place: SecretLocation, key_id: str) -> KmsKey | None:
        """Return the key with this id."""

    def key_of_alias(self, place: SecretLocation, alias: str) -> str:
        """Return the id of the key behind an alias such as `alias/app`."""

    def key_of_grant(self, place: SecretLocation, token: str) -> str:
        """Return the id of the key that has a grant with this token."""

    def key_of_ciphertext(self, ciphertext: bytes) -> str:
        """Return the id of the key that encrypted a ciphertext."""


class PrincipalView(HasArn, Protocol):
    """An IAM user or role."""

    @property
    def tags(self) -> Tags:
        """The tags of the user or role."""


class PrincipalLookup(Protocol):
    """IAM entities."""

    def role_named(self, account: str, name: str) -> PrincipalView | None:
        """Return the role with this name."""

    def user_named(self, account: str, name: str) -> PrincipalView | None:
        """Return the user with this name."""

    def boundary_arn(self, account: str, *, role: str, user: str) -> str:
        """Return the ARN of the permissions boundary of a role or, if `role` names none, of a user."""

    def arn_named(self, account: str, kind: str, name: str) -> str:
        """Return the ARN of an existing entity. `kind` is `role`, `group`, `instance-profile` and so on."""


class ResourceLookup(Protocol):
    """Resources of the other services."""

    def bucket(self, name: str, partition: str) -> Bucket | None:
        """Return the bucket with this name, of any account."""

    def object(self, bucket: str, key: str, version_id: str, partition: str) -> StoredObject | None:
        """Return an object, or one version of the object."""

    def queue(self, place: SecretLocation, name: str) -> EstateResource | None:
        """Return the policy and tags of a queue."""

    def topic(self, arn: str) -> EstateResource | None:
        """Return the policy and tags of a topic."""

    def table(self, place: SecretLocation, name: str) -> DynamoTable | None:
        """Return the keys and tags of a table."""

    def table_policy(self, place: SecretLocation, arn: str) -> StoredPolicy | None:
        """Return the policy of the table or stream with this ARN."""

    def roles_of_profile(self, account: str, name: str) -> tuple[str, ...]:
        """Return the ARNs of the roles in an instance profile."""

    def profile_of_template(self, place: SecretLocation, identifier: str, version: str) -> str:
        """Return the instance profile in a launch template, as a name or ARN."""

    def vpc_of(self, place: SecretLocation, identifier: str) -> str:
        """Return the id of a VPC, given its own id or the id of a subnet or other resource in it."""

    def database(self, place: SecretLocation, name: str) -> DatabaseInstance | None:
        """Return the engine and class of a database instance."""

    def held_at(self, arn: str) -> EstateResource:
        """Return the policy and tags of a function, repository or event bus."""

    def tags_of(self, arn: str, account: str, region: str) -> Tags:
        """Return the tags of a resource."""


class Lookups(NamedTuple):
    """All that authorization checks depend on beyond the request."""

    principals: PrincipalLookup
    secrets: SecretLookup
    keys: KeyLookup
    resources: ResourceLookup
    unknown: str = "*"
    """What takes the place of a part of an ARN that the request does not name."""
