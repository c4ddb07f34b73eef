"""Tell whether two callers are alike for the policies that decide: then they get the same answer.

An organization has thousands of callers of few kinds. The engine's decision depends on the policies, on how
they name the caller, and on the values of the condition keys that they contain. Nothing else is different between two
callers of the same action on the same resource.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, NamedTuple

from dsops.access.questions.caller import KnownKeys
from dsops.policy import PolicySet, Principal, Request, Statement, lower_case, variable_keys

_SERVICE_LINKED: Final = ":role/aws-service-role/"


class ConsultedParts(NamedTuple):
    """What policies look at in a request."""

    keys: tuple[str, ...]
    """The condition keys, in lower case."""
    statements: tuple[Statement, ...]
    """The statements that name principals."""

    @classmethod
    def by(cls, policies: PolicySet) -> ConsultedParts:
        """Return what these policies look at."""
        statements = [*statements_of(policies)]
        keys = {key: None for statement in statements for key in keys_of(statement)}
        return cls(tuple(keys), tuple(statement for statement in statements if statement.principals is not None))

    def seen_of(self, principal: Principal, account: str) -> Hashable:
        """Return what the policies see of a principal, for a resource of the account.

        Two callers are alike if this and `values_of` are equal.
        """
        return (
            principal.kind,
            bool(principal.account),
            principal.account == account,
            _SERVICE_LINKED in principal.issuer_arn,
            tuple(statement.principals.reach(principal) for statement in self.statements if statement.principals),
        )

    def values_of(self, request: Request, known: KnownKeys) -> Hashable:
        """Return the values of the condition keys, and which of them are open."""
        context = {lower_case(key): values for key, values in request.context.items()}
        return tuple(context.get(key) for key in self.keys), known.are_open(self.keys)


def keys_of(statement: Statement) -> Iterator[str]:
    """Yield the condition keys of a statement, in lower case."""
    for condition in statement.conditions:
        yield lower_case(condition.key)
        yield from variable_keys(condition.values)
    if statement.resources is not None:
        yield from variable_keys(statement.resources.written)


def statements_of(policies: PolicySet) -> Iterator[Statement]:
    """Yield the statements of all policies."""
    for groups in policies.values():
        for group in groups:
            for policy in group:
                yield from policy.statements


def ids_of(policies: PolicySet) -> Hashable:
    """Return a value that is equal for the same policies in the same places, as long as these exist."""
    return tuple((place, tuple(tuple(map(id, group)) for group in groups)) for place, groups in policies.items())
