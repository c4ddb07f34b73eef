"""Which of the policies are wanted: kinds, one store's, one account's."""

from __future__ import annotations

from typing import NamedTuple

from dsops.grants import Grants

KINDS = ("session", "permissions", "trust", "all")

ELSEWHERE = "callers"
"""In the place of an account for those whose account is not known."""


class Selection(NamedTuple):
    """The kinds that are wanted."""

    kind: str

    @property
    def has_trust(self) -> bool:
        """Whether trust policies are."""
        return self.kind in ("trust", "all")

    @property
    def has_permissions(self) -> bool:
        """Whether permission policies are."""
        return self.kind in ("permissions", "all")

    @property
    def has_sessions(self) -> bool:
        """Whether session policies are."""
        return self.kind in ("session", "all")

    def only(self, grants: Grants) -> Grants:
        """The same without what is not wanted."""
        is_wanted = self.has_trust or self.has_permissions
        return grants._replace(
            roles=tuple([role for role in grants.roles if self.has_trust or (is_wanted and role.permissions)]),
            sessions=grants.sessions if self.has_sessions else (),
            bases=grants.bases if self.has_permissions else (),
        )


def of_store(grants: Grants, store: str) -> Grants:
    """What that store's role and session need; nothing for a store that assumes none."""
    return grants._replace(
        roles=tuple([role for role in grants.roles if store in role.stores]),
        sessions=tuple([session for session in grants.sessions if session.store == store]),
        bases=(),
    )


def by_account(grants: Grants) -> dict[str, Grants]:
    """The same for each account, since a file of resources is for one."""
    accounts = dict.fromkeys(
        [
            *[role.arn.account for role in grants.roles],
            *[session.account or ELSEWHERE for session in grants.sessions],
            *[base.account or ELSEWHERE for base in grants.bases],
        ]
    )
    return {
        account: grants._replace(
            roles=tuple([role for role in grants.roles if role.arn.account == account]),
            sessions=tuple([session for session in grants.sessions if (session.account or ELSEWHERE) == account]),
            bases=tuple([base for base in grants.bases if (base.account or ELSEWHERE) == account]),
        )
        for account in accounts
    }
