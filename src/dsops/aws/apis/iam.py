"""IAM: users, groups, roles and their policies. There is one function per API action."""

from __future__ import annotations

from typing import NamedTuple

from dsops.aws.http.answer import Element, lacks
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_query
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound
from dsops.policy import Entity

_VERSION = "2010-05-08"
_MOST_PAGES = 100


class Iam(NamedTuple):
    """Client, credentials and endpoint for calls to IAM."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint


class AttachedPolicy(NamedTuple):
    """A managed policy attached to a user, group or role."""

    name: str
    arn: str


async def get_user(iam: Iam, name: str) -> Entity:
    """Return the user with that name. Raises EntityNotFound, in addition to the errors of every call."""
    return _entity(iam, "GetUser", await _ask(iam, "GetUser", f"read the user {name}", UserName=name), "User")


async def list_user_policies(iam: Iam, name: str) -> list[str]:
    """Return the names of the user's inline policies."""
    return await _names(iam, "ListUserPolicies", f"list the policies of the user {name}", UserName=name)


async def get_user_policy(iam: Iam, name: str, policy: str) -> str:
    """Return an inline policy of the user, as JSON."""
    doing = f"read the policy {policy} of the user {name}"
    return await _document(iam, "GetUserPolicy", doing, UserName=name, PolicyName=policy)


async def list_attached_user_policies(iam: Iam, name: str) -> list[AttachedPolicy]:
    """Return the managed policies that are attached to the user."""
    doing = f"list the managed policies of the user {name}"
    return await _attached(iam, "ListAttachedUserPolicies", doing, UserName=name)


async def list_groups_for_user(iam: Iam, name: str) -> list[str]:
    """Return the names of the user's groups."""
    doing = f"list the groups of the user {name}"
    members = await _members(iam, "ListGroupsForUser", doing, "Groups", UserName=name)
    return [member.text_of("GroupName") for member in members]


async def list_group_policies(iam: Iam, name: str) -> list[str]:
    """Return the names of the group's inline policies."""
    return await _names(iam, "ListGroupPolicies", f"list the policies of the group {name}", GroupName=name)


async def get_group_policy(iam: Iam, name: str, policy: str) -> str:
    """Return an inline policy of the group, as JSON."""
    doing = f"read the policy {policy} of the group {name}"
    return await _document(iam, "GetGroupPolicy", doing, GroupName=name, PolicyName=policy)


async def list_attached_group_policies(iam: Iam, name: str) -> list[AttachedPolicy]:
    """Return the managed policies that are attached to the group."""
    doing = f"list the managed policies of the group {name}"
    return await _attached(iam, "ListAttachedGroupPolicies", doing, GroupName=name)


async def get_role(iam: Iam, name: str) -> Entity:
    """Return the role with that name. Raises EntityNotFound, in addition to the errors of every call."""
    return _entity(iam, "GetRole", await _ask(iam, "GetRole", f"read the role {name}", RoleName=name), "Role")


async def list_roles(iam: Iam) -> list[str]:
    """Return the ARNs of all roles in the account, with their paths."""
    return [member.text_of("Arn") for member in await _members(iam, "ListRoles", "list the roles", "Roles")]


async def list_role_policies(iam: Iam, name: str) -> list[str]:
    """Return the names of the role's inline policies."""
    return await _names(iam, "ListRolePolicies", f"list the policies of the role {name}", RoleName=name)


async def get_role_policy(iam: Iam, name: str, policy: str) -> str:
    """Return an inline policy of the role, as JSON."""
    doing = f"read the policy {policy} of the role {name}"
    return await _document(iam, "GetRolePolicy", doing, RoleName=name, PolicyName=policy)


async def put_role_policy(iam: Iam, name: str, policy: str, document: str) -> None:
    """Add an inline policy to the role, or replace the role's policy with that name."""
    doing = f"put the policy {policy} on the role {name}"
    call = Call(iam.endpoint, iam.credentials, "PutRolePolicy", doing, _refused)
    parameters = (("RoleName", name), ("PolicyName", policy), ("PolicyDocument", document))
    await call_query(iam.client, call, _VERSION, parameters, has_result=False)


