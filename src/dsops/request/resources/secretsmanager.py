"""Determine the authorization checks of Secrets Manager.

A request can identify a secret by name, ARN, or ARN without the random suffix. The check includes the secret's
resource policy.
"""

from __future__ import annotations

from collections.abc import Iterator

from dsops.policy import is_unknown
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import SecretLocation, SecretLookup
from dsops.request.parameter_values import Parameters, listed_tags
from dsops.request.question import AuthorizationQuestion, CallerView, Context


class SecretResources:
    """Yields the authorization checks of Secrets Manager in one sandbox."""

    def __init__(self, secret_lookup: SecretLookup) -> None:
        self._secret_lookup = secret_lookup

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of a Secrets Manager operation."""
        context = _secret_context(parameters)
        action = f"secretsmanager:{operation}"
        place = SecretLocation(caller.account, caller.region)
        if operation == "CreateSecret":
            # The ARN that the secret will have, with placeholders for its six random characters.
            arn, account = self._secret_lookup.resource_of(str(parameters["Name"]), place)
            arn = arn if is_unknown(arn) else f"{arn}-AAAAAA"
            yield AuthorizationQuestion(action, arn, account, context, shown=str(parameters["Name"]))
            if parameters.get("Tags"):
                yield AuthorizationQuestion(
                    "secretsmanager:TagResource", arn, account, context, shown=str(parameters["Name"])
                )
        elif "SecretId" in parameters:
            yield self.of_secret(action, str(parameters["SecretId"]), caller, context)
        else:
            yield AuthorizationQuestion(action, "*", caller.account, context)
            if operation == "BatchGetSecretValue" and parameters.get("Filters"):
                yield AuthorizationQuestion("secretsmanager:ListSecrets", "*", caller.account, context)

    def of_secret(self, action: str, secret_id: str, caller: CallerView, context: Context) -> AuthorizationQuestion:
        """Return the authorization check for one secret, whether the secret exists or not.

        A caller without permission can't tell from the result whether the secret exists.
        """
        place = SecretLocation(caller.account, caller.region)
        secret = self._secret_lookup.find_secret(secret_id, place)
        if secret is None:
            arn, account = self._secret_lookup.resource_of(secret_id, place)
            return AuthorizationQuestion(
                action, arn, account, context | {"secretsmanager:SecretId": (arn,)}, shown=secret_id
            )
        own = tag_keys(("aws:ResourceTag", "secretsmanager:ResourceTag"), secret.tags)
        own["secretsmanager:SecretId"] = (secret.arn,)
        own["aws:ResourceAccount"] = (secret.account,)
        return AuthorizationQuestion(action, secret.arn, secret.account, context | own, secret.policy)


def _secret_context(parameters: Parameters) -> Context:
    context: Context = dict(request_tags(listed_tags(parameters.get("Tags"))))
    for name in ("VersionId", "VersionStage", "Name", "Description", "KmsKeyId", "RotationLambdaARN"):
        if name in parameters:
            context[f"secretsmanager:{name}"] = (str(parameters[name]),)
    for name in ("ForceDeleteWithoutRecovery", "BlockPublicPolicy", "RotateImmediately"):
        if name in parameters:
            context[f"secretsmanager:{name}"] = (str(parameters[name]).lower(),)
    if "RecoveryWindowInDays" in parameters:
        context["secretsmanager:RecoveryWindowInDays"] = (str(parameters["RecoveryWindowInDays"]),)
    return context
