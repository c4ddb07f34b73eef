"""The protocol of a secret that can be written, and the data that it exchanges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from dsops.plan.required_permissions import Need
from dsops.secret import Secret
from dsops.startup import Literal, NamedTuple, Protocol

Operation = Literal["set", "set field", "create", "edit", "history", "show", "diff", "rollback", "rm", "undo"]
"""An operation on a secret, for which `planned_calls` lists the calls.

`show` is the history with values; `undo` cancels a deletion.
"""


class CurrentVersion(NamedTuple):
    """The version that readers of the secret get now."""

    version: str
    arn: str


class VersionValue(NamedTuple):
    """One version with its value."""

    version: str
    value: Secret


class VersionRecord(NamedTuple):
    """One version without its value; "" and None for facts that the service does not record."""

    version: str
    labels: tuple[str, ...]
    is_current: bool
    created: datetime | None
    author: str
    """The ARN of the identity that wrote the version."""


class PlannedCalls(NamedTuple):
    """The calls of one operation, determined without sending any."""

    actions: tuple[str, ...]
    """The API actions in their order, such as `PutSecretValue`."""
    needs: tuple[Need, ...]
    """The permissions that the caller needs for the calls."""


class WritableSecret(Protocol):
    """One secret or parameter. Each call to AWS is recorded in the audit trail, without the value."""

    name: str
    """The name in the service, with the store's prefix."""
    noun: str
    """What the service calls it: `secret` or `parameter`."""
    region: str
    options: frozenset[str]
    """The settings of `create` that the service knows: `kms_key`, `type`, `tier`."""
    can_restore: bool
    """Whether a deletion can be delayed and cancelled."""

    async def current(self) -> CurrentVersion:
        """Return the current version without reading its value. Raises SecretNotFound."""

    async def read(self, version: str = "") -> VersionValue:
        """Return a version's value by id, number or label; "" is the current version."""

    async def previous(self) -> str:
        """Return the version that was current before the current one. Raises SecretNotFound if there is none."""

    async def history(self) -> Sequence[VersionRecord]:
        """Return all versions, the newest first."""

    async def create(self, value: Secret, options: Mapping[str, str]) -> str:
        """Create the secret, and return its first version. Raises SecretRefused if it exists."""

    async def replace(self, value: Secret, expected: str) -> str:
        """Write a value as the current version if `expected` is still current, and return the new version.

        Raises SecretChanged if another version is current or was current in the meantime.
        """

    async def make_current(self, version: str, expected: str) -> str:
        """Make the value of an old version current if `expected` is still current; return the current version."""

    async def delete(self, days: int | None) -> datetime | None:
        """Delete the secret after `days`, and return the time; None means at once."""

    async def restore(self) -> None:
        """Cancel the scheduled deletion of the secret."""
