"""The names of the KMS keys that encrypt resources, as ARNs."""

from __future__ import annotations

from typing import Final

from dsops.access.facts.json_files import object_of, objects_of, text_of

_KMS_ALGORITHMS: Final = ("aws:kms", "aws:kms:dsse")


def key_arn(name: str, partition: str, region: str, account: str) -> str:
    """Return the ARN of a key, or of an alias, given an ARN, an id, or `alias/NAME`."""
    if name.startswith("arn:"):
        return name
    return f"arn:{partition}:kms:{region}:{account}:{name if name.startswith('alias/') else f'key/{name}'}"


def default_key_of(encryption: object) -> str:
    """Return the KMS key in a bucket's default encryption, as GetBucketEncryption and CloudFormation have it.

    "" if the bucket encrypts new objects without a key of KMS, or with a configuration of no rules.
    """
    for rule in objects_of(encryption, "Rules") or objects_of(encryption, "ServerSideEncryptionConfiguration"):
        by_default = object_of(rule, "ApplyServerSideEncryptionByDefault")
        by_default = by_default or object_of(rule, "ServerSideEncryptionByDefault")
        if text_of(by_default, "SSEAlgorithm") in _KMS_ALGORITHMS:
            return text_of(by_default, "KMSMasterKeyID") or "alias/aws/s3"
    return ""
