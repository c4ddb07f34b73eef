"""Operation and parameters -> what has to be allowed: actions, ARNs, the condition keys of the operation.

From AWS's service authorization reference. Where an operation's resource isn't known here it is `*`, so that only a
policy that says `*` allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from dsops.arn import parse_arn
from dsops.sandbox.authorize import Question
from dsops.sandbox.caller import Caller
from dsops.sandbox.context import Context, request_tags, tag_keys
from dsops.sandbox.vault import Place, Vault
from dsops.sandbox.world import World

Parameters = Mapping[str, object]


class Resources:
    """What each operation is about, in one world."""

    def __init__(self, world: World, vault: Vault) -> None:
        self._world = world
        self._vault = vault

    def questions(self, service: str, operation: str, parameters: Parameters, caller: Caller) -> Iterator[Question]:
        """Everything that must be allowed for the operation to be done, in AWS's order."""
        ask: Callable[[str, Parameters, Caller], Iterator[Question]] = {
            "iam": self._of_iam, "secretsmanager": self._of_secrets, "ssm": self._of_parameters
        }[service]  # fmt: skip
        yield from ask(operation, parameters, caller)

    # --- Secrets Manager ---------------------------------------------------------------------------------------

    def _of_secrets(self, operation: str, parameters: Parameters, caller: Caller) -> Iterator[Question]:
        context = _secret_context(parameters)
        action = f"secretsmanager:{operation}"
        place = Place(caller.account, caller.region)
        if operation == "CreateSecret":
            # The ARN that it would get; the six characters are any.
            arn, account = self._vault.resource_of(f"{parameters['Name']}-AAAAAA", place)
            yield Question(action, arn, account, context, shown=str(parameters["Name"]))
            if parameters.get("Tags"):
                yield Question("secretsmanager:TagResource", arn, account, context, shown=str(parameters["Name"]))
        elif "SecretId" in parameters:
            yield self.of_secret(action, str(parameters["SecretId"]), caller, context)
        else:
            yield Question(action, "*", caller.account, context)
            if operation == "BatchGetSecretValue" and parameters.get("Filters"):
                yield Question("secretsmanager:ListSecrets", "*", caller.account, context)

    def of_secret(self, action: str, secret_id: str, caller: Caller, context: Context) -> Question:
        """The question about one secret, whether it exists or not: who may not see it does not learn which."""
        place = Place(caller.account, caller.region)
        secret = self._vault.find_secret(secret_id, place)
        if secret is None:
            arn, account = self._vault.resource_of(secret_id, place)
            return Question(action, arn, account, context | {"secretsmanager:SecretId": (arn,)}, shown=secret_id)
        own = tag_keys(("aws:ResourceTag", "secretsmanager:ResourceTag"), secret.tags)
        own["secretsmanager:SecretId"] = (secret.arn,)
        own["aws:ResourceAccount"] = (secret.account,)
        return Question(action, secret.arn, secret.account, context | own, secret.policy)

    # --- Parameter Store ---------------------------------------------------------------------------------------

    def _of_parameters(self, operation: str, parameters: Parameters, caller: Caller) -> Iterator[Question]:
        action = f"ssm:{operation}"
        names = _parameter_names(operation, parameters)
        context: Context = dict(request_tags(_tags(parameters.get("Tags"))))
        for flag in ("Overwrite", "Recursive"):
            if flag in parameters:
                context[f"ssm:{flag}"] = (str(parameters[flag]).lower(),)
        if operation == "DescribeParameters":
            yield Question(action, self._parameter_arn("*", caller, kind=""), caller.account, context)
        elif not names:
            yield Question(action, "*", caller.account, context)
        for name in names:
            yield self._of_parameter(action, name, caller, context)
            if operation == "PutParameter" and parameters.get("Tags"):
                yield self._of_parameter("ssm:AddTagsToResource", name, caller, context)
            if name.startswith(_SECRETS_BEHIND_SSM):
                secret_id = name.removeprefix(_SECRETS_BEHIND_SSM)
                yield self.of_secret("secretsmanager:GetSecretValue", secret_id, caller, {})

    def _of_parameter(self, action: str, name: str, caller: Caller, context: Context) -> Question:
        arn = parse_arn(name)
        if arn is not None and arn.service == "ssm":
            # A parameter has no policy of its own here, so another account's is never allowed.
            return Question(action, name, arn.account, context)
        bare = name.partition(":")[0]
        place = Place(caller.account, caller.region)
        own = tag_keys(("aws:ResourceTag", "ssm:resourceTag"), self._vault.parameter_tags(place, bare))
        return Question(action, self._parameter_arn(bare.removeprefix("/"), caller), caller.account, context | own)

    def _parameter_arn(self, name: str, caller: Caller, kind: str = "parameter/") -> str:
        return f"arn:{caller.partition}:ssm:{caller.region}:{caller.account}:{kind}{name}"

    # --- IAM -----------------------------------------------------------------------------------------------------

    def _of_iam(self, operation: str, parameters: Parameters, caller: Caller) -> Iterator[Question]:
        context: Context = dict(request_tags(_tags(parameters.get("Tags"))))
        if "PolicyArn" in parameters and operation.startswith(("Attach", "Detach")):
            context["iam:PolicyARN"] = (str(parameters["PolicyArn"]),)
        boundary, tags = self._iam_state(operation, parameters, caller)
        if boundary:
            context["iam:PermissionsBoundary"] = (boundary,)
        context |= tag_keys(("aws:ResourceTag", "iam:ResourceTag"), tags)
        resource = self._iam_arn(operation, parameters, caller)
        yield Question(f"iam:{operation}", resource, caller.account, context)
        if parameters.get("Tags") and operation in _IAM_TAGGED:
            yield Question(f"iam:{_IAM_TAGGED[operation]}", resource, caller.account, context)

    def _iam_state(
        self, operation: str, parameters: Parameters, caller: Caller
    ) -> tuple[str, Sequence[tuple[str, str]]]:
        """The boundary that is passed, or is in force on the user or role, and the tags of that user or role."""
        boundary = str(parameters.get("PermissionsBoundary", ""))
        if operation.startswith("Create"):
            return boundary, ()
        role = self._world.role_named(caller.account, str(parameters.get("RoleName", "")))
        user = self._world.user_named(caller.account, str(parameters.get("UserName", "")))
        if role is not None:
            held = self._world.grants_of_role(role).boundary
            return boundary or ("" if held is None else held.name), role.tags
        if user is not None:
            held = self._world.grants_of_user(user).boundary
            return boundary or ("" if held is None else held.name), user.tags
        return boundary, ()

    def _iam_arn(self, operation: str, parameters: Parameters, caller: Caller) -> str:
        """The ARN, with the path that its owner has; without a path for one that does not exist (measured)."""
        is_new = operation.startswith("Create")
        path = str(parameters.get("Path", "/")) if is_new else "/"
        prefix = f"arn:{caller.partition}:iam::{caller.account}:"
        for name, kind in _IAM_OWNERS.items():
            if name in parameters:
                value = str(parameters[name])
                found = "" if is_new and name != "UserName" else self._existing_arn(kind, value, caller)
                return found or f"{prefix}{kind}{path}{value}"
        for name in _IAM_ARNS:
            if name in parameters:
                return str(parameters[name])
        if operation in _IAM_NEW:
            name, kind = _IAM_NEW[operation]
            return f"{prefix}{kind}{path}{str(parameters[name]).removeprefix('https://')}"
        if operation in _ABOUT_ONESELF and caller.user is not None:
            return caller.user.arn
        return "*"

    def _existing_arn(self, kind: str, name: str, caller: Caller) -> str:
        if kind == "role":
            role = self._world.role_named(caller.account, name)
            return "" if role is None else role.arn
        if kind == "user":
            user = self._world.user_named(caller.account, name)
            return "" if user is None else user.arn
        return ""


