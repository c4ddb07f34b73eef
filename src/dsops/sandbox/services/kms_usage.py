"""Check whether a KMS key can perform an operation: its state, usage and algorithm, and the message.

Rules: AWS KMS Developer Guide, "Key states of AWS KMS keys" and "Key spec reference". Messages were recorded on live
AWS (LocalStack's snapshots of KMS, 2023 to 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dsops.request.lookups import KmsKey
from dsops.request.parameter_values import Parameters, text
from dsops.request.wire.errors import refusal

_ENCRYPTING: Final = (
    "Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair "
    "GenerateDataKeyPairWithoutPlaintext"
)
_USAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_ENCRYPTING.split(), "ENCRYPT_DECRYPT"),
    **dict.fromkeys(("Sign", "Verify"), "SIGN_VERIFY"),
    **dict.fromkeys(("GenerateMac", "VerifyMac"), "GENERATE_VERIFY_MAC"),
    "DeriveSharedSecret": "KEY_AGREEMENT",
}
"""Operation -> the usage that its key must have."""
_NEEDS_ENABLED: Final = frozenset({*_USAGES, "EnableKeyRotation", "RotateKeyOnDemand"})
_NOT_WHEN_PENDING: Final = _NEEDS_ENABLED | frozenset(
    """
    CreateAlias CreateGrant DisableKey DisableKeyRotation EnableKey GetPublicKey ReplicateKey ScheduleKeyDeletion
    TagResource UntagResource UpdateAlias UpdateKeyDescription
    """.split()
)
_MODULUS_BYTES: Final = {"RSA_2048": 256, "RSA_3072": 384, "RSA_4096": 512}
_OVERHEAD_BYTES: Final = {"RSAES_OAEP_SHA_1": 42, "RSAES_OAEP_SHA_256": 66}
_MOST_TAGS: Final = 50


def check_key_use(operation: str, parameters: Parameters, key: KmsKey) -> None:
    """Raise SandboxRefusal if a key in this state, with this usage, can't perform the operation."""
    if key.state == "PendingDeletion" and operation in _NOT_WHEN_PENDING:
        raise refusal("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if key.state == "Disabled" and operation in _NEEDS_ENABLED:
        raise refusal("DisabledException", f"{key.arn} is disabled.")
    if operation == "RotateKeyOnDemand" and key.spec != "SYMMETRIC_DEFAULT":
        raise refusal("UnsupportedOperationException", None)
    if operation == "Decrypt" and key.usage != "ENCRYPT_DECRYPT":
        words = "The key ID in the request does not identify a CMK that can perform this operation."
        raise refusal("IncorrectKeyException", words)
    if key.usage != _USAGES.get(operation, key.usage):
        text_of_usage = f"{key.arn} key usage is {key.usage} which is not valid for {operation}."
        raise refusal("InvalidKeyUsageException", text_of_usage)
    if operation == "Encrypt":
        _check_plaintext(text(parameters, "EncryptionAlgorithm"), parameters.get("Plaintext"), key.spec)
    elif operation in {"Sign", "Verify"} and text(parameters, "MessageType") == "DIGEST":
        _check_digest(text(parameters, "SigningAlgorithm"), parameters.get("Message"))
    elif operation in {"GenerateMac", "VerifyMac"}:
        algorithm = text(parameters, "MacAlgorithm")
        if algorithm.startswith("HMAC_SHA_") and algorithm.removeprefix("HMAC_SHA_") != key.spec.removeprefix("HMAC_"):
            raise refusal(
                "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {key.spec}."
            )


def check_new_key(parameters: Parameters) -> None:
    """Raise ValidationException if a new key of another spec than SYMMETRIC_DEFAULT has no usage."""
    spec = text(parameters, "KeySpec") or text(parameters, "CustomerMasterKeySpec")
    if spec not in {"", "SYMMETRIC_DEFAULT"} and "KeyUsage" not in parameters:
        words = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
        raise refusal("ValidationException", words)


def check_tags(parameters: Parameters) -> None:
    """Raise TagException for reserved tag keys, duplicate tag keys and more than 50 tags."""
    tags = parameters.get("Tags")
    keys = [str(tag.get("TagKey", "")) for tag in tags] if isinstance(tags, list) else []
    if any(key.lower().startswith("aws:") for key in keys):
        raise refusal("TagException", "Tags beginning with aws: are reserved")
    if len(keys) != len(set(keys)):
        raise refusal("TagException", "Duplicate tag keys")
    if len(keys) > _MOST_TAGS:
        raise refusal("TagException", "Too many tags")


def _check_plaintext(algorithm: str, plaintext: object, spec: str) -> None:
    most = _MODULUS_BYTES.get(spec, 0) - _OVERHEAD_BYTES.get(algorithm, 0)
    if (
        spec in _MODULUS_BYTES
        and algorithm in _OVERHEAD_BYTES
        and isinstance(plaintext, bytes)
        and len(plaintext) > most
    ):
        words = f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {most} bytes."
        raise refusal("ValidationException", words)


def _check_digest(algorithm: str, digest: object) -> None:
    bits = algorithm.rpartition("_SHA_")[2]
    if bits.isdigit() and isinstance(digest, bytes) and len(digest) * 8 != int(bits):
        raise refusal("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")
