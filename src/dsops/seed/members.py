"""The organization that AssumeRoot needs: the management account and its members."""

from __future__ import annotations

from dsops.sandbox.seed.model import SeedNode, SeedOrganization


class Members:
    """Management account and members being collected; a sandbox has one organization."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._manager = ""
        self._members: dict[str, None] = {}

    def add(self, manager: str, member: str) -> None:
        """Add a member; adds a note if it belongs to another organization."""
        self._manager = self._manager or manager
        if manager != self._manager:
            self.notes.append(
                f"{member} is left out of {manager}'s organization: a sandbox has only one, {self._manager}'s"
            )
            return
        self._members[member] = None

    def organization(self) -> SeedOrganization | None:
        """Return the organization with centralized root access; None if it is not needed."""
        if not self._members:
            return None
        root = SeedNode(accounts=tuple((member, SeedNode()) for member in self._members))
        return SeedOrganization(self._manager, root, root_access=("RootCredentialsManagement", "RootSessions"))
