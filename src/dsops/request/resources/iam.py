"""Determine the authorization checks of IAM.

The resource is a user, role, group or policy. The condition keys include its path, tags and permissions boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from dsops.arn import parse_arn
from dsops.policy import ANY_TEXT, is_unknown
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import PrincipalLookup
from dsops.request.parameter_values import Parameters, listed_tags
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.resources.linked_role_names import LINKED_PATH, linked_name, linked_roles

_ROOT_OPERATIONS = frozenset(
    """
    DeleteAccessKey DeleteLoginProfile GetLoginProfile GetUser ListAccessKeys ListMFADevices
    ListSigningCertificates
    """.split()
)


def is_about_root(operation: str, parameters: Mapping[str, object], caller: CallerView) -> bool:
    """Whether a root user's request is about the root user itself, because it has no UserName."""
    return caller.principal.kind == "root" and operation in _ROOT_OPERATIONS and "UserName" not in parameters


class IamResources:
    """Yields the authorization checks of IAM in one sandbox."""

    def __init__(self, principals: PrincipalLookup) -> None:
        self._principals = principals

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an IAM operation."""
        context: Context = dict(request_tags(listed_tags(parameters.get("Tags"))))
        if "PolicyArn" in parameters and operation.startswith(("Attach", "Detach")):
            context["iam:PolicyARN"] = (str(parameters["PolicyArn"]),)
        context |= {key: (str(parameters[name]),) for name, key in _KEYS.items() if name in parameters}
        boundary, tags = self._iam_state(operation, parameters, caller)
        if boundary:
            context["iam:PermissionsBoundary"] = (boundary,)
        context |= tag_keys(("aws:ResourceTag", "iam:ResourceTag"), tags)
        linked = _LINKED.get(operation)
        if linked is None:
            resource = self._iam_arn(operation, parameters, caller)
        else:
            resource = f"arn:{caller.partition}:iam::{caller.account}:{linked(parameters)}"
        yield AuthorizationQuestion(f"iam:{operation}", resource, caller.account, context)
        if operation in _RENAMES:
            yield AuthorizationQuestion(
                f"iam:{operation}", _renamed(resource, operation, parameters), caller.account, context
            )
        role = self._principals.role_named(caller.account, str(parameters.get("RoleName", "")))
        if operation == "AddRoleToInstanceProfile" and role is not None:
            passed: Context = {"iam:PassedToService": ("ec2.amazonaws.com",)}
            yield AuthorizationQuestion("iam:PassRole", role.arn, caller.account, passed)
        if parameters.get("Tags") and operation in _IAM_TAGGED:
            yield AuthorizationQuestion(f"iam:{_IAM_TAGGED[operation]}", resource, caller.account, context)

    def _iam_state(
        self, operation: str, parameters: Parameters, caller: CallerView
    ) -> tuple[str, Sequence[tuple[str, str]]]:
        """Return the permissions boundary, and the tags of the user or role.

        The boundary is the one in the request, or else the one of the user or role.
        """
        boundary = str(parameters.get("PermissionsBoundary", ""))
        if operation.startswith("Create"):
            return boundary, ()
        role_name, user_name = str(parameters.get("RoleName", "")), str(parameters.get("UserName", ""))
        role = self._principals.role_named(caller.account, role_name)
        principal = role or self._principals.user_named(caller.account, user_name)
        if principal is None:
            return boundary, ()
        boundary = boundary or self._principals.boundary_arn(caller.account, role=role_name, user=user_name)
        return boundary, principal.tags

    def _iam_arn(self, operation: str, parameters: Parameters, caller: CallerView) -> str:
        """Return the ARN of the operation's resource.

        If the resource does not exist, its path is `/` (measured on AWS).
        """
        is_new = operation.startswith("Create") or operation == "UploadServerCertificate"
        path = str(parameters.get("Path", "/")) if is_new else "/"
        prefix = f"arn:{caller.partition}:iam::{caller.account}:"
        for name, kind in _IAM_OWNERS.items():
            if name in parameters:
                value = str(parameters[name])
                is_named = is_new and (name != "UserName" or operation == "CreateUser")
                existing_arn = "" if is_named else self._principals.arn_named(caller.account, kind, value)
                return existing_arn or f"{prefix}{kind}{path}{value}"
        for name in _IAM_ARNS:
            if parse_arn(str(parameters.get(name, ""))) is not None:
                return str(parameters[name])
        if operation in _IAM_NEW:
            name, kind = _IAM_NEW[operation]
            return f"{prefix}{kind}{path}{str(parameters[name]).removeprefix('https://')}"
        if operation in _ABOUT_ONESELF and caller.user is not None:
            return caller.user.arn
        if is_about_root(operation, parameters, caller):
            return caller.arn
        return "*"


def _renamed(arn: str, operation: str, parameters: Parameters) -> str:
    """Return the ARN that the resource will have after a rename or move.

    AWS checks both the old and the new ARN (IAM API Reference, UpdateUser).
    """
    kind, name = _RENAMES[operation]
    *head, resource = arn.split(":", 5)
    path, _, old = resource.removeprefix(kind).rpartition("/")
    if is_unknown(old) and "NewPath" not in parameters:
        # The role's name and path are unknown, and the rename keeps the path.
        path = f"{path}/{ANY_TEXT}"
    return ":".join((*head, f"{kind}{parameters.get('NewPath', f'{path}/')}{parameters.get(name, old)}"))


def _new_linked_role(parameters: Parameters) -> str:
    """Return `role/PATH/NAME` of the service-linked role to be created. AWS authorizes the creation by this name."""
    service = str(parameters["AWSServiceName"])
    linked = linked_roles().get(service)
    name = "*" if linked is None else linked_name(linked, str(parameters.get("CustomSuffix", "")))
    return f"role{LINKED_PATH}{service}/{name}"


def _deleted_linked_role(parameters: Parameters) -> str:
    """Return the resource part of the role's ARN from a task id `task/aws-service-role/SERVICE/ROLE/ID`."""
    return str(parameters["DeletionTaskId"]).rpartition("/")[0].replace("task/", "role/", 1)


