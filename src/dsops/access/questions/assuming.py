"""Find who can assume a role: users, roles, identity providers, services, and accounts that are not among the facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from dsops.access.facts.world import Gap, IamIdentity
from dsops.access.questions.caller import AccessCaller, caller_of, callers_beyond
from dsops.access.questions.evaluator import AccessAnswer, Evaluator, Topic
from dsops.arn import Arn, parse_arn
from dsops.policy import Statement, is_unique_id

ASSUME: Final = "sts:AssumeRole"
_BY_PROVIDER: Final = {"web-identity": "sts:AssumeRoleWithWebIdentity", "saml": "sts:AssumeRoleWithSAML"}
_SIGN_IN_PREFIX: Final = "AWSReservedSSO_"
"""The names of the roles that Identity Center makes: this prefix, the permission set's name, and 16 characters."""


class Assumption(NamedTuple):
    """A caller who can assume a role, and how this was decided."""

    caller: AccessCaller
    action: str
    """The action that assumes the role, such as `sts:AssumeRoleWithSAML`."""
    answer: AccessAnswer


class Assumptions:
    """Who can assume which role. Each role is computed at the first question about it."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._world = evaluator.world
        self._of_role: dict[str, tuple[Assumption, ...]] = {}
        self._by_caller: dict[str, list[tuple[str, Assumption]]] | None = None
        self._by_account: dict[str, list[IamIdentity]] = {}
        self._by_id: dict[str, IamIdentity] = {}
        self._all_by_account: dict[str, list[IamIdentity]] = {}
        for identity in self._world.identities.values():
            self._all_by_account.setdefault(identity.account, []).append(identity)
            if identity.unique_id:
                self._by_id[identity.unique_id] = identity
            if any(document.mentions("sts:assumerole") for document in identity.policies):
                self._by_account.setdefault(identity.account, []).append(identity)

    def of(self, role_arn: str) -> tuple[Assumption, ...]:
        """Return who can assume the role, also under conditions or if a fact is missing."""
        known = self._of_role.get(role_arn)
        if known is None:
            known = self._of_role[role_arn] = tuple(self._find(role_arn))
        return known

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

    def _find(self, role_arn: str) -> Iterator[Assumption]:
        role = self._world.identities.get(role_arn)
        if role is None:
            return
        topics: dict[str, Topic] = {}
        for caller in {caller.name: caller for caller in self._candidates(role)}.values():
            action = _BY_PROVIDER.get(caller.principal.kind, ASSUME)
            topic = topics.setdefault(action, Topic(action, role_arn))
            answer = self._evaluator.ask(caller, topic)
            if answer.verdict != "no":
                yield from (Assumption(named, action, answer) for named in self._people(caller, role))

    def _candidates(self, role: IamIdentity) -> Iterator[AccessCaller]:
        """Yield the callers that the role's trust policy names."""
        policy = role.trust.policy if role.trust is not None else None
        for statement in policy.statements if policy is not None else ():
            if statement.effect != "Allow" or not _assumes(statement) or statement.principals is None:
                continue
            for kind, text in statement.principals.written:
                if kind == "AWS":
                    yield from map(caller_of, self._named(text, role.account))
            yield from callers_beyond(self._world, statement)

    def _named(self, text: str, account: str) -> Iterator[IamIdentity]:
        """Yield the users and roles that one entry of type AWS names and that may assume a role of the account.

        `*` names each principal of the role's own account itself, so that none of them needs a permission.
        """
        if text == "*":
            for owner, identities in self._all_by_account.items():
                yield from identities if owner == account else self._by_account.get(owner, ())
        elif is_unique_id(text):
            yield from filter(None, [self._by_id.get(text)])
        else:
            arn = parse_arn(text)
            if arn is None or arn.resource == "root":
                yield from self._by_account.get(text if arn is None else arn.account, ())
            else:
                known = self._world.identities.get(text) or self._role_of_session(arn)
                yield from filter(None, [known])

    def _role_of_session(self, arn: Arn) -> IamIdentity | None:
        """Return the role of a session's ARN, which lacks the role's path."""
        if arn.service != "sts":
            return None
        name = arn.resource.split("/")[1]
        return next(
            (
                identity
                for identity in self._world.identities.values()
                if identity.kind == "role" and identity.account == arn.account and identity.name == name
            ),
            None,
        )

    def _people(self, caller: AccessCaller, role: IamIdentity) -> Iterator[AccessCaller]:
        """Yield the users and groups of Identity Center who use the role; the caller itself for all other roles."""
        permission_set = role.name.removeprefix(_SIGN_IN_PREFIX).rpartition("_")[0]
        names = [
            f"{assignment.kind.lower()} {assignment.name} of Identity Center"
            for assignment in self._world.assignments
            if assignment.account == role.account and assignment.permission_set == permission_set
        ]
        if caller.principal.kind != "saml" or not role.name.startswith(_SIGN_IN_PREFIX) or not names:
            yield caller
        else:
            yield from (caller._replace(group=name) for name in names)


_ASSUMING: Final = ("sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml")


def _assumes(statement: Statement) -> bool:
    return any(map(statement.actions.matches, _ASSUMING))
