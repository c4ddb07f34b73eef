"""The resource types of IAM. The calls are those of AWS's handlers (`handlers.*.permissions` in the types' schemas)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import answer_of
from dsops.sandbox.cloudformation.handler import Handler, Made, Properties, ResourceType, as_text, chosen, words

_MISSING: Final = frozenset({"NoSuchEntity"})
_LONGEST: Final = 64
_OWNERS: Final = (("Roles", "Role"), ("Users", "User"), ("Groups", "Group"))


def _named(policies: Any) -> dict[str, str | None]:
    """Return name -> document of inline policies in a template."""
    return {str(policy["PolicyName"]): as_text(policy["PolicyDocument"]) for policy in policies or []}


def _change_policies(handler: Handler, kind: str, name: str, old: Properties, new: Properties) -> None:
    """Attach, detach, put and delete the policies of a role, user or group."""
    owner = {f"{kind}Name": name}
    before, after = _attached(old), _attached(new)
    for arn in [arn for arn in before if arn not in after]:
        handler.unless(_MISSING, "iam", f"Detach{kind}Policy", {**owner, "PolicyArn": arn})
    for arn in [arn for arn in after if arn not in before]:
        handler.call("iam", f"Attach{kind}Policy", {**owner, "PolicyArn": arn})
    had, wanted = _named(old.get("Policies")), _named(new.get("Policies"))
    for policy in had.keys() - wanted.keys():
        handler.unless(_MISSING, "iam", f"Delete{kind}Policy", {**owner, "PolicyName": policy})
    for policy, text in wanted.items():
        if had.get(policy) != text:
            handler.call("iam", f"Put{kind}Policy", {**owner, "PolicyName": policy, "PolicyDocument": text})


def _attached(properties: Properties) -> list[str]:
    return [str(arn) for arn in properties.get("ManagedPolicyArns") or []]


def _create_role(handler: Handler, properties: Properties) -> Made:
    _named(properties.get("Policies"))  # raises an error before the role exists
    name = handler.name(properties, "RoleName", _LONGEST)
    parameters = chosen(properties, "Path Description MaxSessionDuration PermissionsBoundary")
    trust = as_text(properties.get("AssumeRolePolicyDocument"))
    tags = handler.tag_list(properties)
    answer = handler.call(
        "iam", "CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": trust, "Tags": tags, **parameters}
    )
    made = handler.keep(Made(name, {"Arn": answer["Role"]["Arn"], "RoleId": answer["Role"]["RoleId"]}))
    _change_policies(handler, "Role", name, {}, properties)
    return made


def _update_role(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    trust = as_text(new.get("AssumeRolePolicyDocument"))
    if trust != as_text(old.get("AssumeRolePolicyDocument")):
        handler.call("iam", "UpdateAssumeRolePolicy", {"RoleName": made.id, "PolicyDocument": trust})
    changes = chosen(new, "Description MaxSessionDuration")
    if changes != chosen(old, "Description MaxSessionDuration"):
        handler.call("iam", "UpdateRole", {"RoleName": made.id, **changes})
    boundary = new.get("PermissionsBoundary")
    if boundary != old.get("PermissionsBoundary"):
        if boundary is None:
            handler.call("iam", "DeleteRolePermissionsBoundary", {"RoleName": made.id})
        else:
            handler.call("iam", "PutRolePermissionsBoundary", {"RoleName": made.id, "PermissionsBoundary": boundary})
    _change_policies(handler, "Role", made.id, old, new)
    return made


def _delete_role(handler: Handler, made: Made, properties: Properties) -> None:
    _change_policies(handler, "Role", made.id, properties, {})
    handler.unless(_MISSING, "iam", "DeleteRole", {"RoleName": made.id})


def _owners(properties: Properties) -> list[tuple[str, str]]:
    return [(kind, str(name)) for key, kind in _OWNERS for name in properties.get(key) or []]


def _put_inline(handler: Handler, name: str, properties: Properties) -> None:
    text = as_text(properties.get("PolicyDocument"))
    for kind, owner in _owners(properties):
        parameters = {f"{kind}Name": owner, "PolicyName": name, "PolicyDocument": text}
        handler.call("iam", f"Put{kind}Policy", parameters)


def _delete_inline(handler: Handler, name: str, owners: Iterable[tuple[str, str]]) -> None:
    for kind, owner in owners:
        handler.unless(_MISSING, "iam", f"Delete{kind}Policy", {f"{kind}Name": owner, "PolicyName": name})


def _create_inline(handler: Handler, properties: Properties) -> Made:
    _owners(properties)  # raises an error before there is something to delete
    made = handler.keep(Made(str(properties.get("PolicyName", ""))))
    _put_inline(handler, made.id, properties)
    return made


def _update_inline(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    _put_inline(handler, made.id, new)
    remaining = list(_owners(new))
    _delete_inline(handler, made.id, [owner for owner in _owners(old) if owner not in remaining])
    return made


def _create_managed(handler: Handler, properties: Properties) -> Made:
    name, owners = handler.name(properties, "ManagedPolicyName", 128), _owners(properties)
    parameters = chosen(properties, "Path Description")
    text = as_text(properties.get("PolicyDocument"))
    answer = handler.call("iam", "CreatePolicy", {"PolicyName": name, "PolicyDocument": text, **parameters})
    arn = str(answer["Policy"]["Arn"])
    made = handler.keep(Made(arn, {"PolicyArn": arn, "PolicyId": answer["Policy"]["PolicyId"]}))
    for kind, owner in owners:
        handler.call("iam", f"Attach{kind}Policy", {f"{kind}Name": owner, "PolicyArn": arn})
    return made


def _delete_managed(handler: Handler, made: Made, properties: Properties) -> None:
    for kind, owner in _owners(properties):
        handler.unless(_MISSING, "iam", f"Detach{kind}Policy", {f"{kind}Name": owner, "PolicyArn": made.id})
    handler.unless(_MISSING, "iam", "DeletePolicy", {"PolicyArn": made.id})


def _create_profile(handler: Handler, properties: Properties) -> Made:
    name, roles = handler.name(properties, "InstanceProfileName", 128), list(properties.get("Roles") or [])
    parameters = {"InstanceProfileName": name, **chosen(properties, "Path")}
    answer = handler.call("iam", "CreateInstanceProfile", parameters)
    made = handler.keep(Made(name, {"Arn": answer["InstanceProfile"]["Arn"]}))
    for role in roles:
        handler.call("iam", "AddRoleToInstanceProfile", {"InstanceProfileName": name, "RoleName": role})
    return made


def _delete_profile(handler: Handler, made: Made, properties: Properties) -> None:
    profile = {"InstanceProfileName": made.id}
    try:
        found = handler.call("iam", "GetInstanceProfile", profile)["InstanceProfile"]["Roles"]
    except SandboxRefusal as refused:
        if answer_of(refused).code not in _MISSING:
            raise
        return
    # A role that could not be added is not there.
    names = {role["RoleName"] for role in found}
    for role in [role for role in properties.get("Roles") or [] if role in names]:
        handler.unless(_MISSING, "iam", "RemoveRoleFromInstanceProfile", {**profile, "RoleName": role})
    handler.unless(_MISSING, "iam", "DeleteInstanceProfile", profile)


IDENTITY_TYPES: Final[Mapping[str, ResourceType]] = {
    "AWS::IAM::Role": ResourceType(
        words(
            """
            RoleName AssumeRolePolicyDocument Path Description MaxSessionDuration PermissionsBoundary Tags
            ManagedPolicyArns Policies
            """
        ),
        _create_role,
        _delete_role,
        _update_role,
        words("RoleName Path Tags"),
    ),
    "AWS::IAM::Policy": ResourceType(
        words("PolicyName PolicyDocument Roles Users Groups"),
        _create_inline,
        lambda handler, made, properties: _delete_inline(handler, made.id, _owners(properties)),
        _update_inline,
        words("PolicyName"),
    ),
    "AWS::IAM::ManagedPolicy": ResourceType(
        words("ManagedPolicyName PolicyDocument Path Description Roles Users Groups"), _create_managed, _delete_managed
    ),
    "AWS::IAM::InstanceProfile": ResourceType(
        words("InstanceProfileName Path Roles"), _create_profile, _delete_profile
    ),
}