async def list_attached_role_policies(iam: Iam, name: str) -> list[AttachedPolicy]:
    """Return the managed policies that are attached to the role."""
    doing = f"list the managed policies of the role {name}"
    return await _attached(iam, "ListAttachedRolePolicies", doing, RoleName=name)


async def get_policy(iam: Iam, arn: str) -> str:
    """Return the id of a managed policy's default version."""
    result = await _ask(iam, "GetPolicy", f"read {arn}", PolicyArn=arn)
    version = result.text_of("Policy/DefaultVersionId")
    if not version:
        raise lacks(iam.endpoint, "GetPolicy", "DefaultVersionId")
    return version


async def get_policy_version(iam: Iam, arn: str, version: str) -> str:
    """Return a version of a managed policy, as JSON."""
    result = await _ask(iam, "GetPolicyVersion", f"read {version} of {arn}", PolicyArn=arn, VersionId=version)
    return _unquoted(iam, "GetPolicyVersion", result.text_of("PolicyVersion/Document"))


async def _ask(iam: Iam, action: str, doing: str, **parameters: str) -> Element:
    call = Call(iam.endpoint, iam.credentials, action, doing, _refused)
    return (await call_query(iam.client, call, _VERSION, tuple(parameters.items()))).result


def _refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    if answer.code in ("NoSuchEntity", "NoSuchEntityException"):
        return EntityNotFound(
            f"could not {doing}: not found in IAM",
            why=answer.message,
            hint="check the name, and which account the credentials belong to",
            aws=answer,
        )
    return None


async def _members(iam: Iam, action: str, doing: str, name: str, **parameters: str) -> list[Element]:
    """Return the `member` elements of a paginated list, from all pages."""
    members: list[Element] = []
    for _ in range(_MOST_PAGES):
        result = await _ask(iam, action, doing, **parameters)
        listed = result.find(name)
        if listed is None:
            raise lacks(iam.endpoint, action, name)
        members += listed.children
        marker = result.text_of("Marker")
        if result.text_of("IsTruncated") != "true" or not marker:
            return members
        parameters["Marker"] = marker
    raise lacks(iam.endpoint, action, f"end after {_MOST_PAGES} pages")


async def _names(iam: Iam, action: str, doing: str, **parameters: str) -> list[str]:
    return [member.text for member in await _members(iam, action, doing, "PolicyNames", **parameters)]


async def _attached(iam: Iam, action: str, doing: str, **parameters: str) -> list[AttachedPolicy]:
    members = await _members(iam, action, doing, "AttachedPolicies", **parameters)
    return [AttachedPolicy(member.text_of("PolicyName"), member.text_of("PolicyArn")) for member in members]


async def _document(iam: Iam, action: str, doing: str, **parameters: str) -> str:
    result = await _ask(iam, action, doing, **parameters)
    return _unquoted(iam, action, result.text_of("PolicyDocument"))


def _unquoted(iam: Iam, action: str, text: str) -> str:
    """Decode a policy document, which IAM sends percent-encoded (RFC 3986)."""
    from urllib.parse import unquote

    if not text:
        raise lacks(iam.endpoint, action, "policy document")
    return unquote(text)


def _entity(iam: Iam, action: str, result: Element, name: str) -> Entity:
    element = result.find(name)
    arn = element.text_of("Arn") if element is not None else ""
    if element is None or not arn:
        raise lacks(iam.endpoint, action, f"{name}/Arn")
    tags, longest = element.find("Tags"), element.text_of("MaxSessionDuration")
    return Entity(
        arn,
        element.text_of(f"{name}Id"),
        element.text_of("PermissionsBoundary/PermissionsBoundaryArn"),
        {tag.text_of("Key"): tag.text_of("Value") for tag in (tags.children if tags is not None else ())},
        _unquoted(iam, action, element.text_of("AssumeRolePolicyDocument")) if name == "Role" else "",
        int(longest) if longest.isascii() and longest.isdigit() else 0,
    )
