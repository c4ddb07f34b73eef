"""Checks of Organizations API requests that moto lacks: the calling account, and the policy content.

AWS Organizations API Reference: each operation lists the accounts that can call it. Messages were seen on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dsops.document import parse_json
from dsops.policy import PolicyKind, check_policy
from dsops.request.wire.errors import refusal
from dsops.sandbox.state.organizations import Organizations

_KINDS: Final[Mapping[str, PolicyKind]] = {"SERVICE_CONTROL_POLICY": "scp", "RESOURCE_CONTROL_POLICY": "rcp"}
_FROM_OUTSIDE: Final = frozenset({"CreateOrganization"})
_OF_MEMBERS: Final = frozenset({"DescribeOrganization", "LeaveOrganization"})


def check_organization_call(
    organizations: Organizations, operation: str, parameters: Mapping[str, object], account: str
) -> None:
    """Raise Organizations's error if the account can't call the operation or the policy is invalid."""
    membership = organizations.membership(account)
    if membership is None:
        if operation in _FROM_OUTSIDE:
            return
        raise refusal("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    if account != membership.management_account and operation not in _OF_MEMBERS:
        is_read = operation.startswith(("Describe", "List"))
        if not (is_read and organizations.is_delegated_administrator(account)):
            raise refusal("AccessDeniedException", "You don't have permissions to access this resource.")
    kind = _KINDS.get(str(parameters.get("Type", ""))) or _kind_of(organizations, parameters, account)
    if kind is not None and "Content" in parameters:
        content = str(parameters["Content"])
        if check_policy(parse_json(content, "policy"), kind, name="policy").policy is None:
            raise refusal(
                "MalformedPolicyDocumentException",
                "The provided policy document does not meet the requirements of the specified policy type.",
            )


def _kind_of(organizations: Organizations, parameters: Mapping[str, object], account: str) -> PolicyKind | None:
    """Return the kind of the policy that UpdatePolicy changes; None for an unknown policy."""
    return _KINDS.get(organizations.policy_type(account, str(parameters.get("PolicyId", ""))))
