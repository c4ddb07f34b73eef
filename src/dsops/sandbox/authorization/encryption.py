"""Determine the KMS calls that Secrets Manager and Parameter Store make on behalf of their callers.

Both services use the caller's permissions. They put the secret's ARN into the encryption context, so a key policy can
allow the use of the key for a single secret. Sources: Secrets Manager User Guide, "Secret encryption and decryption";
Systems Manager User Guide, "AWS KMS encryption for Parameter Store SecureString parameters".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from dsops.arn import parse_arn
from dsops.request.lookups import SecretLocation
from dsops.request.parameter_values import Parameters, text, texts
from dsops.request.question import AuthorizationQuestion
from dsops.request.resources.kms import KmsResources
from dsops.request.resources.ssm import SECRETS_BEHIND_SSM, secret_behind
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.secrets import SecretStorage, StoredParameter, StoredSecret, is_default_key

Service = Literal["secretsmanager", "ssm"]

_CHECK: Final = "RequestToValidateKeyAccess"
"""The version id in the encryption context with which Secrets Manager checks that the caller may use a new key."""
_MOST_STANDARD_BYTES: Final = 4096


class KeyUse(NamedTuple):
    """A call that a service makes to KMS with the caller's permissions."""

    question: AuthorizationQuestion
    state: str
    """The state of the KMS key; "" if the key does not exist."""
    is_managed: bool
    """Whether the key is the AWS managed key, which all callers of its account may use unless denied."""


class Encryption:
    """Determines which KMS keys an operation uses, in one sandbox."""

    def __init__(self, secret_storage: SecretStorage, kms: KmsResources, keys: KeyStore) -> None:
        self._secret_storage = secret_storage
        self._kms = kms
        self._keys = keys

    def of_secret(self, secret: StoredSecret, version_id: str, caller: Caller) -> KeyUse:
        """Return the key use for reading one version of a secret."""
        return self._use(
            "secretsmanager", "Decrypt", secret.kms_key, caller, _location_of(secret), _pairs(secret, version_id)
        )

    def of_new_value(
        self, operation: str, parameters: Parameters, secret: StoredSecret | None, caller: Caller
    ) -> Iterator[KeyUse]:
        """Yield the key uses for writing a secret. For a new key the caller also needs permission to decrypt."""
        has_value = "SecretString" in parameters or "SecretBinary" in parameters
        key = text(parameters, "KmsKeyId")
        if operation == "CreateSecret":
            place = SecretLocation(caller.account, caller.region)
            arn, _ = self._secret_storage.resource_of(f"{parameters['Name']}-AAAAAA", place)
            yield from self._check_key(key, caller, place, {"SecretARN": arn, "SecretVersionId": _CHECK})
        elif secret is not None and operation == "UpdateSecret" and "KmsKeyId" in parameters:
            yield from self._check_key(key, caller, _location_of(secret), _pairs(secret, _CHECK))
        elif secret is not None and operation in {"PutSecretValue", "UpdateSecret"} and has_value:
            pairs = _pairs(secret, text(parameters, "ClientRequestToken"))
            yield self._use("secretsmanager", "GenerateDataKey", secret.kms_key, caller, _location_of(secret), pairs)

    def _check_key(self, key: str, caller: Caller, place: SecretLocation, pairs: Mapping[str, str]) -> Iterator[KeyUse]:
        for operation in ("GenerateDataKey", "Decrypt"):
            yield self._use("secretsmanager", operation, key, caller, place, pairs)

    def of_parameters(self, operation: str, parameters: Parameters, caller: Caller) -> Iterator[KeyUse]:
        """Yield the key uses for reading or writing SecureString parameters."""
        place = SecretLocation(caller.account, caller.region)
        if operation == "PutParameter":
            yield from self._of_new_parameter(parameters, caller, place)
        if parameters.get("WithDecryption") is not True:
            return
        stored_parameters: Iterator[StoredParameter] = iter(())
        if operation in {"GetParameter", "GetParameters", "GetParameterHistory"}:
            names = texts(parameters, "Names") or (text(parameters, "Name"),)
            stored_parameters = self._secret_storage.parameters(
                place, [name for name in names if not name.startswith(SECRETS_BEHIND_SSM)]
            )
            yield from self._behind_parameters(names, caller, place)
        elif operation == "GetParametersByPath":
            stored_parameters = self._secret_storage.parameters_below(place, parameters)
        for parameter in stored_parameters:
            if parameter.is_secure:
                pairs = {"PARAMETER_ARN": parameter.arn}
                yield self._use("ssm", "Decrypt", parameter.kms_key, caller, place, pairs)

    def _behind_parameters(self, names: Sequence[str], caller: Caller, place: SecretLocation) -> Iterator[KeyUse]:
        """Yield the key uses for secrets that Parameter Store reads from Secrets Manager, by parameter name."""
        for name in names:
            if name.startswith(SECRETS_BEHIND_SSM):
                secret = self._secret_storage.find_secret(secret_behind(name), place)
                version = None if secret is None else secret.version("", "AWSCURRENT")
                if secret is not None and version is not None:
                    yield self.of_secret(secret, version.version_id, caller)

    def _of_new_parameter(self, parameters: Parameters, caller: Caller, place: SecretLocation) -> Iterator[KeyUse]:
        name = text(parameters, "Name")
        before = next(self._secret_storage.parameters(place, (name,)), None)
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

    def _use(
        self,
        service: Service,
        operation: str,
        key: str,
        caller: Caller,
        place: SecretLocation,
        pairs: Mapping[str, str],
    ) -> KeyUse:
        """Return the key use.

        `place` is the account and region of the secret. It is also that of the key, unless `key` is an ARN.
        """
        arn = parse_arn(key)
        if arn is not None and arn.service == "kms":
            # A multi-Region replica uses the key with the same id in the replica's own region.
            place, key = place._replace(account=arn.account), arn.resource.removeprefix("key/")
        is_managed = is_default_key(key, service)
        if is_managed:
            key = self._keys.managed_key(place, service)
        asker = caller if caller.region == place.region else caller._replace(region=place.region)
        question = self._kms.through(service, operation, key, asker, place.account, pairs)
        return KeyUse(question, self._keys.state(place, question.resource.rpartition("/")[2]), is_managed)


def _location_of(secret: StoredSecret) -> SecretLocation:
    return SecretLocation(secret.account, secret.region)


def _pairs(secret: StoredSecret, version_id: str) -> Mapping[str, str]:
    return {"SecretARN": secret.arn, "SecretVersionId": version_id}
