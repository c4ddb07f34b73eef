"""Condition keys that a request alone determines. If such a key is missing in the request, AWS knows no value either.

All other keys that the guard can't compute are unknown, and an unknown key never allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from dsops.policy import lower_case

# AWS IAM User Guide, "AWS global condition context keys": keys of the request, and of requests by services.
_KEYS: Final = frozenset(
    map(
        lower_case,
        """
        aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:Referer aws:UserAgent
        kms:EncryptionContextKeys kms:GrantConstraintType kms:GrantOperations kms:GranteePrincipal
        kms:RequestAlias kms:RetiringPrincipal kms:ScheduleKeyDeletionPendingWindowInDays kms:ViaService
        s3:delimiter s3:if-match s3:if-none-match s3:locationconstraint s3:max-keys s3:object-lock-legal-hold
        s3:object-lock-mode s3:prefix s3:RequestObjectTagKeys s3:VersionId s3:x-amz-acl s3:x-amz-copy-source
        s3:x-amz-grant-full-control s3:x-amz-grant-read s3:x-amz-grant-read-acp s3:x-amz-grant-write
        s3:x-amz-grant-write-acp s3:x-amz-metadata-directive s3:x-amz-object-ownership
        s3:x-amz-server-side-encryption s3:x-amz-server-side-encryption-aws-kms-key-id
        s3:x-amz-server-side-encryption-customer-algorithm s3:x-amz-storage-class
        s3:x-amz-website-redirect-location
        secretsmanager:BlockPublicPolicy secretsmanager:Description secretsmanager:ForceDeleteWithoutRecovery
        secretsmanager:KmsKeyId secretsmanager:Name secretsmanager:RecoveryWindowInDays
        secretsmanager:RotateImmediately secretsmanager:RotationLambdaARN secretsmanager:VersionId
        secretsmanager:VersionStage
        ssm:Overwrite ssm:Recursive
        sts:ExternalId sts:RoleSessionName
        """.split(),
    )
)
_PREFIXES: Final = ("kms:encryptioncontext:", "s3:requestobjecttag/")
_TAG_KEYS: Final = "aws:tagkeys"
_REQUEST_TAG: Final = "aws:requesttag/"
_DEEPEST: Final = 6


def settled_keys(context: Mapping[str, object], parameters: Mapping[str, object]) -> Callable[[str], bool]:
    """Return the test whether a condition key (in lower case) that the context lacks is absent at AWS too.

    The keys for tags of the request are absent only if the request has no parameter that can contain tags, or if its
    tags were read.
    """

    def is_settled(key: str) -> bool:
        if key == _TAG_KEYS or key.startswith(_REQUEST_TAG):
            # Computed only for policies about tags, because all parameters are searched.
            return "aws:TagKeys" in context or not _mentions_tags(parameters, _DEEPEST)
        return key in _KEYS or key.startswith(_PREFIXES)

    return is_settled


def _mentions_tags(value: object, deeper: int) -> bool:
    """Whether a parameter's name contains `tag`, at any depth. Values that are too deep count as tags."""
    if isinstance(value, Mapping):
        return not deeper or any(
            "tag" in str(name).lower() or _mentions_tags(inner, deeper - 1) for name, inner in value.items()
        )
    if isinstance(value, list):
        return bool(value) and (not deeper or any(_mentions_tags(item, deeper - 1) for item in value))
    return False
