"""Find who can assume a role: users, roles, identity providers, services, and accounts that are not among the facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from dsops.access.facts.world import Gap, IamIdentity
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assume_permissions import ANY_ROLE, AssumePermissions
from dsops.access.questions.caller import AccessCaller, caller_of, callers_beyond, named_sessions
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.access.questions.trust_index import TrustIndex, trusting_statements
from dsops.arn import parse_arn
from dsops.policy import is_unique_id, lower_case

_NO_IDENTITIES: Final[Sequence[IamIdentity]] = ()
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
    """The principals that need no further look in one question, by their names. Their number only grows."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._rest: dict[int, Sequence[IamIdentity]] = {}

    def rest_of(self, identities: Collection[IamIdentity] | Mapping[str, IamIdentity]) -> Sequence[IamIdentity]:
        """Return the users and roles of a collection that are not settled. Each one that is settled is looked at once.

        The collection has to exist as long as this object.
        """
        rest = self._rest.get(id(identities))
        if rest is None:
            rest = [*(identities.values() if isinstance(identities, Mapping) else identities)]
        self._rest[id(identities)] = rest = [identity for identity in rest if identity.arn not in self.names]
        return rest


_NONE_SETTLED: Final = Settled()


class Assumptions:
    """Who can assume which role. Each role is computed at the first question about it."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._world = evaluator.world
        self._of_role: dict[str, tuple[Assumption, ...]] = {}
        self._by_caller: dict[tuple[str, str], tuple[tuple[str, Assumption], ...]] = {}
        self._topics: dict[tuple[str, str], Topic] = {}
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
            yield from self._asked(role, self._beyond(role), _NONE_SETTLED)
            self._forget(role)

    def _forget(self, role: IamIdentity) -> None:
        """Forget the topics of a role, to free memory: a question about all roles asks about each one once."""
        for action in (ASSUME, *_BY_PROVIDER.values()):
            self._topics.pop((action, role.arn), None)

    def by(self, arn: str, within: str = "") -> tuple[tuple[str, Assumption], ...]:
        """Return the roles that a user or role, given by its ARN, can assume; `within`: only those of this account."""
        within = within if self._has_several_accounts else ""
        known = self._by_caller.get((arn, within))
        if known is None:
            known = self._by_caller[arn, within] = tuple(self.unsettled_by(arn, Settled(), within))
        return known

    def unsettled_by(self, arn: str, settled: Settled, within: str = "") -> Iterator[tuple[str, Assumption]]:
        """Yield the roles that a user or role can assume, without those in `settled`, which may grow meanwhile."""
        identity = self._world.identities.get(arn)
        if identity is None:
            return
        caller, permitted = self._caller(identity), self._permissions.roles_of(identity)
        roles = {role.arn: role for role in self._trusts.trusting(identity, permitted, within, settled.rest_of)}
        sessions: dict[str, list[AccessCaller]] = {}
        for role, session in self._sessions.get(arn, ()):
            sessions.setdefault(role.arn, []).append(session)
            roles[role.arn] = role
        for role in roles.values():
            if within in ("", role.account) and role.arn not in settled.names:
                callers = (caller, *sessions.get(role.arn, ()))
                yield from ((role.arn, each) for each in self._asked(role, callers, _NONE_SETTLED))

    def open_roles(self, account: str = "") -> int:
        """Return the number of roles of an account, or of all accounts, that trust `*`."""
        return self._trusts.open_roles(account)

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
        candidates = {(caller.name, caller.session): caller for caller in callers}
        for (name, _), caller in sorted(candidates.items(), key=lambda item: not item[0][1]):
            if name in settled.names:
                continue
            action = _BY_PROVIDER.get(caller.principal.kind, ASSUME)
            topic = self._topics.get((action, role.arn))
            if topic is None:
                topic = self._topics[action, role.arn] = Topic(action, role.arn)
            answer = self._evaluator.decide(caller, topic)
            if answer.verdict != "no":
                yield from (Assumption(named, action, answer) for named in self._people(caller, role))

    def _candidates(self, role: IamIdentity, settled: Settled) -> Iterator[AccessCaller]:
        """Yield the callers that the role's trust policy names."""
        for statement in trusting_statements(role):
            principals = statement.principals
            for kind, text in principals.written if principals is not None else ():
                if kind == "AWS":
                    yield from map(self._caller, self._named(text, role, settled))
            yield from named_sessions(self._evaluator.roles_by_name, statement)
        yield from self._beyond(role)

    def _beyond(self, role: IamIdentity) -> Iterator[AccessCaller]:
        """Yield the callers without an account of this world that the role's trust policy names."""
        for statement in trusting_statements(role):
            yield from callers_beyond(self._world, statement, role.arn)

    @cached_property
    def _permissions(self) -> AssumePermissions:
        return AssumePermissions(self._evaluator)

    @cached_property
    def _has_several_accounts(self) -> bool:
        return len({identity.account for identity in self._world.identities.values()}) > 1

    @cached_property
    def _trusts(self) -> TrustIndex:
        return TrustIndex(self._world, ANY_ROLE)

    @cached_property
    def _sessions(self) -> dict[str, list[tuple[IamIdentity, AccessCaller]]]:
        """The ARNs of roles -> the roles that trust one of their sessions by its name."""
        sessions: dict[str, list[tuple[IamIdentity, AccessCaller]]] = {}
        for role in self._world.identities.values():
            for statement in trusting_statements(role) if role.kind == "role" else ():
                for caller in named_sessions(self._evaluator.roles_by_name, statement):
                    sessions.setdefault(caller.name, []).append((role, caller))
        return sessions

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
            yield from settled.rest_of(self._own.get(role.account, _NO_IDENTITIES))
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


_ASSUMING: Final = frozenset(lower_case(action) for action in (ASSUME, *_BY_PROVIDER.values()))


def can_call(caller: AccessCaller, action: str) -> bool:
    """Whether this kind of caller can make the call: a provider's tokens only assume roles, each in its own way."""
    of_kind = _BY_PROVIDER.get(caller.principal.kind)
    is_assuming = lower_case(action) in _ASSUMING
    return lower_case(of_kind or ASSUME) == lower_case(action) if is_assuming else of_kind is None


def _trusts_anyone(role: IamIdentity) -> bool:
    policy = role.trust.policy if role.trust is not None else None
    principals = [each.principals for each in (policy.statements if policy is not None else ()) if each.principals]
    return any(text == "*" for element in principals for _, text in element.written)
