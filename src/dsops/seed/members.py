"""The organization that AssumeRoot needs: who manages, and whose root users are spoken for."""

from __future__ import annotations

from dsops.sandbox.state.organization_builder import SeedNode, SeedOrganization


class Members:
    """Management accounts and their members; a sandbox has one organization."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._manager = ""
        self._members: dict[str, None] = {}

    def add(self, manager: str, member: str) -> None:
        """One more member; a note for one of another organization."""
        self._manager = self._manager or manager
        if manager != self._manager:
            self.notes.append(f"{member} is no member of {manager}: a sandbox has one organization, {self._manager}'s")
            return
        self._members[member] = None

    def organization(self) -> SeedOrganization | None:
        """With centralized root access; None where nobody needs one."""
        if not self._members:
            return None
        root = SeedNode(accounts=tuple((member, SeedNode()) for member in self._members))
        return SeedOrganization(self._manager, root, root_access=("RootCredentialsManagement", "RootSessions"))
