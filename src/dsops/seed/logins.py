"""Collect the Identity Center for stores with a login, with all permission sets assigned to one user.

Every login is approved automatically as that user, so no browser is needed.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.arn import partition_of_region
from dsops.aws.identity.sso_session import SsoSession
from dsops.plan import Step
from dsops.sandbox.seed.identity_center_model import (
    SeedAssignment,
    SeedCenterUser,
    SeedIdentityCenter,
    SeedPermissionSet,
)
from dsops.seed.planned_identities import Holder
from dsops.stores.sso_login import session_of

PERSON = "developer"


class AccountAssignment(Holder):
    """A permission set that is assigned in an account. The set's permissions are the same in all its accounts."""

    def __init__(self, account: str, permission_set: Holder, partition: str) -> None:
        # The role's ARN is known only once the sandbox runs. The account's ARN is used instead, as AWS recommends.
        super().__init__(f"arn:{partition}:iam::{account}:root")
        self._allowed = permission_set._allowed  # noqa: SLF001 - the attribute belongs to the same class
        self.partition = partition


class PlannedIdentityCenter:
    """Collects the permission sets of an Identity Center. A sandbox has only one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.notes: list[str] = []
        self._environ = environ
        self._session: SsoSession | None = None
        self._sets: dict[str, Holder] = {}
        self._assigned: dict[tuple[str, str], AccountAssignment] = {}

    def assigned(self, step: Step) -> AccountAssignment | None:
        """Return the assignment for the step's login; add it first if it is new.

        Adds a note and returns None if the step logs in to a second Identity Center.
        """
        session = session_of(step.settings, self._environ, "")
        if self._session is None:
            self._session = session
        if (session.start_url, session.region) != (self._session.start_url, self._session.region):
            self.notes.append(
                f"store `{step.name}` logs in at {session.start_url}, and the sandbox's only Identity Center is at "
                f"{self._session.start_url}"
            )
            return None
        if session.name:
            self.notes.append(
                f"store `{step.name}` finds its sso-session in the AWS config file, which commands in a sandbox don't "
                "see: set AWS_CONFIG_FILE in the command, or name `start_url` and `sso_region`"
            )
        account, name = str(step.settings["account_id"]), str(step.settings["role_name"])
        permission_set = self._sets.setdefault(name, Holder(""))
        partition = partition_of_region(session.region).name
        return self._assigned.setdefault((account, name), AccountAssignment(account, permission_set, partition))

    def seed(self) -> SeedIdentityCenter | None:
        """Return the Identity Center, or None if no store logs in."""
        if self._session is None:
            return None
        return SeedIdentityCenter(
            (SeedCenterUser(PERSON),),
            tuple(SeedPermissionSet(name, holder.policies()) for name, holder in self._sets.items()),
            tuple(SeedAssignment(account, name, (PERSON,)) for account, name in self._assigned),
            start_url=self._session.start_url,
            region=self._session.region,
            auto_approve=PERSON,
        )
