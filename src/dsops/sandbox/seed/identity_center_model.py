"""The content of a seed's `identity_center` section."""

from __future__ import annotations

from typing import NamedTuple

from dsops.request.question import Tags
from dsops.request.stored_policies import StoredPolicy

DEFAULT_START_URL = "https://d-1234567890.awsapps.com/start"


class SeedCenterUser(NamedTuple):
    """A user, whose name becomes the name of the user's role sessions."""

    name: str
    email: str = ""
    attributes: Tags = ()
    """Attributes for access control, which become session tags."""


class SeedPermissionSet(NamedTuple):
    """A permission set, which becomes a role in each account where it is assigned."""

    name: str
    policies: tuple[StoredPolicy, ...] = ()
    """Inline policies, and managed policies. A managed policy has its ARN as name and "" as text."""
    session_duration: int = 3600
    boundary: str = ""
    """The ARN of a managed policy."""


class SeedAssignment(NamedTuple):
    """The assignment of users to a permission set in an account."""

    account: str
    permission_set: str
    users: tuple[str, ...]


class SeedIdentityCenter(NamedTuple):
    """An Identity Center instance, which clients identify by its start URL."""

    users: tuple[SeedCenterUser, ...]
    permission_sets: tuple[SeedPermissionSet, ...] = ()
    assignments: tuple[SeedAssignment, ...] = ()
    start_url: str = DEFAULT_START_URL
    region: str = ""
    """The region of the instance; "" for the seed's region."""
    auto_approve: str = ""
    """Logins from this machine are approved automatically as this user; "" for no automatic approval."""
    rotates_refresh_tokens: bool = False
