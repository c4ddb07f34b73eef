"""What Secrets Manager and Parameter Store ask of KMS in the name of whoever reads and writes with them.

Secrets Manager User Guide, "Secret encryption and decryption"; Systems Manager User Guide, "AWS KMS encryption for
Parameter Store SecureString parameters". Both ask with the caller's permissions, and say in the encryption context what
for, so that a key's policy can be about one secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from dsops.arn import parse_arn
from dsops.sandbox.authorization.authorize import AuthorizationQuestion
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.parameter_values import Parameters, text, texts
from dsops.sandbox.authorization.resources.kms import KmsResources
from dsops.sandbox.authorization.resources.ssm import SECRETS_BEHIND_SSM, secret_behind
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.secrets import SecretLocation, StoredParameter, StoredSecret, Vault, is_default_key

Service = Literal["secretsmanager", "ssm"]

_CHECK: Final = "RequestToValidateKeyAccess"
"""What stands for the version while Secrets Manager finds out whether the caller may use a new key at all."""
_MOST_STANDARD_BYTES: Final = 4096


class KeyUse(NamedTuple):
    """One call of a service's to KMS."""

    question: AuthorizationQuestion
    state: str
    """The key's; "" for one that does not exist."""
    is_managed: bool
    """The service's own key, which everybody of the account may use who is not denied it."""


class Encryption:
    """Which keys are used for what, in one world."""

    def __init__(self, vault: Vault, kms: KmsResources, keys: KeyStore) -> None:
        self._vault = vault
        self._kms = kms
        self._keys = keys

    # --- Secrets Manager ---------------------------------------------------------------------------------------

    def of_secret(self, secret: StoredSecret, version_id: str, caller: Caller) -> KeyUse:
        """What reading a version of a secret takes."""
        return self._use("secretsmanager", "Decrypt", secret.kms_key, caller, _of(secret), _pairs(secret, version_id))

    def of_new_value(
        self, operation: str, parameters: Parameters, secret: StoredSecret | None, caller: Caller
    ) -> Iterator[KeyUse]:
        """What writing a secret takes: of a key that it did not have also that the caller may read with it."""
        has_value = "SecretString" in parameters or "SecretBinary" in parameters
        key = text(parameters, "KmsKeyId")
        if operation == "CreateSecret":
            place = SecretLocation(caller.account, caller.region)
            arn, _ = self._vault.resource_of(f"{parameters['Name']}-AAAAAA", place)
            yield from self._check_key(key, caller, place, {"SecretARN": arn, "SecretVersionId": _CHECK})
        elif secret is not None and operation == "UpdateSecret" and "KmsKeyId" in parameters:
            yield from self._check_key(key, caller, _of(secret), _pairs(secret, _CHECK))
        elif secret is not None and operation in {"PutSecretValue", "UpdateSecret"} and has_value:
            pairs = _pairs(secret, text(parameters, "ClientRequestToken"))
            yield self._use("secretsmanager", "GenerateDataKey", secret.kms_key, caller, _of(secret), pairs)

    def _check_key(self, key: str, caller: Caller, place: SecretLocation, pairs: Mapping[str, str]) -> Iterator[KeyUse]:
        for operation in ("GenerateDataKey", "Decrypt"):
            yield self._use("secretsmanager", operation, key, caller, place, pairs)

    # --- Parameter Store ---------------------------------------------------------------------------------------

    def of_parameters(self, operation: str, parameters: Parameters, caller: Caller) -> Iterator[KeyUse]:
        """What reading or writing SecureStrings takes."""
        place = SecretLocation(caller.account, caller.region)
        if operation == "PutParameter":
            yield from self._of_new_parameter(parameters, caller, place)
        if parameters.get("WithDecryption") is not True:
            return
        found: Iterator[StoredParameter] = iter(())
        if operation in {"GetParameter", "GetParameters", "GetParameterHistory"}:
            names = texts(parameters, "Names") or (text(parameters, "Name"),)
            found = self._vault.parameters(place, [name for name in names if not name.startswith(SECRETS_BEHIND_SSM)])
            yield from self._behind_parameters(names, caller, place)
        elif operation == "GetParametersByPath":
            found = self._vault.parameters_below(place, parameters)
        for parameter in found:
            if parameter.is_secure:
                pairs = {"PARAMETER_ARN": parameter.arn}
                yield self._use("ssm", "Decrypt", parameter.kms_key, caller, place, pairs)

    def _behind_parameters(self, names: Sequence[str], caller: Caller, place: SecretLocation) -> Iterator[KeyUse]:
        """The secrets that some names stand for; Parameter Store reads them with the caller's permissions."""
        for name in names:
            if name.startswith(SECRETS_BEHIND_SSM):
                secret = self._vault.find_secret(secret_behind(name), place)
                version = None if secret is None else secret.version("", "AWSCURRENT")
                if secret is not None and version is not None:
                    yield self.of_secret(secret, version.version_id, caller)

    def _of_new_parameter(self, parameters: Parameters, caller: Caller, place: SecretLocation) -> Iterator[KeyUse]:
        name = text(parameters, "Name")
        before = next(self._vault.parameters(place, (name,)), None)
        is_secure = before.is_secure if before is not None else False
        if text(parameters, "Type"):
            is_secure = text(parameters, "Type") == "SecureString"
        if not is_secure:
            return
        key = text(parameters, "KeyId") or (before.kms_key if before is not None else "")
        arn = f"arn:{caller.partition}:ssm:{place.region}:{place.account}:parameter/{name.removeprefix('/')}"
        is_advanced = text(parameters, "Tier") == "Advanced" or len(text(parameters, "Value")) > _MOST_STANDARD_BYTES
        for operation in ("GenerateDataKey", "Encrypt") if is_advanced else ("Encrypt",):
            yield self._use("ssm", operation, key, caller, place, {"PARAMETER_ARN": arn})

    # --- both --------------------------------------------------------------------------------------------------

    def _use(
        self,
        service: Service,
        operation: str,
        key: str,
        caller: Caller,
        place: SecretLocation,
        pairs: Mapping[str, str],
    ) -> KeyUse:
        """The question; `place` is where the secret is, and so a key that is named without one."""
        arn = parse_arn(key)
        if arn is not None and arn.service == "kms":
            # Of a replica it is the key of the same name in its own region.
            place, key = place._replace(account=arn.account), arn.resource.removeprefix("key/")
        is_managed = is_default_key(key, service)
        if is_managed:
            key = self._keys.managed_key(place, service)
        asker = caller._replace(region=place.region)
        question = self._kms.through(service, operation, key, asker, place.account, pairs)
        found = self._keys.key(place, question.resource.rpartition("/")[2])
        return KeyUse(question, "" if found is None else found.state, is_managed)


def _of(secret: StoredSecret) -> SecretLocation:
    return SecretLocation(secret.account, secret.region)


def _pairs(secret: StoredSecret, version_id: str) -> Mapping[str, str]:
    return {"SecretARN": secret.arn, "SecretVersionId": version_id}
