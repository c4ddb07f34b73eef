"""Check KMS requests: their keys must exist, and aliases that belong to AWS can't be changed.

Messages were recorded on live AWS (LocalStack's snapshots of KMS, 2023 to 2025).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from dsops.arn import parse_arn
from dsops.request.lookups import SecretLocation
from dsops.request.parameter_values import Parameters, text
from dsops.request.wire.errors import refusal
from dsops.sandbox.authorization.caller import Caller
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

    Raises NotAuthorizedException, ValidationException, NotFoundException or InvalidArnException.
    """
    if text(parameters, "AliasName").startswith(_OF_AWS):
        raise refusal("NotAuthorizedException", None)
    if operation == "GenerateRandom" and "NumberOfBytes" not in parameters:
        raise refusal("ValidationException", "NumberOfBytes is required.")
    if operation == "RetireGrant" and "GrantToken" not in parameters and not {"KeyId", "GrantId"} <= parameters.keys():
        raise refusal("ValidationException", "Either a grant token or a key and the id of its grant is required.")
    for name in _NAMES_OF_KEYS:
        if name in parameters:
            _check_exists(text(parameters, name), caller, keys)
    for name in ("GranteePrincipal", "RetiringPrincipal"):
        if operation == "CreateGrant" and not has_principal(text(parameters, name)):
            raise refusal("InvalidArnException", f"ARN does not refer to a valid principal: {text(parameters, name)}")


def _check_exists(key_id: str, caller: Caller, keys: KeyStore) -> None:
    arn = parse_arn(key_id)
    account = caller.account if arn is None else arn.account
    place = SecretLocation(account, caller.region)
    prefix = f"arn:{caller.partition}:kms:{caller.region}:{account}:"
    name = key_id if arn is None else arn.resource.removeprefix("key/")
    if name.startswith("alias/"):
        if not keys.key_of_alias(place, name):
            raise refusal("NotFoundException", f"Alias {prefix}{name} is not found.")
    elif keys.key(place, name) is None:
        is_written_so = arn is not None or _WRITTEN_AS_KEYS.fullmatch(name)
        words = f"Key '{prefix}key/{name}' does not exist" if is_written_so else f"Invalid keyId '{key_id}'"
        raise refusal("NotFoundException", words)
