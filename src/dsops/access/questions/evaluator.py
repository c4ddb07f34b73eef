"""Ask the policy engine about a caller, an action and a resource of a world.

Each answer that says yes has a request that the engine allows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Final, Literal, NamedTuple

from dsops.access.facts.world import Gap, IamIdentity, Levels, OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.alike import ConsultedParts, ids_of, keys_of, statements_of
from dsops.access.questions.caller import AccessCaller, KnownKeys, known_keys
from dsops.access.questions.deciding_case import DecidingCase, conditions_of, with_user_id
from dsops.access.questions.gap_index import GapIndex
from dsops.access.questions.policy_index import PolicyIndex
from dsops.access.questions.witness import Search
from dsops.arn import is_account_id, parse_arn
from dsops.policy import (
    CaseQuestion,
    Condition,
    Decision,
    Place,
    Policy,
    PolicySet,
    Statement,
    Unread,
    lower_case,
    request_of,
    simulate,
)

Verdict = Literal["yes", "conditional", "no", "unknown"]


class OpenCondition(NamedTuple):
    """A condition that the request has to meet, and a value that meets it."""

    condition: Condition
    effect: Literal["Allow", "Deny"]
    """The effect of the condition's statement. In a Deny, the request must not meet all conditions."""


class AccessAnswer(NamedTuple):
    """Whether a caller can do something."""

    verdict: Verdict
    """`yes`: for every request. `conditional`: for the requests that meet the open conditions.

    `unknown`: a fact that could not be read decides (see `gaps`), or no request was found that meets the conditions,
    and there may be one.
    """
    decision: Decision
    """The engine's decision; for `yes` and `conditional`, on the request that shows it."""
    needed: Mapping[str, tuple[str, ...]] = {}
    """For `conditional`: condition keys and values with which the request is allowed."""
    open: tuple[OpenCondition, ...] = ()
    """The open conditions of the statements that decide."""
    gaps: tuple[Gap, ...] = ()
    """The facts that could not be read and could change the answer."""

    @property
    def is_possible(self) -> bool:
        """Whether the caller can do it, for some request."""
        return self.verdict in ("yes", "conditional")


_SESSION_NAME: Final = "sts:rolesessionname"
_GRANTING: Final = frozenset({"identity", "resource", "trust"})
"""The places of policies that can allow something; control policies and boundaries only limit."""


class _Relevant(NamedTuple):
    """What a document says about a topic."""

    document: PolicyDocument
    """Kept, so that no other document gets its id."""
    policy: Policy
    problem: str


