"""Ask the policy engine about a caller, an action and a resource of a world.

Each answer that says yes has a request that the engine allows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from itertools import chain
from typing import Final

from dsops.access.facts.world import Gap, IamIdentity, OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.alike import statements_of
from dsops.access.questions.answer import AccessAnswer, ContentKeyCondition, Verdict
from dsops.access.questions.caller import ANY_OUTSIDE, AccessCaller, RolesByName, known_keys
from dsops.access.questions.control_policies import ControlPolicies
from dsops.access.questions.deciding_case import DecidingCase, open_keys, opened, with_user_id
from dsops.access.questions.encryption import ContentKeyUse, Keys, depending_on_key, refused_by_key
from dsops.access.questions.gap_index import GapIndex
from dsops.access.questions.policy_index import PolicyIndex, accounts_named_in
from dsops.access.questions.topic import Topic
from dsops.access.questions.witness import Search
from dsops.arn import is_account_id, parse_arn
from dsops.policy import (
    CaseQuestion,
    Decision,
    Place,
    Policy,
    PolicySet,
    Unread,
    is_kms_key,
    is_public_policy,
    read_caller,
    request_of,
    simulate,
)

_SESSION_NAME: Final = "sts:rolesessionname"
_GRANTING: Final = frozenset({"identity", "resource", "trust"})
"""The places of policies that can allow something; control policies and boundaries only limit."""


class Evaluator:
    """Answers questions about a world as of one time (timezone-aware)."""

    def __init__(self, world: OrganizationFacts, now: datetime) -> None:
        self.world = world
        self.now = now
        self.gaps = GapIndex(world.gaps)
        self._keys = Keys(world)
        self._control = ControlPolicies()
        self.decisions = 0
        """The number of questions to the policies so far, which tells how much work was done."""

    @cached_property
    def index(self) -> PolicyIndex:
        """The index of the identity policies."""
        return PolicyIndex(self.world)

    @cached_property
    def roles_by_name(self) -> RolesByName:
        """The roles by account and name."""
        roles: dict[tuple[str, str], list[IamIdentity]] = {}
        for identity in self.world.identities.values():
            if identity.kind == "role":
                roles.setdefault((identity.account, identity.name), []).append(identity)
        return roles

    def ask(self, caller: AccessCaller, topic: Topic) -> AccessAnswer:
        """Return whether the caller can do it, with the request that shows it.

        For encrypted content, the caller must also be allowed to use the KMS key.
        """
        return self._with_keys(caller, topic, self._of_policies(caller, topic))

    def decide(self, caller: AccessCaller, topic: Topic) -> AccessAnswer:
        """Return the answer of `ask`, perhaps with the request of another caller that is alike.

        This takes less time for many callers.
        """
        return self._with_keys(caller, topic, self._shared(caller, topic))

    def _with_keys(self, caller: AccessCaller, topic: Topic, answer: AccessAnswer) -> AccessAnswer:
        if ":s3:::" in topic.resource:
            answer = self._with_public_block(caller, topic, answer)
        use = self.key_use(topic) if answer.verdict != "no" else None
        return answer if use is None else self._with_key(caller, topic, answer, use)

    def key_use(self, topic: Topic) -> ContentKeyUse | None:
        """Return the KMS key that requests about the topic use; None if they use none."""
        return self._keys.use(topic.action, topic.resource, self.resource_of(topic.resource))

    def _of_policies(self, caller: AccessCaller, topic: Topic) -> AccessAnswer:
        """Return the answer of the policies about the action itself, without the key of encrypted content."""
        answer = self._shared(caller, topic)
        decision = answer.decision
        if decision.request.principal == caller.principal:
            return answer
        question = self._case(caller, topic, self.account_of(topic.resource, caller)).question
        request = request_of(question._replace(context={**question.context, **answer.needed}), self.now)
        return answer._replace(decision=decision._replace(request=request))

    def _shared(self, caller: AccessCaller, topic: Topic) -> AccessAnswer:
        """Return the answer of the policies to the caller, or to one that is alike."""
        self.decisions += 1
        account = self.account_of(topic.resource, caller)
        policies = self._policies(caller, topic, account)
        missing = tuple(self._missing(caller, topic, account))
        ids, consulted = topic.consulted(policies)
        case = self._case(caller, topic, account) if consulted.keys else None
        values = consulted.values_of(request_of(case.question, self.now), case.known) if case is not None else ()
        unique_id = case.unique_id if case is not None else ""
        key = (ids, consulted.seen_of(caller.principal, account), values, missing, unique_id, caller.session)
        answer = topic.answers.get(key)
        if answer is None:
            case = case or self._case(caller, topic, account)
            answer = topic.answers[key] = _of_session(caller, self._decided(case, missing))
        return answer

    def _decided(self, case: DecidingCase, missing: Sequence[tuple[Unread, Gap]]) -> AccessAnswer:
        answer = self._readable(case)
        question, policies, known, *_ = case
        if not missing:
            return answer
        outcome = simulate(
            question, policies, [*open_keys(policies, known), *(unread for unread, _ in missing)], self.now
        )
        gaps = tuple(gap for unread, gap in missing if unread in outcome.unread)
        if answer.is_possible:
            return answer._replace(gaps=gaps) if not outcome.at_worst.is_allowed else answer
        return answer._replace(verdict="unknown", gaps=gaps) if gaps and outcome.at_best.is_allowed else answer

    def _with_key(self, caller: AccessCaller, topic: Topic, answer: AccessAnswer, use: ContentKeyUse) -> AccessAnswer:
        """Return the answer to a request whose content is encrypted, given that of the policies about the action."""
        if use.topic is None:
            return depending_on_key(answer, use, self.account_of(topic.resource, caller), topic.resource)
        of_key = self._anonymous(use.topic) if caller.principal.kind == "anonymous" else None
        of_key = of_key or self._of_policies(caller, use.topic)
        gaps = (*answer.gaps, *of_key.gaps)
        if of_key.verdict == "no":
            return refused_by_key(answer, of_key, use)
        if of_key.verdict == "unknown":
            places = {"resources" if gap.arn == use.key else gap.place for gap in of_key.gaps}
            is_about_key = places == {"resources"}
            if_key = ContentKeyCondition(use.action, use.key, is_refused=False) if is_about_key else None
            verdict: Verdict = "conditional" if is_about_key and answer.is_possible else "unknown"
            return answer._replace(verdict=verdict, gaps=gaps, if_key=if_key)
        if of_key.verdict == "yes" or not answer.is_possible:
            return answer._replace(gaps=gaps)
        both = self._both(caller, topic, use.topic, {**of_key.needed, **answer.needed})
        return both._replace(gaps=gaps) if both is not None else refused_by_key(answer, of_key, use)

    def _with_public_block(self, caller: AccessCaller, topic: Topic, answer: AccessAnswer) -> AccessAnswer:
        """Return the answer with what S3 Block Public Access does or may do to a public policy of the bucket."""
        known = self.resource_of(topic.resource)
        if known is None or not self._is_public(caller, known):
            return answer
        if known.restricts_public is None and answer.verdict != "no":
            why = "it is not known whether S3 Block Public Access restricts its public policy"
            return answer._replace(gaps=(*answer.gaps, Gap(known.account, "resource", why, known.arn)))
        return answer._replace(is_blocked=answer.verdict == "no" and known.restricts_public is True)

    def _is_public(self, caller: AccessCaller, bucket: Resource) -> bool:
        """Whether the policy of a bucket is public, and Block Public Access can refuse the caller."""
        policy = bucket.policy.policy if bucket.policy is not None else None
        is_other = caller.principal.account != bucket.account and caller.principal.kind != "service"
        return policy is not None and is_other and is_public_policy(policy)

    def _both(
        self, caller: AccessCaller, topic: Topic, key_topic: Topic, first: Mapping[str, tuple[str, ...]]
    ) -> AccessAnswer | None:
        """Return an answer with one request that the policies of an action and of a KMS key allow; None if none is.

        `first`: the values of open keys to try first.
        """
        cases = [self._case(caller, each, self.account_of(each.resource, caller)) for each in (topic, key_topic)]
        needed: Mapping[str, tuple[str, ...]] | None = first
        if not self._allow(cases, first):
            statements = [statement for case in cases for statement in statements_of(case.policies)]
            is_open = partial(_is_open_in_any, cases)
            search = Search(statements, is_open, cases[0].question.context)
            needed = search.find(lambda values: self._allow(cases, values))
        if needed is None:
            return None
        found = self._decide(cases[0], needed)
        conditions = (opened(self._decide(case, needed), case.policies, case.known) for case in cases)
        return AccessAnswer("conditional", found, needed, tuple(chain.from_iterable(conditions)))

    def _anonymous(self, key_topic: Topic) -> AccessAnswer:
        """Return the answer to a request without credentials, which KMS refuses whatever the key's policy says."""
        question = CaseQuestion(read_caller("anonymous"), key_topic.action, key_topic.resource, "", key_topic.context)
        return AccessAnswer("no", simulate(question, {"resource": ()}, (), self.now).decision)

    def allows_beyond(self, other: Evaluator, caller: AccessCaller, topic: Topic) -> AccessAnswer | None:
        """Return an answer with a request that this world allows and the other one refuses; None if none was found.

        The search looks at the conditions of both worlds. The caller may be unknown to the other world.
        """
        here = self._cases(caller, topic)
        identity = caller.identity
        if identity is not None and not caller.outside:
            identity = other.world.identities.get(identity.arn, identity._replace(policies=()))
        there = other._cases(caller._replace(identity=identity), topic)
        statements = [statement for case in (*here, *there) for statement in statements_of(case.policies)]
        search = Search(statements, partial(_is_open_in_any, here), here[0].question.context)
        needed = search.find(lambda values: self._allow(here, values) and not other._allow(there, values))
        if needed is None:
            return None
        found = self._decide(here[0], needed)
        return AccessAnswer("conditional", found, needed, tuple(opened(found, here[0].policies, here[0].known)))

    def _cases(self, caller: AccessCaller, topic: Topic) -> list[DecidingCase]:
        """Return the questions that all have to be allowed: the action itself, and the use of the key."""
        use = self.key_use(topic)
        topics = [topic, *([use.topic] if use is not None and use.topic is not None and use.is_certain else [])]
        return [self._case(caller, each, self.account_of(each.resource, caller)) for each in topics]

    def _allow(self, cases: Sequence[DecidingCase], values: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether all questions are allowed with the values; each one has only those of its open keys."""
        return all(case.has_values(values) and self._decide(case, values).is_allowed for case in cases)

    def may_allow(self, caller: AccessCaller, topic: Topic) -> bool:
        """Whether a statement or a missing fact can allow it. If not, `ask` answers no, and takes longer."""
        document = self.resource_policy(topic.resource)
        if document is not None and self._names(document, caller, topic):
            return True
        account = self.account_of(topic.resource, caller)
        # A caller of another account needs an Allow in the resource's policy. If that policy is known and does not name
        # the caller, the request is denied.
        is_refused = caller.principal.account != account and (
            document is not None or self.resource_of(topic.resource) is not None
        )
        if not is_refused and self.has_allow(caller, topic):
            return True
        return any(unread.place in _GRANTING for unread, _ in self._missing(caller, topic, account))

    def identities_about(self, topic: Topic) -> Collection[IamIdentity]:
        """Return the users and roles that `may_allow` can be true of, perhaps with others."""
        return self.index.candidates(topic.lower_action, self.accounts_that_may_use(topic))

    def accounts_that_may_use(self, topic: Topic) -> set[str]:
        """Return the accounts whose callers may need no policy of their own that mentions the action.

        The resource's policy allows it to them, or a fact that is missing may do so. "" stands for all accounts.
        """
        document = self.resource_policy(topic.resource)
        if document is not None and topic.problem(document):
            return {""}
        hidden = self.gaps.accounts_that_may_use(self._named(topic.resource), self._owner(topic.resource))
        return hidden.union(accounts_named_in(topic.relevant(document))) if document is not None else hidden

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
        return self.world.resource(resource) or self._keys.managed.get(resource)

    def _named(self, resource: str) -> tuple[str, ...]:
        """Return the ARNs whose policies apply to a resource: its own, and that of an object's bucket."""
        known = self.resource_of(resource)
        return (resource,) if known is None or known.arn == resource else (resource, known.arn)

    def _case(self, caller: AccessCaller, topic: Topic, account: str) -> DecidingCase:
        known = known_keys(self.world, caller, topic.action, topic.resource, account).extended(topic.context)
        question = CaseQuestion(caller.principal, topic.action, topic.resource, account, known.context)
        not_accounts = self.world.accounts if caller.outside == ANY_OUTSIDE else ()
        case = DecidingCase(question, self._policies(caller, topic, account), known, not_accounts=not_accounts)
        return with_user_id(case, caller)

    def _decide(self, case: DecidingCase, values: Mapping[str, tuple[str, ...]]) -> Decision:
        """Return the engine's decision on the request with the given values of open keys."""
        # A request always has the keys that AWS sets itself, such as aws:TokenIssueTime.
        given = {key: texts for key, texts in values.items() if texts and case.known.is_open(key)}
        context = {**case.question.context, **given}
        return simulate(case.question._replace(context=context), case.policies, (), self.now).decision

    def _readable(self, case: DecidingCase) -> AccessAnswer:
        """Return the answer of the facts that were read."""
        question, policies, known, *_ = case
        outcome = simulate(question, policies, open_keys(policies, known), self.now)
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
        return AccessAnswer("conditional", found, needed, tuple(opened(found, policies, known)))

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
            policies["scp"] = self._control.about(callers_account.service_control, topic)
        owner = self.world.accounts.get(account)
        if owner is not None:
            policies["rcp"] = self._control.about(owner.resource_control, topic)
        document = self.resource_policy(topic.resource)
        if document is not None and document.kind == "trust" and not topic.is_about_sessions:
            return policies
        bucket = self.resource_of(topic.resource)
        if bucket is not None and bucket.restricts_public and self._is_public(caller, bucket):
            document = None
        if document is not None:
            policies["trust" if document.kind == "trust" else "resource"] = ((topic.relevant(document),),)
        elif bucket is not None:
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
        for place, document, owner in self._consulted(caller, topic, account):
            problem = topic.problem(document)
            if problem:
                yield Unread(place, problem), Gap(owner, place, problem)
        is_known = self.resource_of(topic.resource) is not None
        if is_kms_key(topic.resource) and self.resource_policy(topic.resource) is None:
            gap = Gap(account, "resource", "its policy is not among the facts", topic.resource)
            yield Unread("resource", gap.why), gap
        for gap in (*topic.gaps, *self.gaps.about(caller, self._named(topic.resource), account)):
            if gap.place == "resources":
                if not is_known:
                    yield Unread("resource", gap.why), gap
            elif gap.place != "identities" and (gap.place != "trust" or topic.is_about_sessions):
                yield Unread(gap.place, gap.why, gap.keys), gap

    def _consulted(
        self, caller: AccessCaller, topic: Topic, account: str
    ) -> Iterator[tuple[Place, PolicyDocument, str]]:
        """Yield the policies that decide, except control policies, each with its place and its owner's account."""
        identity = caller.identity
        if identity is not None:
            yield from (("identity", document, identity.account) for document in identity.policies)
            if identity.boundary is not None:
                yield "boundary", identity.boundary, identity.account
        of_resource = self.resource_policy(topic.resource)
        if of_resource is not None:
            yield "trust" if of_resource.kind == "trust" else "resource", of_resource, account


def _of_session(caller: AccessCaller, answer: AccessAnswer) -> AccessAnswer:
    """Return the answer with the name that the session needs, if only one session of the role was asked about."""
    if not caller.session or not answer.is_possible:
        return answer
    return answer._replace(verdict="conditional", needed={**answer.needed, _SESSION_NAME: (caller.session,)})


def _is_open_in_any(cases: Sequence[DecidingCase], key: str) -> bool:
    return any(case.known.is_open(key) for case in cases)
