"""IAM Identity Center's directory: the users, and the roles assigned to users in accounts.

IAM Identity Center User Guide, "Permission sets", "Referencing permission sets in resource policies". The names and
policy documents of the roles follow examples that users have published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.arn import partition_of_region
from dsops.request.question import Tags
from dsops.sandbox.state.world import Role, World


class CenterUser(NamedTuple):
    """A user of the directory."""

    name: str
    user_id: str
    email: str
    attributes: Tags
    """Attributes for access control, which become session tags."""


class AssignedRole(NamedTuple):
    """The IAM role that Identity Center created for a permission set in an account."""

    account: str
    role_id: str
    """The role's AROA id. A role that is created again under the same name gets a different id."""
    provider_arn: str
    """The SAML provider that the role's trust policy names."""
    session_duration: int


class Instance(NamedTuple):
    """An Identity Center instance with its users and role assignments."""

    start_url: str
    region: str
    partition: str
    owner: str
    """The organization's management account, whose trail records the instance's events."""
    store_id: str
    """The identity store's id, `d-...`."""
    users: Mapping[str, CenterUser]
    roles: Mapping[tuple[str, str], AssignedRole]
    """(account, permission set) -> the role that was created for this permission set in this account."""
    assigned: frozenset[tuple[str, str, str]]
    """The assignments, as (user, account, permission set)."""
    auto_approve: str = ""
    rotates_refresh_tokens: bool = False
    """Whether each refresh returns a new refresh token and invalidates the old one (RFC 9700, 4.14)."""

    @property
    def store_arn(self) -> str:
        """The ARN of the identity store."""
        return f"arn:{self.partition}:identitystore::{self.owner}:identitystore/{self.store_id}"

    @property
    def saml_issuer(self) -> str:
        """The issuer of the SAML assertions with which Identity Center assumes roles."""
        suffix = partition_of_region(self.region).dns_suffix
        return f"https://portal.sso.{self.region}.{suffix}/saml/assertion/{self.store_id}"

    def is_named_by(self, url: str) -> bool:
        """Whether the URL is the instance's start URL, ignoring a trailing `/`, `#` or `#/` that users copy with it."""
        return url.split("#", maxsplit=1)[0].rstrip("/") == self.start_url.rstrip("/")

    def accounts_of(self, user: str) -> list[str]:
        """Return the accounts in which the user has a permission set, sorted."""
        return sorted({account for name, account, _ in self.assigned if name == user})

    def permission_sets_of(self, user: str, account: str) -> list[str]:
        """Return the user's permission sets in the account, sorted."""
        return sorted(
            permission_set
            for name, assigned_account, permission_set in self.assigned
            if (name, assigned_account) == (user, account)
        )

    def role_of(self, world: World, user: str, account: str, permission_set: str) -> tuple[AssignedRole, Role] | None:
        """Return the role of a permission set in an account; None if it is not assigned to the user or was deleted."""
        if (user, account, permission_set) not in self.assigned:
            return None
        assigned = self.roles[account, permission_set]
        role = world.role_with_id(account, assigned.role_id)
        return None if role is None else (assigned, role)
