"""Decide whether an identity can do more than a principal: by its policies, and by the roles that it can assume."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import islice
from typing import Final, NamedTuple

from dsops.access.escalations.reach import Reach, Reaches
from dsops.access.facts.world import IamIdentity, PolicyDocument
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import AccessCaller, caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.policy import Statement, variable_keys

EVERYTHING: Final = PolicyDocument(
    "a policy that the principal writes",
    "identity",
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
)
_NAME: Final = "any-name-of-the-account"
_ANY_ACTION: Final = "any-service:AnyAction"
"""Stands for the actions that no policy names."""
_MOST_SAMPLES: Final = 300
_PROTECTED: Final = (":role/aws-service-role/", ":role/aws-reserved/")
"""IAM refuses changes to service-linked roles, and to the roles of Identity Center."""


class Gain(NamedTuple):
    """What an identity can do and a principal can't."""

    permission: str
    """The permission as the identity's policy grants it, such as `s3:Get* on *`; "" for an administrator."""
    action: str = ""
    """The action of a request that only the identity may make."""
    resource: str = ""
    by: str = ""
    """The ARN of the role that the identity assumes to use it; "" if it needs none."""

    @property
    def is_administrator(self) -> bool:
        """Whether the identity is an administrator of its account."""
        return not self.permission


ADMINISTRATOR: Final = Gain("")


def is_protected(arn: str) -> bool:
    """Whether no principal of the account can change the role."""
    return any(part in arn for part in _PROTECTED)


