"""Complete moto's KMS requests and responses with the fields that KMS returns.

Recorded on live AWS (LocalStack's snapshots of KMS, 2023 to 2026).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from dsops.request.messages import HttpAnswer
from dsops.request.parameter_values import Parameters, text
from dsops.request.wire.errors import refusal

_SYMMETRIC: Final = "SYMMETRIC_DEFAULT"
_ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "Decrypt": ("EncryptionAlgorithm",),
    "Encrypt": ("EncryptionAlgorithm",),
    "ReEncrypt": ("SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm"),
}
"""Operation -> the algorithms that its response names."""
_BY_ID: Final = frozenset({"CancelKeyDeletion", "DisableKey", "EnableKey", "ScheduleKeyDeletion"})
_NAMING_KEY: Final = frozenset(
    {"CancelKeyDeletion", "GetKeyRotationStatus", "GetPublicKey", "RotateKeyOnDemand", "ScheduleKeyDeletion"}
)
_NEW_KEY: Final[Mapping[str, object]] = {"KeyUsage": "ENCRYPT_DECRYPT", "MultiRegion": False}


def with_key_defaults(operation: str, parameters: Parameters) -> Parameters:
    """Return the parameters for moto, which stores None for an omitted usage and finds some keys by id only."""
    if operation == "CreateKey":
        return {**_NEW_KEY, **parameters}
    if operation in _BY_ID:
        return {**parameters, "KeyId": text(parameters, "KeyId").rpartition("/")[2]}
    return parameters


def complete_key_answer(operation: str, parameters: Parameters, key_arn: str, answer: HttpAnswer) -> HttpAnswer:
    """Return the answer with the fields that moto omits. Raises KMSInvalidSignatureException for Verify.

    `key_arn` is the ARN of the request's key.
    """
    if answer.status != 200 or not answer.body:
        return answer
    content: dict[str, Any] | None = json.loads(answer.body)
    if not content:
        return answer
    if operation == "Verify" and not content.get("SignatureValid"):
        raise refusal("KMSInvalidSignatureException", None)
    for name in ("KeyMetadata", "ReplicaKeyMetadata"):
        if name in content:
            _complete_metadata(content[name])
    for name in _ALGORITHMS.get(operation, ()):
        content.setdefault(name, text(parameters, name) or _SYMMETRIC)
    if operation == "Decrypt" and content["EncryptionAlgorithm"] == _SYMMETRIC:
        content["KeyMaterialId"] = _material_id(str(content.get("KeyId", "")))
    elif operation in _NAMING_KEY:
        content["KeyId"] = key_arn
    if operation == "GetPublicKey":
        content["KeySpec"] = content["CustomerMasterKeySpec"]
    return answer._replace(body=json.dumps(content).encode())


def _complete_metadata(metadata: dict[str, Any]) -> None:
    spec = str(metadata["KeySpec"])
    if spec.startswith("HMAC_"):
        metadata["MacAlgorithms"] = [f"HMAC_SHA_{spec.removeprefix('HMAC_')}"]
        metadata.pop("EncryptionAlgorithms", None)
    if spec == _SYMMETRIC and metadata.get("Origin") == "AWS_KMS":
        metadata["CurrentKeyMaterialId"] = _material_id(str(metadata["Arn"]))
    for name in ("EncryptionAlgorithms", "SigningAlgorithms"):
        if not metadata.get(name):
            metadata.pop(name, None)


def _material_id(key_arn: str) -> str:
    """Return an id of 64 hexadecimal digits; moto keeps one key material for a key, also after a rotation."""
    return hashlib.sha256(key_arn.encode()).hexdigest()
