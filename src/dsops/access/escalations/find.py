"""Find which rules hold for which principals, and what they become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from dsops.access.escalations.gains import Gain, Gains
from dsops.access.escalations.made_up import made_up_arns
from dsops.access.escalations.options import Option, Options
from dsops.access.escalations.reach import Reach
from dsops.access.escalations.rules import ANY, RESOURCE_TYPES, Rule, RuleNeed
from dsops.access.facts.world import Gap, IamIdentity
from dsops.access.questions.answer import AccessAnswer, Verdict
from dsops.access.questions.assuming import ASSUME, Assumptions
from dsops.access.questions.caller import AccessCaller, caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.policy import lower_case
from dsops.text import counted

_BOUNDARY_KEY: Final = "iam:PermissionsBoundary"
_KNOWS_BOUNDARY: Final = frozenset(
    f"iam:{action}"
    for action in ("AttachRolePolicy", "AttachUserPolicy", "PutRolePolicy", "PutUserPolicy", "UpdateAssumeRolePolicy")
)
"""The actions on identities whose requests contain the identity's boundary (Service Authorization Reference)."""


_COST_OF_DECISION: Final = 50
"""A decision of the policy engine, compared with a look at an option."""
MOST_WORK: Final = 100_000_000
"""About two minutes of CPU time."""


class NeededRequest(NamedTuple):
    """A request of a rule, and the policy engine's answer."""

    action: str
    resource: str
    answer: AccessAnswer


