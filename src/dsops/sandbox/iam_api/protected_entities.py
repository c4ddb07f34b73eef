"""Refuse changes to IAM resources that only AWS can change.

These are AWS managed policies, service-linked roles and the roles of IAM Identity Center. IAM User Guide, "Managed
policies and inline policies", "Create a service-linked role"; IAM Identity Center User Guide, "Troubleshooting". The
error messages are from users' published reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dsops.arn import parse_arn
from dsops.request.resources.linked_role_names import LINKED_PATH
from dsops.request.wire.errors import access_denied, refusal
from dsops.sandbox.state.world import Role

CHANGES_OF_ROLES: Final = frozenset(
    """
    AddRoleToInstanceProfile AttachRolePolicy DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy
    DetachRolePolicy PutRolePermissionsBoundary PutRolePolicy RemoveRoleFromInstanceProfile TagRole UntagRole
    UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription
    """.split()
)
"""IAM operations that change an existing role or the way in which a role is used."""
CHANGES_OF_POLICIES: Final = frozenset(
    """
    CreatePolicyVersion DeletePolicy DeletePolicyVersion SetDefaultPolicyVersion TagPolicy UntagPolicy
    """.split()
)
"""IAM operations that change an existing managed policy."""
_RESERVED_PATH: Final = "/aws-reserved/"


def is_linked(role: Role) -> bool:
    """Whether the role is a service-linked role."""
    return _is_below("role", LINKED_PATH, role.arn)


def _is_below(kind: str, path: str, arn: str) -> bool:
    """Whether the ARN has that resource type and path prefix.

    The resource name may contain colons.
    """
    parts = parse_arn(arn)
    return parts is not None and parts.resource.startswith(f"{kind}{path}")


def check_role_change(operation: str, parameters: Mapping[str, object], role: Role | None) -> None:
    """Raise UnmodifiableEntity if AWS owns the role. The operation itself reports a role that does not exist.

    The description of a service-linked role can be changed ("Edit a service-linked role").
    """
    if role is None or not (is_linked(role) or _is_below("role", _RESERVED_PATH, role.arn)):
        return
    is_description = operation == "UpdateRoleDescription" or (
        operation == "UpdateRole" and "MaxSessionDuration" not in parameters
    )
    if is_linked(role) and is_description:
        return
    named = f"the protected role '{role.name}'"
    raise refusal(
        "UnmodifiableEntity", f"Cannot perform the operation on {named} - this role is only modifiable by AWS"
    )


def check_policy_change(arn: str, account: str) -> None:
    """Raise AccessDenied for a managed policy of AWS or of another account."""
    parts = parse_arn(arn)
    if parts is not None and parts.account != account:
        raise access_denied("Policy is outside your own account.")


def check_new_path(path: str) -> None:
    """Raise InvalidInput if a new role's path is reserved for AWS."""
    if path.startswith(LINKED_PATH):
        # Source of the message: tilfin/aws-iam-policy-tool#9
        raise refusal("InvalidInput", f"Path prefix '{LINKED_PATH}' can only be used for AWS Service linked Roles")
    if path.startswith(_RESERVED_PATH):
        # AWS's message is unknown; this text is modelled on the message above.
        raise refusal("InvalidInput", f"Path prefix '{_RESERVED_PATH}' can only be used by AWS")


def check_attachable(arn: str) -> None:
    """Raise PolicyNotAttachable for a policy that is reserved for service-linked roles."""
    if _is_below("policy", LINKED_PATH, arn):
        raise refusal("PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