class Gains:
    """Compares identities. Each identity is computed at the first question about it."""

    def __init__(self, evaluator: Evaluator, assumptions: Assumptions) -> None:
        self._evaluator = evaluator
        self._assumptions = assumptions
        self._reaches = Reaches(evaluator, assumptions)
        self._alone: dict[str, Reach] = {}
        self._accounts: dict[int, frozenset[str]] = {}
        self._assumable: dict[str, tuple[IamIdentity, ...]] = {}
        self._administrators: dict[str, bool] = {}
        self._administers: dict[tuple[str, str], bool] = {}
        self._topics: dict[tuple[str, str], Topic] = {}
        self._unnamed = Topic(_ANY_ACTION, "arn:aws:any-service:us-east-1:000000000000:any-resource")

    def forget_requests(self) -> None:
        """Forget the answers to requests, to free memory. What the identities reach stays."""
        self._topics.clear()

    def reach(self, identity: IamIdentity) -> Reach:
        """Return the identity, and the roles that it can assume one after the other."""
        return self._reaches.of(identity)

    def alone(self, identity: IamIdentity) -> Reach:
        """Return the identity without the roles that it can assume."""
        known = self._alone.get(identity.arn)
        if known is None:
            known = self._alone[identity.arn] = Reach([identity])
        return known

    def is_administrator(self, identity: IamIdentity) -> bool:
        """Whether the identity may do everything in its account that control policies allow.

        That is: an Allow statement without conditions is about every action and resource, no Deny statement and no
        permissions boundary takes that back, and the identity may write the policies of any role or user.
        """
        known = self._administrators.get(identity.arn)
        if known is None:
            known = self._administrators[identity.arn] = self.is_administrator_with(identity)
        return known

    def is_administrator_with(self, identity: IamIdentity) -> bool:
        """Whether an identity that is perhaps changed is an administrator."""
        limits = [identity.boundary] if identity.boundary is not None else []
        if not self._allows_all(identity.policies) or not all(self._allows_all((limit,)) for limit in limits):
            return False
        prefix = f"arn:{identity.arn.split(':')[1]}:iam::{identity.account}"
        caller = caller_of(identity)
        return any(
            self._evaluator.decide(caller, self._topic(action, f"{prefix}:{kind}/{_NAME}")).is_possible
            for action, kind in (("iam:PutRolePolicy", "role"), ("iam:PutUserPolicy", "user"))
        )

    def administers(self, identity: IamIdentity, account: str) -> bool:
        """Whether the identity reaches an administrator of the account.

        The roles of its own account are asked about first, because there are few.
        """
        key = identity.arn, account
        known = self._administers.get(key)
        if known is None:
            inside = self._reaches.inside(identity) if identity.account == account else ()
            is_found = any(map(self.is_administrator, inside))
            known = self._administers[key] = is_found or account in self._administered(self.reach(identity))
        return known

    def _administered(self, reach: Reach) -> frozenset[str]:
        """Return the accounts of the administrators among the members."""
        known = self._accounts.get(id(reach))
        if known is None:
            accounts = frozenset(member.account for member in reach.members if self.is_administrator(member))
            known = self._accounts[id(reach)] = accounts
        return known

    def of(self, own: Reach, target: IamIdentity, *, is_changed: bool) -> Gain | None:
        """Return what the target can do and none of a caller's own identities can; None if nothing was found.

        `is_changed`: whether the target's policies are others than those of the world.
        """
        members = [target]
        if is_changed:
            if self.is_administrator_with(target):
                return ADMINISTRATOR
        elif target.arn in own.arns:
            return None
        else:
            reached = self.reach(target)
            members += [each for each in reached.members if each.arn not in own.arns and each.arn != target.arn]
            for member in members:
                if self.is_administrator(member):
                    return ADMINISTRATOR._replace(by="" if member.arn == target.arn else member.arn)
        callers = [caller_of(one) for one in own.members]
        for member in members:
            gain = self._witness(callers, member)
            if gain is not None:
                return gain._replace(by="" if member.arn == target.arn else member.arn)
        return None

    def _witness(self, callers: list[AccessCaller], target: IamIdentity) -> Gain | None:
        """Return a request that the engine allows for the target and denies for all callers."""
        changed = caller_of(target)
        shared = {id(document) for one in callers for document in _unlimited(one.identity)}
        for gain in islice(self._samples(target, shared), _MOST_SAMPLES):
            topic = self._topic(gain.action, gain.resource)
            is_denied = all(self._is_denied(one, topic) for one in callers)
            if is_denied and self._evaluator.decide(changed, topic).is_possible:
                return gain
        return None

    def _is_denied(self, caller: AccessCaller, topic: Topic) -> bool:
        return not self._evaluator.may_allow(caller, topic) or self._evaluator.decide(caller, topic).verdict == "no"

    def assumable(self, arn: str) -> tuple[IamIdentity, ...]:
        """Return the roles that a user or role, given by its ARN, can assume."""
        known = self._assumable.get(arn)
        if known is None:
            identities = self._evaluator.world.identities
            found = self._assumptions.by(arn)
            known = tuple(identities[role] for role, assumption in found if assumption.answer.is_possible)
            self._assumable[arn] = known
        return known

    def _topic(self, action: str, resource: str) -> Topic:
        return self._topics.setdefault((action, resource), Topic(action, resource))

    def _allows_all(self, documents: tuple[PolicyDocument, ...]) -> bool:
        """Whether the policies allow what no policy names, without conditions."""
        statements = [each for document in documents for each in self._unnamed.relevant(document).statements]
        effects = {statement.effect for statement in statements if not statement.conditions}
        return effects == {"Allow"}

    def _samples(self, identity: IamIdentity, shared: Container[int]) -> Iterator[Gain]:
        """Yield a request for each pattern in the Allow statements of the identity's policies.

        If the policies allow everything, the boundary's patterns limit them. `shared`: the ids of documents that the
        callers have, too.
        """
        documents = identity.policies
        if identity.boundary is not None and self._allows_all(documents):
            documents = (identity.boundary,)
        for document in documents:
            policy = document.policy if id(document) not in shared else None
            for statement in policy.statements if policy is not None else ():
                if statement.effect == "Allow":
                    yield from _samples_of(statement, identity)


def _unlimited(identity: IamIdentity | None) -> tuple[PolicyDocument, ...]:
    """Return the policies of an identity that no boundary limits."""
    return identity.policies if identity is not None and identity.boundary is None else ()


def _samples_of(statement: Statement, identity: IamIdentity) -> Iterator[Gain]:
    actions, resources = statement.actions, statement.resources
    other = f"arn:{identity.arn.split(':')[1]}:any-service:us-east-1:{identity.account}:any-resource"
    if resources is None or actions.is_negated or resources.is_negated:
        yield Gain("all actions with exceptions", _ANY_ACTION, other)
        return
    for pattern in actions.written:
        for text in resources.written:
            if not [*variable_keys([text])]:
                resource = other if text == "*" else text.replace("*", "any").replace("?", "x")
                yield Gain(f"{pattern} on {text}", _sample_action(pattern), resource)


def _sample_action(pattern: str) -> str:
    """Return an action that the pattern matches, one of those that no policy names if possible."""
    service, _, name = pattern.partition(":")
    if "*" in service or "?" in service:
        return _ANY_ACTION
    return f"{service}:{name.replace('*', '').replace('?', 'x') or 'AnyAction'}"
