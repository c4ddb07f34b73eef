"""Checks of writes to Secrets Manager that moto lacks: names, scheduled deletion, policies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dsops.arn import parse_arn
from dsops.document import parse_json
from dsops.errors import SandboxRefusal
from dsops.policy import check_policy
from dsops.request.wire.errors import refusal
from dsops.sandbox.resource_policies.principals import principals_of
from dsops.sandbox.state.secrets import StoredSecret

_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}")
_CLOSED_WHEN_DELETED = frozenset(
    """
    PutSecretValue UpdateSecret UpdateSecretVersionStage RotateSecret CancelRotateSecret PutResourcePolicy
    TagResource UntagResource ReplicateSecretToRegions
    """.split()
)


def check_default_key(secret: StoredSecret, account: str) -> None:
    """Raise InvalidRequestException if the value is for another account and its key is the owner's default key."""
    if secret.account != account and not secret.kms_key:
        raise refusal(
            "InvalidRequestException",
            "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS "
            "service key.",
        )


def check_secret_call(
    operation: str,
    parameters: Mapping[str, object],
    secret: StoredSecret | None,
    account: str,
    has_principal: Callable[[str], bool],
) -> None:
    """Raise SandboxRefusal if AWS would refuse the call of a caller from this account.

    `secret` is None if the secret does not exist.
    """
    if operation == "CreateSecret":
        _check_new(secret, parameters)
    if operation == "PutSecretValue" and secret is not None:
        check_default_key(secret, account)
    if operation == "RotateSecret" and secret is not None and not secret.is_deleted:
        _check_rotation(secret, parameters)
    if secret is not None and secret.is_deleted and operation in _CLOSED_WHEN_DELETED:
        raise refusal(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        )
    if operation == "UpdateSecretVersionStage" and secret is not None:
        _check_moved_version(secret, str(parameters.get("MoveToVersionId") or ""))
    if operation == "PutResourcePolicy" and secret is not None:
        text = str(parameters["ResourcePolicy"])
        _check_policy(text, is_public_blocked=bool(parameters.get("BlockPublicPolicy")))
        if not all(has_principal(arn) for arn in principals_of(text)):
            words = "This resource policy contains an unsupported principal."
            raise refusal("MalformedPolicyDocumentException", words)


def _check_moved_version(secret: StoredSecret, version_id: str) -> None:
    """Raise ResourceNotFoundException if the version does not exist.

    moto itself would first remove the staging label.
    """
    if version_id and secret.version(version_id, "") is None:
        raise refusal(
            "ResourceNotFoundException",
            f"Secrets Manager can't find the specified secret value for VersionId: {version_id}",
        )


def adds_version(operation: str, parameters: Mapping[str, object], secret: StoredSecret) -> bool:
    """Whether the call adds a version to the secret. A repeated call with the same token adds none."""
    if parameters.get("ClientRequestToken") in secret.contents:
        return False
    return operation in {"PutSecretValue", "RotateSecret"} or (
        operation == "UpdateSecret" and ("SecretString" in parameters or "SecretBinary" in parameters)
    )


def too_many_versions() -> SandboxRefusal:
    """Return the error for a secret with 100 versions, none of which can be removed."""
    return refusal(
        "LimitExceededException",
        "The secret has 100 versions, and each of them has a staging label or is less than 24 hours old.",
    )


def check_secret_name(parameters: Mapping[str, object]) -> None:
    """Raise ValidationException if the request of any operation contains an invalid secret name."""
    name = str(parameters.get("Name") or parameters.get("SecretId") or "")
    if name and parse_arn(name) is None and not _NAME.fullmatch(name):
        raise refusal(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        )


def _check_new(secret: StoredSecret | None, parameters: Mapping[str, object]) -> None:
    if secret is None:
        return
    if secret.is_deleted:
        raise refusal(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        )
    if parameters.get("ClientRequestToken") not in secret.contents:
        words = f"The operation failed because the secret {secret.name} already exists."
        raise refusal("ResourceExistsException", words)


def _check_rotation(secret: StoredSecret, parameters: Mapping[str, object]) -> None:
    if not (secret.rotation_function or parameters.get("RotationLambdaARN")):
        raise refusal("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")


def _check_policy(text: str, *, is_public_blocked: bool) -> None:
    checked = check_policy(parse_json(text, "policy"), "resource", name="policy")
    if checked.policy is None:
        raise refusal("MalformedPolicyDocumentException", f"This resource policy is not valid: {checked.aws_message}")
    for statement in checked.policy.statements:
        principals = statement.principals
        is_public = statement.effect == "Allow" and principals is not None and principals.is_everyone
        if is_public and is_public_blocked and not statement.conditions:
            raise refusal(
                "PublicPolicyException", "You can't attach a resource policy that gives everyone access to the secret."
            )
