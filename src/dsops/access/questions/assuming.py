"""Find who can assume a role: users, roles, identity providers, services, and accounts that are not among the facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from dsops.access.facts.world import Gap, IamIdentity
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assume_permissions import AssumePermissions
from dsops.access.questions.caller import AccessCaller, caller_of, callers_beyond, named_sessions
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.arn import parse_arn
from dsops.policy import Statement, is_unique_id

ASSUME: Final = "sts:AssumeRole"
_BY_PROVIDER: Final = {"web-identity": "sts:AssumeRoleWithWebIdentity", "saml": "sts:AssumeRoleWithSAML"}
SIGN_IN_PREFIX: Final = "AWSReservedSSO_"
"""The names of the roles that Identity Center makes: this prefix, the permission set's name, and 16 characters."""


class Assumption(NamedTuple):
    """A caller who can assume a role, and how this was decided."""

    caller: AccessCaller
    action: str
    """The action that assumes the role, such as `sts:AssumeRoleWithSAML`."""
    answer: AccessAnswer


class Settled:
    """The callers that need no further look in one question. Their number only grows."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._rest: dict[int, Sequence[IamIdentity]] = {}

    def rest_of(self, identities: Sequence[IamIdentity]) -> Sequence[IamIdentity]:
        """Return the users and roles of a list that are not settled. Each one that is settled is looked at once."""
        rest = self._rest.get(id(identities), identities)
        self._rest[id(identities)] = rest = [identity for identity in rest if identity.arn not in self.names]
        return rest


class Assumptions:
    """Who can assume which role. Each role is computed at the first question about it."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._world = evaluator.world
        self._of_role: dict[str, tuple[Assumption, ...]] = {}
        self._by_caller: dict[str, list[tuple[str, Assumption]]] | None = None
        self._callers: dict[str, AccessCaller] = {}

    def of(self, role_arn: str, settled: Settled | None = None) -> Sequence[Assumption]:
        """Return who can assume the role, also under conditions or if a fact is missing.

        If the role trusts `*`, the result lacks the callers in `settled`.
        """
        known = self._of_role.get(role_arn)
        if known is not None:
            return known
        role = self._world.identities.get(role_arn)
        if role is None:
            return ()
        if settled is not None and _trusts_anyone(role):
            return [*self._find(role, settled)]
        known = self._of_role[role_arn] = tuple(self._find(role, Settled()))
        return known

    def from_beyond(self, role: IamIdentity) -> Iterator[Assumption]:
        """Yield the callers without an account of this world who can assume the role, which takes less time."""
        known = self._of_role.get(role.arn)
        if known is not None:
            yield from (each for each in known if each.caller.identity is None or each.caller.outside)
        else:
            yield from self._asked(role, self._beyond(role), Settled())

    def by(self, name: str) -> tuple[tuple[str, Assumption], ...]:
        """Return the roles that a principal can assume, given by its name. The first call computes all roles."""
        if self._by_caller is None:
            self._by_caller = {}
            for identity in self._world.identities.values():
                if identity.kind == "role":
                    for assumption in self.of(identity.arn):
                        self._by_caller.setdefault(assumption.caller.name, []).append((identity.arn, assumption))
        return tuple(self._by_caller.get(name, ()))

    def gap_of(self, role: IamIdentity) -> Gap | None:
        """Return why it is unknown who can assume the role; None if it is known."""
        if role.trust is None:
            return Gap(role.account, "trust", "its trust policy is not among the facts", role.arn)
        problem = role.trust.problem
        return Gap(role.account, "trust", problem, role.arn) if problem else None

    def _find(self, role: IamIdentity, settled: Settled) -> Iterator[Assumption]:
        yield from self._asked(role, self._candidates(role, settled), settled)

    def _asked(self, role: IamIdentity, callers: Iterable[AccessCaller], settled: Settled) -> Iterator[Assumption]:
        """Yield the callers who can assume the role."""
        topics: dict[str, Topic] = {}
        candidates = {(caller.name, caller.session): caller for caller in callers}
        for (name, _), caller in sorted(candidates.items(), key=lambda item: not item[0][1]):
            if name in settled.names:
                continue
            action = _BY_PROVIDER.get(caller.principal.kind, ASSUME)
            topic = topics.get(action) or topics.setdefault(action, Topic(action, role.arn))
            answer = self._evaluator.ask(caller, topic)
            if answer.verdict != "no":
                yield from (Assumption(named, action, answer) for named in self._people(caller, role))

    def _candidates(self, role: IamIdentity, settled: Settled) -> Iterator[AccessCaller]:
        """Yield the callers that the role's trust policy names."""
        for statement in _trusting(role):
            principals = statement.principals
            for kind, text in principals.written if principals is not None else ():
                if kind == "AWS":
                    yield from map(self._caller, self._named(text, role, settled))
            yield from named_sessions(self._world, statement)
        yield from self._beyond(role)

    def _beyond(self, role: IamIdentity) -> Iterator[AccessCaller]:
        """Yield the callers without an account of this world that the role's trust policy names."""
        for statement in _trusting(role):
            yield from callers_beyond(self._world, statement, role.arn)

    @cached_property
    def _permissions(self) -> AssumePermissions:
        return AssumePermissions(self._evaluator)

    @cached_property
    def _by_id(self) -> dict[str, IamIdentity]:
        return {identity.unique_id: identity for identity in self._world.identities.values() if identity.unique_id}

    @cached_property
    def _own(self) -> dict[str, list[IamIdentity]]:
        """The users and roles of each account."""
        own: dict[str, list[IamIdentity]] = {}
        for identity in self._world.identities.values():
            own.setdefault(identity.account, []).append(identity)
        return own

    @cached_property
    def _assigned(self) -> dict[tuple[str, str], list[str]]:
        """Account and permission set -> the users and groups of Identity Center who may use it."""
        assigned: dict[tuple[str, str], list[str]] = {}
        for assignment in self._world.assignments:
            name = f"{assignment.kind.lower()} {assignment.name} of Identity Center"
            assigned.setdefault((assignment.account, assignment.permission_set), []).append(name)
        return assigned

    def _caller(self, identity: IamIdentity) -> AccessCaller:
        known = self._callers.get(identity.arn)
        if known is None:
            known = self._callers[identity.arn] = caller_of(identity)
        return known

    def _named(self, text: str, role: IamIdentity, settled: Settled) -> Iterator[IamIdentity]:
        """Yield the users and roles that one entry of type AWS names and that may assume the role.

        `*` names each principal of the role's own account itself, so that none of them needs a permission.
        """
        if text == "*":
            yield from self._own.get(role.account, ())
            yield from self._permissions.by_name(role.arn)
            others = settled.rest_of(self._permissions.for_any)
            yield from (identity for identity in others if identity.account != role.account)
        elif is_unique_id(text):
            yield from filter(None, [self._by_id.get(text)])
        else:
            arn = parse_arn(text)
            if arn is None or arn.resource == "root":
                yield from self._permissions.in_account(role.arn, text if arn is None else arn.account)
            else:
                yield from filter(None, [self._world.identities.get(text)])

    def _people(self, caller: AccessCaller, role: IamIdentity) -> Iterator[AccessCaller]:
        """Yield the users and groups of Identity Center who use the role; the caller itself for all other roles."""
        permission_set = role.name.removeprefix(SIGN_IN_PREFIX).rpartition("_")[0]
        is_sign_in = caller.principal.kind == "saml" and role.name.startswith(SIGN_IN_PREFIX)
        names = self._assigned.get((role.account, permission_set), ()) if is_sign_in else ()
        yield from (caller._replace(group=name) for name in names)
        if not names:
            yield caller


def _trusts_anyone(role: IamIdentity) -> bool:
    policy = role.trust.policy if role.trust is not None else None
    principals = [each.principals for each in (policy.statements if policy is not None else ()) if each.principals]
    return any(text == "*" for element in principals for _, text in element.written)


_ASSUMING: Final = ("sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml")


def _trusting(role: IamIdentity) -> Iterator[Statement]:
    """Yield the Allow statements of the role's trust policy about assuming it."""
    policy = role.trust.policy if role.trust is not None else None
    for statement in policy.statements if policy is not None else ():
        if statement.effect == "Allow" and _assumes(statement):
            yield statement


def _assumes(statement: Statement) -> bool:
    return any(map(statement.actions.matches, _ASSUMING))
