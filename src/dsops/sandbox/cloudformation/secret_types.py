"""The resource types of Secrets Manager, Parameter Store and KMS.

The calls are those of AWS's handlers (`handlers.*.permissions` in the types' schemas).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from dsops.request.wire.errors import refusal
from dsops.sandbox.cloudformation.handler import Handler, Made, Properties, ResourceType, as_text, chosen, words

_NO_SECRET: Final = frozenset({"ResourceNotFoundException"})
_NO_PARAMETER: Final = frozenset({"ParameterNotFound"})
_NO_KEY: Final = frozenset({"NotFoundException", "KMSInvalidStateException"})
_GENERATED: Final = """
    ExcludeCharacters ExcludeLowercase ExcludeNumbers ExcludePunctuation ExcludeUppercase IncludeSpace PasswordLength
    RequireEachIncludedType
"""


def _secret_value(handler: Handler, properties: Properties) -> str | None:
    """Return the secret's value in the template, or a generated one; None if it has no value."""
    wish = properties.get("GenerateSecretString")
    if wish is None:
        return as_text(properties.get("SecretString"))
    answer = handler.call("secretsmanager", "GetRandomPassword", chosen(wish, _GENERATED))
    password = str(answer["RandomPassword"])
    if "GenerateStringKey" not in wish:
        return password
    template = json.loads(str(wish.get("SecretStringTemplate", "{}")))
    if not isinstance(template, dict):
        raise refusal("ValidationError", "SecretStringTemplate is not a JSON object")
    return json.dumps({**template, str(wish["GenerateStringKey"]): password})


def _create_secret(handler: Handler, properties: Properties) -> Made:
    parameters = {
        "Name": handler.name(properties, "Name", 512),
        "SecretString": _secret_value(handler, properties),
        "Tags": handler.tag_list(properties),
        **chosen(properties, "Description KmsKeyId"),
    }
    arn = str(handler.call("secretsmanager", "CreateSecret", parameters)["ARN"])
    return Made(arn, {"Id": arn})