class Escalation(NamedTuple):
    """A principal, a rule, and what the principal becomes."""

    rule: Rule
    caller: AccessCaller
    target: str
    """The ARN of the user, role or group; for `self`, the caller's."""
    requests: tuple[NeededRequest, ...]
    gain: Gain
    through: str = ""
    """The ARN of the existing resource that runs the code; "" if there is none."""

    @property
    def verdict(self) -> Verdict:
        """`unknown` if a request depends on a fact that could not be read, `conditional` if on an open condition."""
        verdicts = {request.answer.verdict for request in self.requests}
        return "unknown" if "unknown" in verdicts else "conditional" if "conditional" in verdicts else "yes"

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The facts that could not be read and could change the answer."""
        return tuple(dict.fromkeys(gap for request in self.requests for gap in request.answer.gaps))


class Escalations:
    """Finds escalations in a world."""

    def __init__(
        self, evaluator: Evaluator, assumptions: Assumptions, rules: Sequence[Rule], *, most_work: int = MOST_WORK
    ) -> None:
        self.rules = rules
        self.gains = Gains(evaluator, assumptions)
        self._evaluator = evaluator
        self._world = evaluator.world
        self._assumptions = assumptions
        self._topics: dict[tuple[str, str, str], Topic] = {}
        self._options = Options(evaluator, self.gains)
        self._about: dict[str, frozenset[str]] = {}
        self._topic_of: dict[tuple[int, str, str], Topic] = {}
        """The id of a rule's need, a resource and a boundary -> topic."""
        self._gain_of: dict[tuple[int, str, bool], Gain | None] = {}
        """The id of a reach that is kept, a target, and whether it is changed -> gain."""
        self._account = ""
        self._most_work = most_work
        self._looked_at = 0
        self.left_out: list[IamIdentity] = []
        """The principals that `find` did not look at, because the work has a limit."""

    def unchecked(self) -> tuple[Rule, ...]:
        """Return the rules about existing resources for which the facts contain no resource."""
        types = self._options.resource_types()
        return tuple(rule for rule in self.rules if rule.target == "resource" and rule.resource_type not in types)

    def find(self, identities: Iterable[IamIdentity]) -> Iterator[Escalation]:
        """Yield the escalations of the users and roles. Administrators have none in their own account.

        The work has a limit, for organizations in which each of many thousand roles reaches all others: see
        `left_out`.
        """
        for identity in identities:
            self._enter(identity.account)
            rules = [rule for rule in self.rules if self._may_hold(identity, rule)]
            if rules and self._is_exhausted():
                self.left_out.append(identity)
                continue
            if not rules or self.gains.is_administrator(identity):
                continue
            if self.gains.administers(identity, identity.account):
                rules = [rule for rule in rules if rule.target == "assumed"]
            caller = caller_of(identity)
            for rule in rules:
                yield from self._by_rule(caller, identity, rule)

    def _is_exhausted(self) -> bool:
        return self._looked_at + _COST_OF_DECISION * self._evaluator.decisions > self._most_work

    def _enter(self, account: str) -> None:
        """Forget the answers about the last account: all requests of a principal are about its own one."""
        if account != self._account:
            self._account = account
            self._topics.clear()
            self._topic_of.clear()
            self._gain_of.clear()
            self.gains.forget_requests()

    def gap(self) -> Gap | None:
        """Return a gap for the principals that were not looked at; None if there are none."""
        if not self.left_out:
            return None
        count = counted(len(self.left_out), "principal")
        return Gap("", "identities", f"the escalations of {count}, because the search has a limit")

    def find_from(self, start: IamIdentity) -> list[Escalation]:
        """Return the escalations of one identity and of what it becomes, by assuming roles and by escalations.

        What comes after an administrator is left out.
        """
        found: list[Escalation] = []
        waiting = [*self.gains.reach(start).members]
        seen = {identity.arn for identity in waiting}
        while waiting:
            new = [*self.find([waiting.pop()])]
            found += new
            if any(each.gain.is_administrator for each in new):
                continue
            targets = [self._world.identities[each.target] for each in new if each.target in self._world.identities]
            for member in (member for target in targets for member in self.gains.reach(target).members):
                if member.arn not in seen:
                    seen.add(member.arn)
                    waiting.append(member)
        return found

    def _may_hold(self, identity: IamIdentity, rule: Rule) -> bool:
        """Whether the identity's policies mention every action that only they can allow."""
        if rule.target == "assumed" or self._options.have_policies(identity.account, rule):
            return True
        return all(identity.arn in self._mentioning(need.action) for need in rule.needs if need.action != ASSUME)

    def _mentioning(self, action: str) -> frozenset[str]:
        """Return the ARNs of the users and roles whose policies mention the action."""
        known = self._about.get(action)
        if known is None:
            about = self._evaluator.index.identities_about(lower_case(action))
            known = self._about[action] = frozenset(identity.arn for identity in about)
        return known

    def _by_rule(self, caller: AccessCaller, identity: IamIdentity, rule: Rule) -> Iterator[Escalation]:
        """Yield the options of a rule that give something and whose requests are allowed.

        What tells most options apart is asked first: what is mentioned, then the gain, which many options share.
        """
        shared: tuple[NeededRequest, ...] | None = None
        own: Reach | None = None
        for option in self._options.of(identity, rule):
            self._looked_at += 1
            is_reached = own is not None and option.target in own.arns and not option.is_changed
            if is_reached or not self._may_request(caller, rule, option):
                continue
            if own is None:
                own = self.gains.alone(identity) if rule.target == "assumed" else self.gains.reach(identity)
            gain = self._gain(own, option)
            requests = self._requests(caller, rule, option) if gain is not None else None
            if gain is None or requests is None:
                continue
            if shared is None:
                shared = self._shared_requests(caller, identity, rule)
                if shared is None:
                    return
            yield Escalation(rule, caller, option.target, (*requests, *shared), gain, option.through)

    def _may_request(self, caller: AccessCaller, rule: Rule, option: Option) -> bool:
        """Whether a statement or a missing fact can allow the requests about the target."""
        for kind, arns in option.resources.items():
            needs = [need for need in rule.needs if need.on == kind]
            if not any(all(self._may_allow(caller, need, arn, option.boundary) for need in needs) for arn in arns):
                return False
        return True

    def _may_allow(self, caller: AccessCaller, need: RuleNeed, arn: str, boundary: str) -> bool:
        return self._evaluator.may_allow(caller, self._topic(need, arn, boundary))

    def _shared_requests(
        self, caller: AccessCaller, identity: IamIdentity, rule: Rule
    ) -> tuple[NeededRequest, ...] | None:
        """Return the requests that are the same for every target; None if one of them is not allowed."""
        requests: list[NeededRequest] = []
        kinds = dict.fromkeys(need.on for need in rule.needs if need.on == ANY or need.on in RESOURCE_TYPES)
        for kind in kinds:
            needs = [need for need in rule.needs if need.on == kind]
            actions = [need.action for need in needs]
            arns = (ANY,) if kind == ANY else made_up_arns(identity, kind, actions)
            answered = self._first_allowed(caller, needs, arns, "")
            if answered is None:
                return None
            requests += answered
        return tuple(requests)

    def _requests(self, caller: AccessCaller, rule: Rule, option: Option) -> tuple[NeededRequest, ...] | None:
        """Return the requests about the target; None if one of them is not allowed."""
        requests: list[NeededRequest] = []
        for kind, arns in option.resources.items():
            needs = [need for need in rule.needs if need.on == kind]
            answered = self._first_allowed(caller, needs, arns, option.boundary)
            if answered is None:
                return None
            requests += answered
        return tuple(requests)

    def _first_allowed(
        self, caller: AccessCaller, needs: Sequence[RuleNeed], arns: Sequence[str], boundary: str
    ) -> list[NeededRequest] | None:
        """Return the requests on the first resource on which all of them are allowed, those without gaps first."""
        uncertain: list[NeededRequest] | None = None
        for arn in arns:
            answered: list[NeededRequest] = []
            for need in needs:
                topic = self._topic(need, arn, boundary)
                if not self._evaluator.may_allow(caller, topic):
                    break
                answer = self._evaluator.decide(caller, topic)
                if answer.verdict == "no":
                    break
                answered.append(NeededRequest(need.action, arn, answer))
            if len(answered) == len(needs):
                if all(request.answer.is_possible for request in answered):
                    return answered
                uncertain = uncertain or answered
        return uncertain

    def _topic(self, need: RuleNeed, arn: str, boundary: str) -> Topic:
        name = (id(need), arn, boundary)
        topic = self._topic_of.get(name)
        if topic is None:
            topic = self._topic_of[name] = self._new_topic(need, arn, boundary)
        return topic

    def _new_topic(self, need: RuleNeed, arn: str, boundary: str) -> Topic:
        """Return a topic, the same one for needs of several rules that are alike."""
        keys: dict[str, tuple[str, ...]] = {key: (value,) for key, value in need.keys.items()}
        if need.action in _KNOWS_BOUNDARY:
            keys[_BOUNDARY_KEY] = (boundary,) if boundary else ()
        partition = arn.split(":")[1] if arn.startswith("arn:") else "aws"
        known = {
            key: tuple(value.replace("{partition}", partition) for value in values) for key, values in keys.items()
        }
        return self._topics.setdefault((need.action, arn, repr(known)), Topic(need.action, arn, known))

    def _gain(self, own: Reach, option: Option) -> Gain | None:
        key = (id(own), option.target, option.is_changed)
        if key not in self._gain_of:
            self._gain_of[key] = self.gains.of(own, option.becomes, is_changed=option.is_changed)
        return self._gain_of[key]