_LINKED: Mapping[str, Callable[[Parameters], str]] = {
    "CreateServiceLinkedRole": _new_linked_role,
    "GetServiceLinkedRoleDeletionStatus": _deleted_linked_role,
}
_KEYS = {
    "AWSServiceName": "iam:AWSServiceName",
    "OrganizationsPolicyId": "iam:OrganizationsPolicyId",
    "ServiceName": "iam:ServiceSpecificCredentialServiceName",
    "CredentialAgeDays": "iam:ServiceSpecificCredentialAgeDays",
}
"""Parameter -> the condition key that has the parameter's value."""
# If a request has several of these parameters, the first is the resource: the group in AddUserToGroup, the role in
# AttachRolePolicy.
_IAM_OWNERS = {
    "InstanceProfileName": "instance-profile",
    "GroupName": "group",
    "RoleName": "role",
    "UserName": "user",
    "ServerCertificateName": "server-certificate",
}
"""Maps a parameter to the type of the resource that it names. The earliest parameter in this order is used."""
_RENAMES = {
    "UpdateGroup": ("group", "NewGroupName"),
    "UpdateUser": ("user", "NewUserName"),
    "UpdateServerCertificate": ("server-certificate", "NewServerCertificateName"),
}
"""Operation -> type of the renamed resource, and the parameter that contains its new name."""
_IAM_NEW = {
    "CreatePolicy": ("PolicyName", "policy"),
    "CreateVirtualMFADevice": ("VirtualMFADeviceName", "mfa"),
    "CreateSAMLProvider": ("Name", "saml-provider"),
    "CreateOpenIDConnectProvider": ("Url", "oidc-provider"),
}
"""Operation -> the parameter that names the new resource, and the type of that resource."""
_IAM_TAGGED = {
    "CreateRole": "TagRole",
    "CreateUser": "TagUser",
    "CreatePolicy": "TagPolicy",
    "CreateInstanceProfile": "TagInstanceProfile",
    "CreateOpenIDConnectProvider": "TagOpenIDConnectProvider",
    "CreateVirtualMFADevice": "TagMFADevice",
    "CreateSAMLProvider": "TagSAMLProvider",
}
"""Operation -> the action that is also required if the request has tags."""
_ABOUT_ONESELF = frozenset(
    """
    GetUser CreateAccessKey ListAccessKeys UpdateAccessKey DeleteAccessKey ChangePassword ListMFADevices
    CreateServiceSpecificCredential DeleteServiceSpecificCredential ListServiceSpecificCredentials
    ResetServiceSpecificCredential UpdateServiceSpecificCredential
    """.split()
)
# Parameters that contain the resource's ARN, unless the request also names a user, group or role.
_IAM_ARNS = ("SAMLProviderArn", "OpenIDConnectProviderArn", "PolicyArn", "PolicySourceArn", "SerialNumber")
