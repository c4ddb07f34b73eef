"""What a sandbox's IAM Identity Center starts with."""

from __future__ import annotations

from typing import NamedTuple

from dsops.sandbox.state.iam_backend import StoredPolicy
from dsops.sandbox.state.world import Tags

DEFAULT_START_URL = "https://d-1234567890.awsapps.com/start"


class SeedCenterUser(NamedTuple):
    """A person; the session of a role is called as they are."""

    name: str
    email: str = ""
    attributes: Tags = ()
    """Attributes for access control: tags of each session."""


class SeedPermissionSet(NamedTuple):
    """What becomes a role in each account in which it is assigned."""

    name: str
    policies: tuple[StoredPolicy, ...] = ()
    """Inline ones; a managed one is its ARN with "" as text."""
    session_duration: int = 3600
    boundary: str = ""
    """The ARN of a managed policy."""


class SeedAssignment(NamedTuple):
    """Who gets which permission set in which account."""

    account: str
    permission_set: str
    users: tuple[str, ...]


class SeedIdentityCenter(NamedTuple):
    """The instance: whoever logs in names its start URL."""

    users: tuple[SeedCenterUser, ...]
    permission_sets: tuple[SeedPermissionSet, ...] = ()
    assignments: tuple[SeedAssignment, ...] = ()
    start_url: str = DEFAULT_START_URL
    region: str = ""
    """Empty for the seed's."""
    auto_approve: str = ""
    """Of the user as whom every login from this machine is approved at once; "" for none."""
