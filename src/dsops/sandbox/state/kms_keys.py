"""The KMS keys of every account and region, as moto's backends have them: read, made, and their policies.

Read without defaults, as in `world`: an attribute that a new moto renamed must fail a request, not drop a policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dsops.sandbox.resource_policies.key_policy import managed_key_policy
from dsops.sandbox.state.iam_backend import StoredPolicy
from dsops.sandbox.state.secrets import SecretLocation
from dsops.sandbox.state.world import Tags, World

if TYPE_CHECKING:
    from moto.kms import models as moto_kms


class Grant(NamedTuple):
    """A grant of a key."""

    grantee: str
    retiring: str
    """Who may retire it; "" for nobody but the grantee."""
    operations: tuple[str, ...]
    context_subset: tuple[tuple[str, str], ...]
    context_equals: tuple[tuple[str, str], ...]
    names: frozenset[str] = frozenset()
    """Its id and its token."""


class KmsKey(NamedTuple):
    """A KMS key."""

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
    """`Enabled`, or why nothing is encrypted or decrypted with it: `Disabled`, `PendingDeletion`."""


class KeyStore:
    """KMS of one world. Whoever calls holds the lock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def key(self, place: SecretLocation, key_id: str) -> KmsKey | None:
        """A key by its id."""
        backend = self._kms(place)
        key: moto_kms.Key | None = None if backend is None else backend.keys.get(key_id)
        if backend is None or key is None:
            return None
        tags: Mapping[str, str] = backend.tagger.get_tag_dict_for_resource(key.id)
        return KmsKey(
            key.arn,
            StoredPolicy(f"the policy of key {key.id}", key.policy),
            tuple(key.aliases),
            tuple(tags.items()),
            key.key_spec,
            key.key_usage,
            key.origin,
            key.multi_region,
            tuple(_grant(grant) for grant in key.grants.values()),
            key.key_state,
        )

    def key_of_alias(self, place: SecretLocation, alias: str) -> str:
        """The id of the key that an alias such as `alias/app` stands for; "" for none."""
        backend = self._kms(place)
        # An alias of AWS's own (`alias/aws/s3`) has its key made by this very question, as its first use does.
        return "" if backend is None else backend.get_key_id_from_alias(alias) or ""

    def key_of_grant(self, place: SecretLocation, token: str) -> str:
        """The id of the key of a grant; "" for none."""
        backend = self._kms(place)
        keys: Iterable[moto_kms.Key] = () if backend is None else backend.keys.values()
        return next((key.id for key in keys for grant in key.grants.values() if grant.token == token), "")

    def managed_key(self, place: SecretLocation, service: str) -> str:
        """The id of the key that AWS made for a service in that account and region: its first use makes it."""
        key_id = self.key_of_alias(place, f"alias/aws/{service}")
        backend = self._kms(place)
        if backend is None or not key_id:
            return ""
        key = backend.keys[key_id]
        if key.key_manager != "AWS":
            partition = self._world.partitions[place.account]
            key.key_manager, key.policy = "AWS", managed_key_policy(place.account, place.region, service, partition)
        return key_id

    def add(self, place: SecretLocation, key_id: str, policy: str | None, alias: str) -> str:
        """A new key of a customer's, with its alias; gives its ARN. Without a policy it has the one of CreateKey."""
        from moto.kms.models import kms_backends

        backend = kms_backends[place.account][place.region]
        key: moto_kms.Key = backend.create_key(policy, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", None)
        if key_id:
            del backend.keys[key.id]
            key.id, key.arn = key_id, f"{key.arn.rpartition('/')[0]}/{key_id}"
            backend.keys[key_id] = key
        backend.create_alias(key.id, alias)
        return key.arn

    def _kms(self, place: SecretLocation) -> moto_kms.KmsBackend | None:
        """The backend there; None for an account or region that is none of ours."""
        from moto.kms.models import kms_backends

        if place.account not in self._world.partitions:
            return None
        try:
            return kms_backends[place.account][place.region]
        except KeyError:
            return None


def _grant(grant: moto_kms.Grant) -> Grant:
    constraints = grant.constraints or {}
    subset: Mapping[str, str] = constraints.get("EncryptionContextSubset") or {}
    equals: Mapping[str, str] = constraints.get("EncryptionContextEquals") or {}
    return Grant(
        grant.grantee_principal,
        grant.retiring_principal or "",
        tuple(grant.operations),
        tuple(subset.items()),
        tuple(equals.items()),
        frozenset({grant.id, grant.token}),
    )