class Topic:
    """One action on one resource. It remembers which statements of each policy can be about them, and the answers."""

    def __init__(self, action: str, resource: str, context: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """`context`: condition keys with the values that every request about the topic has; () for an absent key."""
        self.action = action
        self.resource = resource
        self.context = context or {}
        self.is_about_sessions = lower_case(action).startswith("sts:")
        """Whether a role's trust policy decides on the action. It does not decide on those of IAM, such as PassRole."""
        self._lower_action = lower_case(action)
        self._parts = tuple(resource.split(":", 5)) if parse_arn(resource) is not None else None
        self._relevant: dict[int, _Relevant] = {}
        self._consulted: dict[Hashable, ConsultedParts] = {}
        self.answers: dict[Hashable, AccessAnswer] = {}
        """The answers to callers that are alike (see `alike`)."""

    def relevant(self, document: PolicyDocument) -> Policy:
        """Return the policy with only its statements about this topic. A document with a problem has none."""
        return self._known(document).policy

    def problem(self, document: PolicyDocument) -> str:
        """Return why the document can't be used for this topic; "" if it can."""
        return self._known(document).problem

    def consulted(self, policies: PolicySet) -> tuple[Hashable, ConsultedParts]:
        """Return the ids of policies that `relevant` returned, and what these look at in a request."""
        ids = ids_of(policies)
        known = self._consulted.get(ids)
        if known is None:
            known = self._consulted[ids] = ConsultedParts.by(policies)
        return ids, known

    def _known(self, document: PolicyDocument) -> _Relevant:
        known = self._relevant.get(id(document))
        if known is None:
            known = self._relevant[id(document)] = self._filtered(document)
        return known

    def _filtered(self, document: PolicyDocument) -> _Relevant:
        empty = Policy(document.name, document.kind, "2012-10-17", ())
        if not document.mentions(self._lower_action):
            return _Relevant(document, empty, "")
        policy = document.policy
        if policy is None:
            return _Relevant(document, empty, document.problem)
        statements = tuple(filter(self._is_about, policy.statements))
        return _Relevant(document, policy._replace(statements=statements), "")

    def _is_about(self, statement: Statement) -> bool:
        if not statement.actions.matches(self._lower_action):
            return False
        resources = statement.resources
        if resources is None or any("${" in text for text in resources.written):
            return True
        return resources.matches(self.resource, self._parts, dict)


class Evaluator:
    """Answers questions about a world as of one time (timezone-aware)."""

    def __init__(self, world: OrganizationFacts, now: datetime) -> None:
        self.world = world
        self.now = now
        self.gaps = GapIndex(world.gaps)

    @cached_property
    def index(self) -> PolicyIndex:
        """The index of the identity policies."""
        return PolicyIndex(self.world)

    def ask(self, caller: AccessCaller, topic: Topic) -> AccessAnswer:
        """Return whether the caller can do it, with the request that shows it."""
        account = self.account_of(topic.resource, caller)
        case = self._case(caller, topic, account)
        missing = tuple(self._missing(caller, topic, account))
        ids, consulted = topic.consulted(case.policies)
        request = request_of(case.question, self.now)
        key = (ids, consulted.seen_of(request, case.known), missing, case.unique_id, caller.session)
        answer = topic.answers.get(key)
        if answer is None:
            answer = topic.answers[key] = _of_session(caller, self._decided(case, missing))
            return answer
        if answer.needed:
            request = request_of(case.question._replace(context={**case.question.context, **answer.needed}), self.now)
        return answer._replace(decision=answer.decision._replace(request=request))

    def _decided(self, case: DecidingCase, missing: Sequence[tuple[Unread, Gap]]) -> AccessAnswer:
        answer = self._readable(case)
        question, policies, known, _ = case
        if not missing:
            return answer
        outcome = simulate(question, policies, [*_open(policies, known), *(unread for unread, _ in missing)], self.now)
        gaps = tuple(gap for unread, gap in missing if unread in outcome.unread)
        if answer.is_possible:
            return answer._replace(gaps=gaps) if not outcome.at_worst.is_allowed else answer
        return answer._replace(verdict="unknown", gaps=gaps) if outcome.at_best.is_allowed else answer

    def allows_beyond(self, other: Evaluator, caller: AccessCaller, topic: Topic) -> AccessAnswer | None:
        """Return an answer with a request that this world allows and the other one refuses; None if none was found.

        The search looks at the conditions of both worlds. The caller may be unknown to the other world.
        """
        here = self._case(caller, topic, self.account_of(topic.resource, caller))
        identity = caller.identity
        if identity is not None and not caller.outside:
            identity = other.world.identities.get(identity.arn, identity._replace(policies=()))
        others_caller = caller._replace(identity=identity)
        there = other._case(others_caller, topic, other.account_of(topic.resource, others_caller))
        statements = [*statements_of(here.policies), *statements_of(there.policies)]
        search = Search(statements, here.known.is_open, here.question.context)
        needed = search.find(
            lambda values: (
                here.has_values(values)
                and self._decide(here, values).is_allowed
                and not other._decide(there, values).is_allowed
            )
        )
        if needed is None:
            return None
        found = self._decide(here, needed)
        return AccessAnswer("conditional", found, needed, tuple(_opened(found, here.policies, here.known)))

    def may_allow(self, caller: AccessCaller, topic: Topic) -> bool:
        """Whether a statement or a missing fact can allow it. If not, `ask` answers no, and takes longer."""
        document = self.resource_policy(topic.resource)
        if document is not None and self._names(document, caller, topic):
            return True
        account = self.account_of(topic.resource, caller)
        # A resource's policy that is known, and does not name a caller of another account, allows this caller nothing.
        is_refused = caller.principal.account != account and (
            document is not None or self.resource_of(topic.resource) is not None
        )
        if not is_refused and self.has_allow(caller, topic):
            return True
        return any(unread.place in _GRANTING for unread, _ in self._missing(caller, topic, account))

    def identities_about(self, topic: Topic) -> Iterable[IamIdentity]:
        """Return the users and roles that `may_allow` can be true of, perhaps with others."""
        identities = self.world.identities.values()
        document = self.resource_policy(topic.resource)
        if document is not None and (
            topic.problem(document) or any(each.effect == "Allow" for each in topic.relevant(document).statements)
        ):
            return identities
        accounts = self.gaps.accounts_that_may_use(self._named(topic.resource), self._owner(topic.resource))
        about = self.index.identities_about(lower_case(topic.action))
        if not accounts:
            return about
        known = {identity.arn for identity in about}
        return [each for each in identities if each.arn in known or "" in accounts or each.account in accounts]

    def has_allow(self, caller: AccessCaller, topic: Topic) -> bool:
        """Whether one of the caller's own policies has an Allow statement about the topic."""
        documents = caller.identity.policies if caller.identity is not None else ()
        return any(
            statement.effect == "Allow" for document in documents for statement in topic.relevant(document).statements
        )

    @staticmethod
    def _names(document: PolicyDocument, caller: AccessCaller, topic: Topic) -> bool:
        return any(
            statement.effect == "Allow"
            and statement.principals is not None
            and statement.principals.reach(caller.principal) > 0
            for statement in topic.relevant(document).statements
        )

    def account_of(self, resource: str, caller: AccessCaller) -> str:
        """Return the account that owns a resource: by the facts, by its ARN, or else the caller's."""
        return self._owner(resource) or caller.principal.account

    def _owner(self, resource: str) -> str:
        known = self.resource_of(resource)
        if known is not None:
            return known.account
        arn = parse_arn(resource)
        return arn.account if arn is not None and is_account_id(arn.account) else ""

    def resource_of(self, resource: str) -> Resource | None:
        """Return the facts about a resource; for an object of S3, those about its bucket. None if unknown."""
        bucket = resource.partition("/")[0] if ":s3:::" in resource else resource
        return self.world.resources.get(resource) or self.world.resources.get(bucket)

    def _named(self, resource: str) -> tuple[str, ...]:
        """Return the ARNs whose policies apply to a resource: its own, and that of an object's bucket."""
        known = self.resource_of(resource)
        return (resource,) if known is None or known.arn == resource else (resource, known.arn)

    def _case(self, caller: AccessCaller, topic: Topic, account: str) -> DecidingCase:
        known = known_keys(self.world, caller, topic.action, topic.resource, account).extended(topic.context)
        question = CaseQuestion(caller.principal, topic.action, topic.resource, account, known.context)
        return with_user_id(DecidingCase(question, self._policies(caller, topic, account), known), caller)

    def _decide(self, case: DecidingCase, values: Mapping[str, tuple[str, ...]]) -> Decision:
        """Return the engine's decision on the request with the given values of open keys."""
        # A key that AWS sets itself, such as aws:TokenIssueTime, can't be left out.
        context = {**case.question.context, **{key: texts for key, texts in values.items() if texts}}
        return simulate(case.question._replace(context=context), case.policies, (), self.now).decision

    def _readable(self, case: DecidingCase) -> AccessAnswer:
        """Return the answer of the facts that were read."""
        question, policies, known, _ = case
        outcome = simulate(question, policies, _open(policies, known), self.now)
        if outcome.at_worst.is_allowed:
            return AccessAnswer("yes", outcome.decision if outcome.decision.is_allowed else outcome.at_worst)
        if not outcome.at_best.is_allowed:
            return AccessAnswer("no", outcome.decision)
        statements = [*statements_of(policies)]
        search = Search(statements, known.is_open, outcome.decision.request.context)
        needed = search.find(lambda values: case.has_values(values) and self._decide(case, values).is_allowed)
        if needed is None:
            return AccessAnswer("no" if search.is_complete else "unknown", outcome.decision)
        found = self._decide(case, needed)
        return AccessAnswer("conditional", found, needed, tuple(_opened(found, policies, known)))

    def _policies(self, caller: AccessCaller, topic: Topic, account: str) -> PolicySet:
        """Return the policies that decide, with only their statements about the topic."""
        policies: dict[Place, tuple[tuple[Policy, ...], ...]] = {}
        identity = caller.identity
        if identity is not None:
            relevant = (topic.relevant(document) for document in identity.policies)
            policies["identity"] = (tuple(policy for policy in relevant if policy.statements),)
            policies["boundary"] = ((topic.relevant(identity.boundary),),) if identity.boundary is not None else ()
        callers_account = self.world.accounts.get(caller.principal.account)
        if callers_account is not None:
            policies["scp"] = _levels(callers_account.service_control, topic)
        owner = self.world.accounts.get(account)
        if owner is not None:
            policies["rcp"] = _levels(owner.resource_control, topic)
        document = self.resource_policy(topic.resource)
        if document is not None and document.kind == "trust" and not topic.is_about_sessions:
            return policies
        if document is not None:
            policies["trust" if document.kind == "trust" else "resource"] = ((topic.relevant(document),),)
        elif self.resource_of(topic.resource) is not None:
            policies["resource"] = ()
        return policies

    def resource_policy(self, resource: str) -> PolicyDocument | None:
        """Return the policy of a resource, or the trust policy of a role; None if there is none, or it is unknown."""
        role = self.world.identities.get(resource)
        if role is not None:
            return role.trust
        known = self.resource_of(resource)
        return known.policy if known is not None else None

    def _missing(self, caller: AccessCaller, topic: Topic, account: str) -> Iterator[tuple[Unread, Gap]]:
        """Yield the policies and keys that could not be read, as the engine takes them."""
        documents: list[tuple[Place, PolicyDocument, str]] = []
        identity = caller.identity
        if identity is not None:
            documents += [("identity", document, identity.account) for document in identity.policies]
            if identity.boundary is not None:
                documents.append(("boundary", identity.boundary, identity.account))
        of_resource = self.resource_policy(topic.resource)
        if of_resource is not None:
            documents.append(("trust" if of_resource.kind == "trust" else "resource", of_resource, account))
        for place, document, owner in documents:
            problem = topic.problem(document)
            if problem:
                yield Unread(place, problem), Gap(owner, place, problem)
        for gap in self.gaps.about(caller, self._named(topic.resource), account):
            if gap.place == "resources":
                if self.resource_of(topic.resource) is None:
                    yield Unread("resource", gap.why), gap
            elif gap.place != "identities" and (gap.place != "trust" or topic.is_about_sessions):
                yield Unread(gap.place, gap.why, gap.keys), gap


def _of_session(caller: AccessCaller, answer: AccessAnswer) -> AccessAnswer:
    """Return the answer with the name that the session needs, if only one session of the role was asked about."""
    if not caller.session or not answer.is_possible:
        return answer
    return answer._replace(verdict="conditional", needed={**answer.needed, _SESSION_NAME: (caller.session,)})


def _levels(levels: Levels, topic: Topic) -> tuple[tuple[Policy, ...], ...]:
    return tuple(
        tuple(policy for document in level if (policy := topic.relevant(document)).statements) for level in levels
    )


def _opened(found: Decision, policies: PolicySet, known: KnownKeys) -> Iterator[OpenCondition]:
    """Yield the open conditions of the Allow statements that allow the found request, and of all Deny statements."""
    allowing = {id(match.statement) for reason in found.reasons for match in reason.matched}
    for statement, condition in conditions_of(policies):
        is_deciding = statement.effect == "Deny" or id(statement) in allowing
        if is_deciding and known.is_open(lower_case(condition.key)):
            yield OpenCondition(condition, statement.effect)


def _open(policies: PolicySet, known: KnownKeys) -> tuple[Unread, ...]:
    """Return the open condition keys of the policies, as the engine takes them."""
    keys = dict.fromkeys(key for statement in statements_of(policies) for key in keys_of(statement))
    opened = tuple(key for key, is_open in zip(keys, known.are_open(keys), strict=True) if is_open)
    return (Unread("context", "the request decides", opened),) if opened else ()
