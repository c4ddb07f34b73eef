"""The seed of a sandbox's IAM Identity Center."""

from __future__ import annotations

from typing import NamedTuple

from dsops.sandbox.state.iam_backend import StoredPolicy
from dsops.sandbox.state.world import Tags

DEFAULT_START_URL = "https://d-1234567890.awsapps.com/start"


class SeedCenterUser(NamedTuple):
    """A user; role sessions have the user's name."""

    name: str
    email: str = ""
    attributes: Tags = ()
    """Attributes for access control, which become session tags."""


class SeedPermissionSet(NamedTuple):
    """A permission set, which becomes a role in each account where it is assigned."""

    name: str
    policies: tuple[StoredPolicy, ...] = ()
    """Inline policies; a managed policy is its ARN with "" as text."""
    session_duration: int = 3600
    boundary: str = ""
    """The ARN of a managed policy."""


class SeedAssignment(NamedTuple):
    """The assignment of a permission set in an account to users."""

    account: str
    permission_set: str
    users: tuple[str, ...]


class SeedIdentityCenter(NamedTuple):
    """The instance, which clients identify by its start URL."""

    users: tuple[SeedCenterUser, ...]
    permission_sets: tuple[SeedPermissionSet, ...] = ()
    assignments: tuple[SeedAssignment, ...] = ()
    start_url: str = DEFAULT_START_URL
    region: str = ""
    """Empty for the seed's region."""
    auto_approve: str = ""
    """The user for whose name logins from this machine are approved at once; "" for none."""
