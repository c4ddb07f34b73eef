"""IAM Identity Center's directory: users, and their roles in accounts.

IAM Identity Center User Guide, "Permission sets", "Referencing permission sets in resource policies". Names and
documents of its roles are as users have published them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.arn import partition_of_region
from dsops.sandbox.state.world import Role, Tags, World


class CenterUser(NamedTuple):
    """A user of the directory."""

    name: str
    user_id: str
    email: str
    attributes: Tags
    """Attributes for access control, which become session tags."""


class AssignedRole(NamedTuple):
    """The role that a permission set has become in an account."""

    account: str
    role_id: str
    """The role's AROA id, which a later role of the same name does not have."""
    provider_arn: str
    """The SAML provider in its trust policy."""
    session_duration: int


class Instance(NamedTuple):
    """An Identity Center instance with its users and assignments."""

    start_url: str
    region: str
    partition: str
    owner: str
    """The account whose trail records its events: the organization's management account."""
    store_id: str
    """The identity store's id, `d-...`."""
    users: Mapping[str, CenterUser]
    roles: Mapping[tuple[str, str], AssignedRole]
    """(account, permission set) -> its role."""
    assigned: frozenset[tuple[str, str, str]]
    """(user, account, permission set) of each assignment."""
    auto_approve: str = ""

    @property
    def store_arn(self) -> str:
        """The ARN of the identity store."""
        return f"arn:{self.partition}:identitystore::{self.owner}:identitystore/{self.store_id}"

    @property
    def saml_issuer(self) -> str:
        """The issuer of the assertions with which the roles are assumed."""
        suffix = partition_of_region(self.region).dns_suffix
        return f"https://portal.sso.{self.region}.{suffix}/saml/assertion/{self.store_id}"

    def is_named_by(self, url: str) -> bool:
        """Whether the URL is its start URL, with or without `/`, `#` and `#/` at its end, as users copy it."""
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
        """Return the user's role; None if it is not assigned or was deleted."""
        if (user, account, permission_set) not in self.assigned:
            return None
        assigned = self.roles[account, permission_set]
        role = world.role_with_id(account, assigned.role_id)
        return None if role is None else (assigned, role)
