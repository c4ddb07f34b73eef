"""Check KMS requests: their keys must exist and suit the operation, and aliases that belong to AWS can't be changed.

Messages were recorded on live AWS (LocalStack's snapshots of KMS, 2023 to 2025).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from dsops.arn import parse_arn
from dsops.request.lookups import KmsKey, SecretLocation
from dsops.request.parameter_values import Parameters, text
from dsops.request.wire.errors import refusal
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.services.kms_usage import check_key_use, check_new_key, check_tags
from dsops.sandbox.state.kms_keys import KeyStore

_WRITTEN_AS_KEYS: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}", re.ASCII
)
_NAMES_OF_KEYS: Final = ("KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId")
_OF_AWS: Final = "alias/aws/"


def check_key_call(
    operation: str, parameters: Parameters, caller: Caller, keys: KeyStore, has_principal: Callable[[str], bool]
) -> None:
    """Refuse a KMS request that AWS would refuse.

    Raises SandboxRefusal with KMS's error.
    """
    if text(parameters, "AliasName").startswith(_OF_AWS):
        raise refusal("NotAuthorizedException", None)
    if operation == "GenerateRandom" and "NumberOfBytes" not in parameters:
        raise refusal("ValidationException", "NumberOfBytes is required.")
    if operation == "RetireGrant" and "GrantToken" not in parameters and not {"KeyId", "GrantId"} <= parameters.keys():
        raise refusal("ValidationException", "Either a grant token or a key and the id of its grant is required.")
    check_tags(parameters)
    if operation == "CreateKey":
        check_new_key(parameters)
    for name in _NAMES_OF_KEYS:
        if name in parameters:
            check_key_use(operation, parameters, _existing_key(text(parameters, name), caller, keys))
    if "CiphertextBlob" in parameters and not {"KeyId", "SourceKeyId"} & parameters.keys():
        _check_key_of_ciphertext(operation, parameters, caller, keys)
    for name in ("GranteePrincipal", "RetiringPrincipal"):
        if operation == "CreateGrant" and not has_principal(text(parameters, name)):
            raise refusal("InvalidArnException", f"ARN does not refer to a valid principal: {text(parameters, name)}")


def _existing_key(key_id: str, caller: Caller, keys: KeyStore) -> KmsKey:
    arn = parse_arn(key_id)
    account = caller.account if arn is None else arn.account
    place = SecretLocation(account, caller.region)
    prefix = f"arn:{caller.partition}:kms:{caller.region}:{account}:"
    name = key_id if arn is None else arn.resource.removeprefix("key/")
    if name.startswith("alias/"):
        key = keys.key(place, keys.key_of_alias(place, name))
        words = f"Alias {prefix}{name} is not found."
    else:
        key = keys.key(place, name)
        is_written_so = arn is not None or _WRITTEN_AS_KEYS.fullmatch(name)
        words = f"Key '{prefix}key/{name}' does not exist" if is_written_so else f"Invalid keyId '{key_id}'"
    if key is None:
        raise refusal("NotFoundException", words)
    return key


def _check_key_of_ciphertext(operation: str, parameters: Parameters, caller: Caller, keys: KeyStore) -> None:
    """Check the key that encrypted the ciphertext, if the caller's account has it; moto refuses other ciphertexts."""
    blob = parameters["CiphertextBlob"]
    key_id = keys.key_of_ciphertext(blob) if isinstance(blob, bytes) else ""
    key = keys.key(SecretLocation(caller.account, caller.region), key_id) if key_id else None
    if key is not None:
        check_key_use(operation, parameters, key)