_SECRETS_BEHIND_SSM = "/aws/reference/secretsmanager/"
_SINGLE_NAMES = frozenset(
    {"GetParameter", "GetParameterHistory", "PutParameter", "DeleteParameter", "LabelParameterVersion",
     "UnlabelParameterVersion"}
)  # fmt: skip
_MANY_NAMES = frozenset({"GetParameters", "DeleteParameters"})
_TAGGING = frozenset({"AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"})

# Of several the first one is what the operation is about: AddUserToGroup the group, AttachRolePolicy the role.
_IAM_OWNERS = {"InstanceProfileName": "instance-profile", "GroupName": "group", "RoleName": "role", "UserName": "user"}
"""Parameter -> kind of resource, in order."""
_IAM_NEW = {
    "CreatePolicy": ("PolicyName", "policy"),
    "CreateVirtualMFADevice": ("VirtualMFADeviceName", "mfa"),
    "CreateSAMLProvider": ("Name", "saml-provider"),
    "CreateOpenIDConnectProvider": ("Url", "oidc-provider"),
    "CreateServiceLinkedRole": ("AWSServiceName", "role/aws-service-role"),
}
"""Operation -> the parameter that names what it makes, and its kind."""
_IAM_TAGGED = {
    "CreateRole": "TagRole", "CreateUser": "TagUser", "CreatePolicy": "TagPolicy",
    "CreateInstanceProfile": "TagInstanceProfile", "CreateOpenIDConnectProvider": "TagOpenIDConnectProvider",
    "CreateVirtualMFADevice": "TagMFADevice", "CreateSAMLProvider": "TagSAMLProvider",
}  # fmt: skip
"""Operation -> the action that must be allowed as well when it passes tags."""
_ABOUT_ONESELF = frozenset(
    {"GetUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey", "ChangePassword",
     "ListMFADevices"}
)  # fmt: skip
# Where these are given they are the resource, unless a user, group or role is named too.
_IAM_ARNS = ("SAMLProviderArn", "OpenIDConnectProviderArn", "PolicyArn", "SerialNumber")


def _secret_context(parameters: Parameters) -> Context:
    context: Context = dict(request_tags(_tags(parameters.get("Tags"))))
    for name in ("VersionId", "VersionStage", "Name", "Description", "KmsKeyId", "RotationLambdaARN"):
        if name in parameters:
            context[f"secretsmanager:{name}"] = (str(parameters[name]),)
    for name in ("ForceDeleteWithoutRecovery", "BlockPublicPolicy", "RotateImmediately"):
        if name in parameters:
            context[f"secretsmanager:{name}"] = (str(parameters[name]).lower(),)
    if "RecoveryWindowInDays" in parameters:
        context["secretsmanager:RecoveryWindowInDays"] = (str(parameters["RecoveryWindowInDays"]),)
    return context


def _parameter_names(operation: str, parameters: Parameters) -> Sequence[str]:
    if operation in _SINGLE_NAMES:
        return (str(parameters["Name"]),)
    if operation in _MANY_NAMES:
        return cast("Sequence[str]", parameters["Names"])
    if operation == "GetParametersByPath":
        return (str(parameters["Path"]),)
    if operation in _TAGGING and parameters.get("ResourceType") == "Parameter":
        return (str(parameters["ResourceId"]),)
    return ()


def _tags(value: object) -> Iterator[tuple[str, str]]:
    for tag in cast("Sequence[Mapping[str, str]]", value or ()):
        yield tag["Key"], tag.get("Value", "")