def _update_secret(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    names = "SecretString GenerateSecretString"
    value = None if chosen(old, names) == chosen(new, names) else _secret_value(handler, new)
    parameters = {"SecretId": made.id, "SecretString": value, **chosen(new, "Description KmsKeyId")}
    handler.call("secretsmanager", "UpdateSecret", parameters)
    return made


def _delete_secret(handler: Handler, made: Made, _: Properties) -> None:
    parameters = {"SecretId": made.id, "ForceDeleteWithoutRecovery": True}
    handler.unless(_NO_SECRET, "secretsmanager", "DeleteSecret", parameters)


def _put_secret_policy(handler: Handler, properties: Properties) -> Made:
    secret, policy = str(properties.get("SecretId", "")), as_text(properties.get("ResourcePolicy"))
    parameters = {"SecretId": secret, "ResourcePolicy": policy, **chosen(properties, "BlockPublicPolicy")}
    handler.call("secretsmanager", "PutResourcePolicy", parameters)
    return Made(secret, {"Id": secret})


def _put_parameter(handler: Handler, properties: Properties, *, is_new: bool) -> Made:
    name = handler.name(properties, "Name", 1011)
    settings = chosen(properties, "Type Value Description AllowedPattern Tier Policies DataType")
    tags = handler.tag_list(properties) if is_new else None
    handler.call("ssm", "PutParameter", {"Name": name, "Overwrite": not is_new, "Tags": tags, **settings})
    return Made(name, chosen(properties, "Type Value"))


def _create_key(handler: Handler, properties: Properties) -> Made:
    tags = [{"TagKey": key, "TagValue": value} for key, value in handler.all_tags(properties).items()]
    settings = chosen(properties, "Description KeySpec KeyUsage MultiRegion Origin BypassPolicyLockoutSafetyCheck")
    policy = as_text(properties.get("KeyPolicy"))
    answer = handler.call("kms", "CreateKey", {"Policy": policy, "Tags": tags or None, **settings})
    key = answer["KeyMetadata"]
    made = handler.keep(Made(str(key["KeyId"]), {"Arn": key["Arn"], "KeyId": key["KeyId"]}))
    if _is_true(properties.get("EnableKeyRotation")):
        handler.call("kms", "EnableKeyRotation", {"KeyId": made.id})
    if "Enabled" in properties and not _is_true(properties["Enabled"]):
        handler.call("kms", "DisableKey", {"KeyId": made.id})
    return made


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _update_key(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    key = {"KeyId": made.id}
    policy = as_text(new.get("KeyPolicy"))
    if policy != as_text(old.get("KeyPolicy")):
        handler.call("kms", "PutKeyPolicy", {**key, "PolicyName": "default", "Policy": policy})
    if new.get("Description") != old.get("Description"):
        handler.call("kms", "UpdateKeyDescription", {**key, "Description": new.get("Description", "")})
    if _is_true(new.get("EnableKeyRotation")) != _is_true(old.get("EnableKeyRotation")):
        verb = "Enable" if _is_true(new.get("EnableKeyRotation")) else "Disable"
        handler.call("kms", f"{verb}KeyRotation", key)
    if _is_true(new.get("Enabled", True)) != _is_true(old.get("Enabled", True)):
        handler.call("kms", "EnableKey" if _is_true(new.get("Enabled", True)) else "DisableKey", key)
    return made


def _delete_key(handler: Handler, made: Made, properties: Properties) -> None:
    parameters = {"KeyId": made.id, **chosen(properties, "PendingWindowInDays")}
    handler.unless(_NO_KEY, "kms", "ScheduleKeyDeletion", parameters)


def _create_alias(handler: Handler, properties: Properties) -> Made:
    handler.call("kms", "CreateAlias", properties)
    return Made(str(properties.get("AliasName", "")))


def _update_alias(handler: Handler, made: Made, _old: Properties, new: Properties) -> Made:
    handler.call("kms", "UpdateAlias", new)
    return made


SECRET_TYPES: Final[Mapping[str, ResourceType]] = {
    "AWS::SecretsManager::Secret": ResourceType(
        words("Name Description KmsKeyId SecretString GenerateSecretString Tags"),
        _create_secret,
        _delete_secret,
        _update_secret,
        words("Name Tags"),
    ),
    "AWS::SecretsManager::ResourcePolicy": ResourceType(
        words("SecretId ResourcePolicy BlockPublicPolicy"),
        _put_secret_policy,
        lambda handler, made, _: handler.unless(
            _NO_SECRET, "secretsmanager", "DeleteResourcePolicy", {"SecretId": made.id}
        ),
        lambda handler, _made, _old, new: _put_secret_policy(handler, new),
        words("SecretId"),
    ),
    "AWS::SSM::Parameter": ResourceType(
        words("Name Type Value Description AllowedPattern Tier Policies DataType Tags"),
        lambda handler, properties: _put_parameter(handler, properties, is_new=True),
        lambda handler, made, _: handler.unless(_NO_PARAMETER, "ssm", "DeleteParameter", {"Name": made.id}),
        lambda handler, made, _old, new: _put_parameter(handler, {**new, "Name": made.id}, is_new=False),
        words("Name Tags"),
    ),
    "AWS::KMS::Key": ResourceType(
        words(
            """
            KeyPolicy Description Enabled EnableKeyRotation KeySpec KeyUsage MultiRegion Origin PendingWindowInDays
            BypassPolicyLockoutSafetyCheck Tags
            """
        ),
        _create_key,
        _delete_key,
        _update_key,
        words("KeySpec KeyUsage MultiRegion Origin Tags"),
    ),
    "AWS::KMS::Alias": ResourceType(
        words("AliasName TargetKeyId"),
        _create_alias,
        lambda handler, made, _: handler.unless(_NO_KEY, "kms", "DeleteAlias", {"AliasName": made.id}),
        _update_alias,
        words("AliasName"),
    ),
}
