"""Select policies: by kind, by store, by account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dsops.grants import Grants
from dsops.grants.names import UniqueNames
from dsops.plan.statements import policy

KINDS = ("session", "permissions", "trust", "all")

ELSEWHERE = "callers"
"""The key that is used instead of an account id for policies whose account is unknown."""


class Selection(NamedTuple):
    """The kinds of policies to write."""

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
        """Return only the selected policies."""
        is_wanted = self.has_trust or self.has_permissions
        return grants._replace(
            roles=tuple([role for role in grants.roles if self.has_trust or (is_wanted and role.permissions)]),
            sessions=grants.sessions if self.has_sessions else (),
            bases=grants.bases if self.has_permissions else (),
        )


def of_store(grants: Grants, store: str) -> Grants:
    """Return the policies of the store's role and session; none for a store that assumes no role."""
    return grants._replace(
        roles=tuple([role for role in grants.roles if store in role.stores]),
        sessions=tuple([session for session in grants.sessions if session.store == store]),
        bases=(),
    )


def by_account(grants: Grants) -> dict[str, Grants]:
    """Split the policies by account, because a generated file is for one account."""
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


def documents_of(grants: Grants, selection: Selection) -> Iterator[tuple[str, object]]:
    """Yield a file name and a document for each policy, in the format that `aws iam create-role` accepts."""
    for role in grants.roles:
        if selection.has_trust:
            yield f"{role.arn.resource_name}.trust.json", policy(list(role.trust))
        if selection.has_permissions and role.permissions:
            yield f"{role.arn.resource_name}.permissions.json", policy(list(role.permissions))
    for session in grants.sessions:
        yield f"{session.store}.session.json", session.policy
    # A profile's name may be any string, such as `../`, which would lead to another folder.
    names = UniqueNames(r"[^A-Za-z0-9_.@+=,-]+", "-")
    for base in grants.bases:
        yield f"{names.of(base.who)}.permissions.json", policy(list(base.permissions))
