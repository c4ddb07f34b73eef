"""A question with the policies and condition keys that decide on it, and the sessions of a role as its caller."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from dsops.access.questions.alike import keys_of, statements_of
from dsops.access.questions.answer import OpenCondition
from dsops.access.questions.caller import AccessCaller, KnownKeys
from dsops.policy import CaseQuestion, Condition, Decision, PolicySet, Statement, Unread, lower_case, variable_keys

_USER_ID: Final = "aws:userid"
_ANY_USER_ID: Final = "*:?"
_ACCOUNT_KEYS: Final = ("aws:principalaccount", "kms:calleraccount")
"""The condition keys with the caller's account."""


class DecidingCase(NamedTuple):
    """A question with all that decides on it."""

    question: CaseQuestion
    policies: PolicySet
    known: KnownKeys
    unique_id: str = ""
    """The id with which an open `aws:userid` begins; "" if it is unknown, or if the key is not open."""
    not_accounts: Collection[str] = ()
    """The accounts to which the caller does not belong, if its account is open."""

    def has_values(self, values: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether a request of the caller can have the values."""
        if any(account in self.not_accounts for key in _ACCOUNT_KEYS for account in values.get(key, ())):
            return False
        given = values.get(_USER_ID)
        return given is None or not self.unique_id or any(text.startswith(f"{self.unique_id}:") for text in given)


def with_user_id(case: DecidingCase, caller: AccessCaller) -> DecidingCase:
    """Return the case with `aws:userid` left open, if a condition tells the sessions of the caller's role apart.

    The key has the role's unique id, and the name of the session, which the caller of AssumeRole chooses.
    """
    identity = caller.identity
    if caller.principal.kind != "role-session" or identity is None or caller.outside:
        return case
    if not any(_tells_sessions_apart(text, identity.unique_id) for text in _user_ids(case.policies)):
        return case
    context = {**case.known.context, _USER_ID: ()}
    return DecidingCase(
        case.question._replace(context=context), case.policies, case.known._replace(context=context), identity.unique_id
    )


def opened(found: Decision, policies: PolicySet, known: KnownKeys) -> Iterator[OpenCondition]:
    """Yield the open conditions of the Allow statements that allow the found request, and of all Deny statements."""
    allowing = {id(match.statement) for reason in found.reasons for match in reason.matched}
    for statement, condition in conditions_of(policies):
        is_deciding = statement.effect == "Deny" or id(statement) in allowing
        if is_deciding and known.is_open(lower_case(condition.key)):
            yield OpenCondition(condition, statement.effect)


def open_keys(policies: PolicySet, known: KnownKeys) -> tuple[Unread, ...]:
    """Return the open condition keys of the policies, as the engine takes them."""
    keys = dict.fromkeys(key for statement in statements_of(policies) for key in keys_of(statement))
    found = tuple(key for key, is_open in zip(keys, known.are_open(keys), strict=True) if is_open)
    return (Unread("context", "the request decides", found),) if found else ()


def conditions_of(policies: PolicySet) -> Iterator[tuple[Statement, Condition]]:
    """Yield the conditions of all statements."""
    for statement in statements_of(policies):
        yield from ((statement, condition) for condition in statement.conditions)


def _user_ids(policies: PolicySet) -> Iterator[str]:
    """Yield the texts that `aws:userid` is compared with, or a pattern for any of them."""
    for _, condition in conditions_of(policies):
        if lower_case(condition.key) == _USER_ID:
            yield from condition.values
        if _USER_ID in variable_keys(condition.values):
            yield _ANY_USER_ID
    for statement in statements_of(policies):
        if statement.resources is not None and _USER_ID in variable_keys(statement.resources.written):
            yield _ANY_USER_ID


def _tells_sessions_apart(text: str, unique_id: str) -> bool:
    """Whether a pattern can match some sessions of the role, but not all of them."""
    if not unique_id:
        return True
    prefix = lower_case(f"{unique_id}:")
    pattern = lower_case(text).replace("[", "[[]")
    if pattern.endswith("*") and fnmatchcase(prefix, pattern):
        return False
    wildcards = [place for place in map(pattern.find, "*?$") if place >= 0]
    head = pattern[: min(wildcards, default=len(pattern))]
    return head.startswith(prefix) or (bool(wildcards) and prefix.startswith(head))
