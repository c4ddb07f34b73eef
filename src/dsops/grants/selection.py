"""Select policies by kind, store or account."""

from __future__ import annotations

from typing import NamedTuple

from dsops.grants import Grants

KINDS = ("session", "permissions", "trust", "all")

ELSEWHERE = "callers"
"""The key, in the place of an account, for callers whose account is not known."""


class Selection(NamedTuple):
    """The kinds of policies to generate."""

    kind: str

    @property
    def has_trust(self) -> bool:
        """Whether trust policies are selected."""
        return self.kind in ("trust", "all")

    @property
    def has_permissions(self) -> bool:
        """Whether permission policies are selected."""
        return self.kind in ("permissions", "all")

    @property
    def has_sessions(self) -> bool:
        """Whether session policies are selected."""
        return self.kind in ("session", "all")

    def only(self, grants: Grants) -> Grants:
        """The grants without the kinds that are not selected."""
        is_wanted = self.has_trust or self.has_permissions
        return grants._replace(
            roles=tuple([role for role in grants.roles if self.has_trust or (is_wanted and role.permissions)]),
            sessions=grants.sessions if self.has_sessions else (),
            bases=grants.bases if self.has_permissions else (),
        )


def of_store(grants: Grants, store: str) -> Grants:
    """The grants of that store's role and session; empty for a store that assumes no role."""
    return grants._replace(
        roles=tuple([role for role in grants.roles if store in role.stores]),
        sessions=tuple([session for session in grants.sessions if session.store == store]),
        bases=(),
    )


def by_account(grants: Grants) -> dict[str, Grants]:
    """The grants by account, since a file of resources is for one account."""
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
