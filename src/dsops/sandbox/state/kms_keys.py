"""Look up and create KMS keys, aliases and grants in moto's backends.

Attributes of moto's objects are read without default values, as in `world`. If a new version of moto renames an
attribute, the request fails. With a default value, the sandbox would silently ignore a policy.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from dsops.policy import managed_key_policy
from dsops.request.lookups import Grant, KmsKey, SecretLocation
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.state.quick_moto.key_pairs import generate_key_pairs_late
from dsops.sandbox.state.world import World

if TYPE_CHECKING:
    from moto.core.base_backend import BackendDict
    from moto.kms import models as moto_kms


_DEFAULT_USAGE = "ENCRYPT_DECRYPT"
_KEY_ID_BYTES = 36
"""The number of bytes of the key's id at the beginning of moto's ciphertexts."""
_KEY_ID = re.compile(r"[A-Za-z0-9-]+")


class KeyStore:
    """The KMS keys of one sandbox. Callers must hold the lock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._managed_keys: dict[tuple[SecretLocation, str], str] = {}
        """Location and service -> the id of the service's AWS managed key."""

    def key(self, place: SecretLocation, key_id: str) -> KmsKey | None:
        """Return the KMS key with this id; None if the key does not exist."""
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
            key.key_usage or _DEFAULT_USAGE,
            key.origin,
            key.multi_region,
            tuple(_grant(grant) for grant in key.grants.values()),
            key.key_state,
        )

    def state(self, place: SecretLocation, key_id: str) -> str:
        """Return the state of the KMS key with this id; "" if the key does not exist."""
        backend = self._kms(place)
        key: moto_kms.Key | None = None if backend is None else backend.keys.get(key_id)
        return "" if key is None else str(key.key_state)

    def key_of_alias(self, place: SecretLocation, alias: str) -> str:
        """Return the id of the key behind an alias such as `alias/app`; "" if the alias does not exist."""
        backend = self._kms(place)
        # When an AWS alias (`alias/aws/s3`) is looked up, moto creates the key, as AWS does at first use.
        return "" if backend is None else backend.get_key_id_from_alias(alias) or ""

    def key_of_grant(self, place: SecretLocation, token: str) -> str:
        """Return the id of the key that has a grant with this token; "" if no key has such a grant."""
        backend = self._kms(place)
        keys: Iterable[moto_kms.Key] = () if backend is None else backend.keys.values()
        return next((key.id for key in keys for grant in key.grants.values() if grant.token == token), "")

    def key_of_ciphertext(self, ciphertext: bytes) -> str:
        """Return the id of the key that encrypted one of moto's ciphertexts; "" for any other ciphertext."""
        key_id = ciphertext[:_KEY_ID_BYTES].decode("latin-1")
        return key_id if len(key_id) == _KEY_ID_BYTES and _KEY_ID.fullmatch(key_id) else ""

    def managed_key(self, place: SecretLocation, service: str) -> str:
        """Return the id of a service's AWS managed key in an account and region; create the key at first use."""
        alias = f"alias/aws/{service}"
        backend = self._kms(place)
        # moto would search all keys for the alias.
        known = None if backend is None else backend.keys.get(self._managed_keys.get((place, service), ""))
        key_id = known.id if known is not None and alias in known.aliases else self.key_of_alias(place, alias)
        if backend is None or not key_id:
            return ""
        self._managed_keys[place, service] = key_id
        key = backend.keys[key_id]
        if key.key_manager != "AWS":
            partition = self._world.partitions[place.account]
            key.key_manager, key.policy = "AWS", managed_key_policy(place.account, place.region, service, partition)
        return key_id

    def add(self, place: SecretLocation, key_id: str, policy: str | None, alias: str) -> str:
        """Create a customer managed key and an alias; return the key's ARN. `policy` None means CreateKey's default."""
        backend = _kms_backends()[place.account][place.region]
        key: moto_kms.Key = backend.create_key(policy, _DEFAULT_USAGE, "SYMMETRIC_DEFAULT", "", None)
        if key_id:
            del backend.keys[key.id]
            key.id, key.arn = key_id, f"{key.arn.rpartition('/')[0]}/{key_id}"
            backend.keys[key_id] = key
        backend.create_alias(key.id, alias)
        return key.arn

    def customer_keys(self) -> Iterator[tuple[SecretLocation, KmsKey]]:
        """Yield the customer managed keys of all accounts and regions."""
        for account in self._world.partitions if "moto.kms.models" in sys.modules else ():
            for region, backend in dict.items(_kms_backends()[account]):
                place = SecretLocation(account, region)
                for key_id in list(backend.keys):
                    key = self.key(place, key_id)
                    if key is not None and not any(alias.startswith("alias/aws/") for alias in key.aliases):
                        yield place, key

    def _kms(self, place: SecretLocation) -> moto_kms.KmsBackend | None:
        """Return the KMS backend for an account and region; None if the sandbox has no such backend."""
        if place.account not in self._world.partitions:
            return None
        try:
            return _kms_backends()[place.account][place.region]
        except KeyError:
            return None


@cache
def _kms_backends() -> BackendDict[moto_kms.KmsBackend]:
    """Return moto's KMS backends, which are imported at first use."""
    from moto.kms import models

    generate_key_pairs_late(models)
    return models.kms_backends


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
