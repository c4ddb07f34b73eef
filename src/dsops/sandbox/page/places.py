"""Where a policy that was evaluated is stored, and the operation that replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.arn import parse_arn
from dsops.policy import Request
from dsops.sandbox.state.world import World

NEW_POLICY = "added-on-the-page"
"""The name of an inline policy that the page adds to a user or role."""


class PolicyPlace(NamedTuple):
    """An operation of AWS that stores a policy."""

    account: str
    region: str
    """The region of the resource; "" for a policy that has no region."""
    service: str
    operation: str
    parameters: Mapping[str, object]
    document: str
    """The name of the parameter for the document."""


def place_of(world: World, request: Request, kind: str, name: str) -> PolicyPlace | None:
    """Return where the policy of this kind and name is stored that was evaluated for the request.

    "" as name means a new inline policy of the caller. Returns None for a policy that cannot be replaced: one of AWS,
    of a session, or of a resource that the page does not know.
    """
    if kind == "trust":
        role = world.role_at(request.resource)
        return None if role is None else _iam(role.account, "UpdateAssumeRolePolicy", {"RoleName": role.name})
    if kind in {"scp", "rcp"}:
        return _of_organization(name)
    if kind == "resource":
        return _of_resource(request, name)
    if name.startswith("arn:"):
        arn = parse_arn(name)
        is_own = arn is not None and arn.account != "aws"
        managed = {"PolicyArn": name, "SetAsDefault": True}
        return _iam(arn.account, "CreatePolicyVersion", managed) if arn is not None and is_own else None
    return _inline(world, request, name or NEW_POLICY) if kind == "identity" else None


def _iam(account: str, operation: str, parameters: Mapping[str, object]) -> PolicyPlace:
    return PolicyPlace(account, "", "iam", operation, parameters, "PolicyDocument")


def _inline(world: World, request: Request, name: str) -> PolicyPlace | None:
    """Return the place of an inline policy of the caller, or of a group of the caller."""
    principal = request.principal
    if principal.kind == "role-session":
        role = world.role_at(principal.issuer_arn)
        parameters = {} if role is None else {"RoleName": role.name, "PolicyName": name}
        return None if role is None else _iam(role.account, "PutRolePolicy", parameters)
    user = world.user_at(principal.arn)
    if user is None:
        return None
    backend = world.backend(user.account)
    owner = backend.users[user.name]
    if name not in owner.policies:
        for group in backend.groups.values():
            if owner in group.users and name in group.policies:
                return _iam(user.account, "PutGroupPolicy", {"GroupName": group.name, "PolicyName": name})
    return _iam(user.account, "PutUserPolicy", {"UserName": user.name, "PolicyName": name})


def _of_organization(name: str) -> PolicyPlace | None:
    arn = parse_arn(name)
    if arn is None or arn.account == "aws":
        return None
    return PolicyPlace(
        arn.account, "", "organizations", "UpdatePolicy", {"PolicyId": name.rpartition("/")[2]}, "Content"
    )


def _of_resource(request: Request, name: str) -> PolicyPlace | None:
    arn = parse_arn(request.resource)
    if arn is None or name.endswith("and its grants"):
        return None
    account = request.resource_account
    if arn.service == "s3":
        bucket = arn.resource.partition("/")[0]
        return PolicyPlace(account, arn.region, "s3", "PutBucketPolicy", {"Bucket": bucket}, "Policy")
    if arn.service == "kms":
        parameters = {"KeyId": request.resource, "PolicyName": "default"}
        return PolicyPlace(account, arn.region, "kms", "PutKeyPolicy", parameters, "Policy")
    if arn.service == "secretsmanager":
        secret = {"SecretId": request.resource}
        return PolicyPlace(account, arn.region, "secretsmanager", "PutResourcePolicy", secret, "ResourcePolicy")
    return None
