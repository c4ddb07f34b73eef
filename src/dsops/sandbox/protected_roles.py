"""Roles that belong to a service of AWS: IAM shows them, and changes them for nobody else.

IAM Identity Center User Guide, "Troubleshooting"; the words are those that people have published. What a permission set
says is changed in the permission set.
"""

from __future__ import annotations

from dsops.sandbox.refusals import refusal
from dsops.sandbox.world import Role

CHANGES_OF_ROLES = frozenset(
    {"AttachRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy",
     "PutRolePermissionsBoundary", "PutRolePolicy", "TagRole", "UntagRole", "UpdateAssumeRolePolicy", "UpdateRole",
     "UpdateRoleDescription"}
)  # fmt: skip
"""The operations of IAM that change a role that there is."""
_PATH = ":role/aws-reserved/"


def check_role_is_free(role: Role | None) -> None:
    """Raises UnmodifiableEntity for a role of AWS's own; one that there is not is somebody else's business."""
    if role is not None and _PATH in role.arn:
        named = f"the protected role '{role.name}'"
        raise refusal(
            "UnmodifiableEntity", f"Cannot perform the operation on {named} - this role is only modifiable by AWS"
        )
