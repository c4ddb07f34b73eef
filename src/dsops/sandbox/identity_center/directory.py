"""IAM Identity Center as a directory: who there is, and which role each of them gets in which account.

IAM Identity Center User Guide, "Permission sets", "Referencing permission sets in resource policies". The names and
documents of its roles are as people have published them from their own accounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.arn import partition_of_region
from dsops.sandbox.state.world import Role, Tags, World


class CenterUser(NamedTuple):
    """A person of the directory."""

    name: str
    user_id: str
    email: str
    attributes: Tags
    """Attributes for access control, which sessions have as their tags."""


class AssignedRole(NamedTuple):
    """A permission set in an account: the role that it has become."""

    account: str
    role_id: str
    """AROA: a namesake that is made later is another role."""
    provider_arn: str
    """The SAML provider that its trust policy names."""
    session_duration: int


class Instance(NamedTuple):
    """One Identity Center and all that is assigned in it."""

    start_url: str
    region: str
    partition: str
    owner: str
    """The account whose trail has its events: the organization's management account."""
    store_id: str
    """`d-...`: of the identity store."""
    users: Mapping[str, CenterUser]
    roles: Mapping[tuple[str, str], AssignedRole]
    """Account and permission set -> its role."""
    assigned: frozenset[tuple[str, str, str]]
    """User, account, permission set."""
    auto_approve: str = ""

    @property
    def store_arn(self) -> str:
        """Of the identity store."""
        return f"arn:{self.partition}:identitystore::{self.owner}:identitystore/{self.store_id}"

    @property
    def saml_issuer(self) -> str:
        """Who signs what the roles are assumed with."""
        suffix = partition_of_region(self.region).dns_suffix
        return f"https://portal.sso.{self.region}.{suffix}/saml/assertion/{self.store_id}"

    def is_named_by(self, url: str) -> bool:
        """Whether that is its start URL, as people copy it: with or without `/`, `#` and `#/` at its end."""
        return url.split("#", maxsplit=1)[0].rstrip("/") == self.start_url.rstrip("/")

    def accounts_of(self, user: str) -> list[str]:
        """Where the user has anything, in order."""
        return sorted({account for name, account, _ in self.assigned if name == user})

    def permission_sets_of(self, user: str, account: str) -> list[str]:
        """What the user has there, in order."""
        return sorted(one for name, where, one in self.assigned if (name, where) == (user, account))

    def role_of(self, world: World, user: str, account: str, permission_set: str) -> tuple[AssignedRole, Role] | None:
        """The role that the user gets; None where nothing is assigned, or the role is no more."""
        if (user, account, permission_set) not in self.assigned:
            return None
        assigned = self.roles[account, permission_set]
        role = world.role_with_id(account, assigned.role_id)
        return None if role is None else (assigned, role)
