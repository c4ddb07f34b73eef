"""Create a seed's resources of one region in KMS, Secrets Manager and Parameter Store."""

from __future__ import annotations

from dsops.policy import open_key_policy
from dsops.request.lookups import SecretLocation
from dsops.sandbox.seed.model import SeedRegion
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.secrets import SecretStorage

_OPEN_KEY = "alias/sandbox"


def plant_region(
    secret_storage: SecretStorage, keys: KeyStore, partition: str, place: SecretLocation, region_seed: SeedRegion
) -> None:
    """Create the region's keys, then its secrets and parameters, which are encrypted with these keys."""
    arns = {name: keys.add(place, key.key_id, key.policy, f"alias/{name}") for name, key in region_seed.keys.items()}
    for name, secret in region_seed.secrets.items():
        key = arns.get(secret.kms_key, secret.kms_key)
        if secret.policy is not None and not key:
            key = open_key(keys, partition, place)
        secret_storage.put_secret(place, name, secret.string, secret.binary, secret.policy, key)
    for name, value in region_seed.parameters.items():
        if isinstance(value, str):
            key = region_seed.parameter_keys.get(name, "")
            secret_storage.put_parameter(place, name, value, "SecureString", arns.get(key, key))
        else:
            secret_storage.put_parameter(place, name, ",".join(value), "StringList")


def open_key(keys: KeyStore, partition: str, place: SecretLocation) -> str:
    """Return the ARN of the key for secrets that have a policy but no key; create the key if needed.

    With the default key, no other account could read these secrets. The policy of the returned key allows all callers
    to decrypt through Secrets Manager. Another account must also allow its own callers kms:Decrypt.
    """
    key_id = keys.key_of_alias(place, _OPEN_KEY)
    if key_id:
        return f"arn:{partition}:kms:{place.region}:{place.account}:key/{key_id}"
    return keys.add(place, "", open_key_policy(place.account, place.region, "secretsmanager", partition), _OPEN_KEY)
