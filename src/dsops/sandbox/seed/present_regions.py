"""Read the regional resources of all accounts as a seed describes them: keys, secrets, parameters.

What a seed can't express is told in a list of notes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from dsops.arn import parse_arn
from dsops.request.lookups import KmsKey, SecretLocation
from dsops.sandbox.seed.model import SeedKmsKey, SeedRegion, SeedSecret
from dsops.sandbox.seed.regions import DEFAULT_SECRET_KEY
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.secrets import KeptParameter, SecretStorage, StoredSecret
from dsops.sandbox.state.world import World

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class RegionReader:
    """Reads the regional resources of a world. `notes` receives what a seed can't express."""

    def __init__(self, world: World, storage: SecretStorage, keys: KeyStore, notes: list[str]) -> None:
        self._world = world
        self._storage = storage
        self._keys = keys
        self._notes = notes
        self._names: dict[str, str] = {}
        """ARN of a key -> its name in the seed."""

    def read(self) -> Mapping[str, Mapping[str, SeedRegion]]:
        """Return account -> region -> resources, only of regions with resources."""
        keys = self._kms_keys()
        secrets: dict[SecretLocation, dict[str, SeedSecret]] = defaultdict(dict)
        for secret, is_replica in self._storage.kept_secrets():
            if self._is_kept(secret, is_replica=is_replica):
                secrets[SecretLocation(secret.account, secret.region)][secret.name] = self._secret(secret)
        parameters: dict[SecretLocation, dict[str, str | tuple[str, ...]]] = defaultdict(dict)
        parameter_keys: dict[SecretLocation, dict[str, str]] = defaultdict(dict)
        for parameter in self._storage.all_parameters():
            parameters[parameter.place][parameter.name] = self._value(parameter)
            if parameter.kms_key:
                parameter_keys[parameter.place][parameter.name] = self._key_name(parameter.place, parameter.kms_key)
        regions: dict[str, dict[str, SeedRegion]] = defaultdict(dict)
        for place in sorted({*keys, *secrets, *parameters}):
            regions[place.account][place.region] = SeedRegion(
                secrets[place], parameters[place], keys.get(place, {}), parameter_keys[place]
            )
        return regions

    def _kms_keys(self) -> dict[SecretLocation, dict[str, SeedKmsKey]]:
        keys: dict[SecretLocation, dict[str, SeedKmsKey]] = defaultdict(dict)
        for place, key in self._keys.customer_keys():
            key_id = key.arn.rpartition("/")[2]
            if (key.spec, key.usage) != ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT") or key.is_multi_region:
                self._note(place, f"the KMS key {key_id}: it is not a symmetric key of one region")
                continue
            name = next((alias.removeprefix("alias/") for alias in key.aliases), key_id)
            self._note_key(place, key, key_id)
            self._names[key.arn] = name
            keys[place][name] = SeedKmsKey(key_id, key.policy.text)
        return keys

    def _note_key(self, place: SecretLocation, key: KmsKey, key_id: str) -> None:
        if not key.aliases:
            self._note(place, f"that the KMS key {key_id} has no alias: the seed creates alias/{key_id}")
        for what, is_so in (
            ("its other aliases", len(key.aliases) > 1),
            ("its tags", key.tags),
            ("its grants", key.grants),
            (f"that it is {key.state}", key.state != "Enabled"),
        ):
            if is_so:
                self._note(place, f"the KMS key {key_id}: {what}")

    def _is_kept(self, secret: StoredSecret, *, is_replica: bool) -> bool:
        """Whether the seed has the secret. Tells what it lacks of it."""
        place = SecretLocation(secret.account, secret.region)
        current = secret.version("", "AWSCURRENT")
        why = ""
        if is_replica:
            why = "it is a replica"
        elif secret.is_deleted:
            why = "its deletion is scheduled"
        elif current is None or (current.string is None and current.binary is None):
            why = "it has no value"
        elif _LONE_SURROGATE.search(current.string or ""):
            why = "its value can't be written as UTF-8"
        if why:
            self._note(place, f"the secret {secret.name}: {why}")
            return False
        for what, is_so in (
            ("its tags", secret.tags),
            ("its rotation", secret.rotation_function),
            ("its earlier versions", len(secret.versions) > 1),
        ):
            if is_so:
                self._note(place, f"the secret {secret.name}: {what}")
        return True

    def _secret(self, secret: StoredSecret) -> SeedSecret:
        version = secret.version("", "AWSCURRENT")
        assert version is not None  # noqa: S101 - _is_kept has checked it
        key = self._key_name(SecretLocation(secret.account, secret.region), secret.kms_key) if secret.kms_key else ""
        if secret.policy is not None and not key:
            # Without a key, the seed would give a secret with a policy a key that other accounts may use.
            key = DEFAULT_SECRET_KEY
        return SeedSecret(version.string, version.binary, secret.policy and secret.policy.text, key)

    def _value(self, parameter: KeptParameter) -> str | tuple[str, ...]:
        if parameter.kind == "String":
            self._note(parameter.place, f"the parameter {parameter.name} is a String; in the seed, a SecureString")
        if not parameter.is_plain:
            self._note(parameter.place, f"the parameter {parameter.name}: its tags, description or earlier versions")
        return tuple(parameter.value.split(",")) if parameter.kind == "StringList" else parameter.value

    def _key_name(self, place: SecretLocation, key: str) -> str:
        """Return the key's name in the seed, or its ARN."""
        partition = self._world.partitions[place.account]
        arn = key
        if parse_arn(key) is None:
            key_id = self._keys.key_of_alias(place, key) if key.startswith("alias/") else key
            arn = f"arn:{partition}:kms:{place.region}:{place.account}:key/{key_id}" if key_id else key
        parts = parse_arn(arn)
        is_here = parts is not None and (parts.account, parts.region) == place
        return self._names.get(arn, arn) if is_here else arn

    def _note(self, place: SecretLocation, text: str) -> None:
        self._notes.append(f"account {place.account}, {place.region}: {text}")
