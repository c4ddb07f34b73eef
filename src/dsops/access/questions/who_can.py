"""Find every principal that can do something: directly, or by assuming roles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from dsops.access.facts.encryption_keys import KeyGrant
from dsops.access.facts.world import Gap
from dsops.access.questions.answer import AccessAnswer, Verdict
from dsops.access.questions.assuming import Assumptions, Settled, can_call
from dsops.access.questions.caller import AccessCaller, caller_of, callers_beyond, named_sessions
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import acl_gaps, grant_gaps
from dsops.access.questions.samples import samples_of
from dsops.access.questions.topic import Topic
from dsops.best_first import best_ways


class WayStep(NamedTuple):
    """One request on a way to the goal: assuming a role, or the action itself."""

    caller: AccessCaller
    action: str
    resource: str
    answer: AccessAnswer


class Way(NamedTuple):
    """How a principal can do something: the roles to assume one after the other, and the action."""

    steps: tuple[WayStep, ...]

    @property
    def caller(self) -> AccessCaller:
        """The principal that begins."""
        return self.steps[0].caller

    @property
    def verdict(self) -> Verdict:
        """`yes` if no step has an open condition, `unknown` if a step depends on a fact that could not be read."""
        verdicts = {step.answer.verdict for step in self.steps}
        return "unknown" if "unknown" in verdicts else "conditional" if "conditional" in verdicts else "yes"

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The facts that could not be read and could change the answer."""
        return tuple(dict.fromkeys(gap for step in self.steps for gap in step.answer.gaps))


class Stopped(NamedTuple):
    """A principal whose own policies allow the action, and the decision that stops it."""

    caller: AccessCaller
    answer: AccessAnswer


class WhoCan(NamedTuple):
    """The answer to `who can do ACTION on RESOURCE`."""

    action: str
    resource: str
    ways: tuple[Way, ...]
    """The best way of each principal, the best first: with the fewest open conditions, then with the fewest steps."""
    stopped: tuple[Stopped, ...]
    """The principals that control policies, a boundary, a Deny or the resource's policy stop.

    Principals of other accounts are left out if the resource's policy does not name them.
    """
    gaps: tuple[Gap, ...]
    """Accounts and trust policies that could not be read, so that principals may be missing in the answer."""


def who_can(evaluator: Evaluator, assumptions: Assumptions, action: str, resource: str) -> WhoCan:
    """Return all principals that can do the action on the resource: an ARN, or `*`.

    In an ARN, `*` stands for any text: the answer contains the principals that can do it on one of the resources.
    """
    direct: list[Way] = []
    stopped: dict[str, Stopped] = {}
    of_grants: dict[Gap, None] = {}
    for sample in samples_of(evaluator.world, action, resource):
        topic = Topic(action, sample)
        use = evaluator.key_use(topic)
        key_action = use.action if use is not None else action
        may_allow = partial(KeyGrant.may_allow, action=key_action)
        of_key = grant_gaps(evaluator.world, may_allow, use.key if use is not None else sample)
        of_grants |= dict.fromkeys(of_key)
        for caller in _candidates(evaluator, topic):
            answer = evaluator.ask(caller, topic)
            if answer.verdict != "no":
                direct.append(Way((WayStep(caller, action, sample, answer),)))
            elif evaluator.has_allow(caller, topic) and not caller.outside:
                stopped[caller.name] = Stopped(caller, answer)
    ways = _extended(direct, assumptions)
    able = {way.caller.name for way in direct}
    gaps = [gap for gap in evaluator.world.gaps if gap.place == "identities"]
    roles = [way.caller.identity for way in ways if way.caller.identity is not None and not way.caller.outside]
    gaps += filter(None, (assumptions.gap_of(role) for role in roles if role.kind == "role"))
    gaps += _unnamed(evaluator, action, resource)
    gaps += acl_gaps(evaluator.world, resource) if ":s3:::" in resource else ()
    gaps += of_grants
    kept = tuple(entry for name, entry in stopped.items() if name not in able)
    return WhoCan(action, resource, tuple(ways), kept, tuple(gaps))


def _unnamed(evaluator: Evaluator, action: str, resource: str) -> Iterator[Gap]:
    """Yield the principals in the resource's policy that are no principals of IAM, such as canonical users."""
    document = evaluator.resource_policy(resource)
    known = evaluator.resource_of(resource)
    for statement in Topic(action, resource).relevant(document).statements if document is not None else ():
        if statement.effect != "Allow" or statement.principals is None or statement.principals.is_negated:
            continue
        for kind, text in statement.principals.written:
            if kind == "CanonicalUser" or ":iam::cloudfront:" in text:
                why = f"its policy allows {text}, and dsops does not know who that is"
                yield Gap(known.account if known is not None else "", "resource", why, resource)


def _candidates(evaluator: Evaluator, topic: Topic) -> Iterator[AccessCaller]:
    """Yield the callers that a policy may allow: users, roles, and outsiders in a resource's policy."""
    for identity in evaluator.identities_about(topic):
        caller = caller_of(identity)
        if evaluator.may_allow(caller, topic):
            yield caller
    document = evaluator.resource_policy(topic.resource)
    if document is None or (document.kind == "trust" and not topic.is_about_sessions):
        return
    callers: dict[str, AccessCaller] = {}
    for statement in topic.relevant(document).statements:
        if statement.effect == "Allow":
            beyond = callers_beyond(evaluator.world, statement, topic.resource)
            callers |= {caller.name: caller for caller in beyond if can_call(caller, topic.action)}
            yield from named_sessions(evaluator.roles_by_name, statement)
    yield from callers.values()


def _extended(direct: Sequence[Way], assumptions: Assumptions) -> list[Way]:
    """Return the best way of each principal that reaches the goal, by assuming roles or without."""
    # The roles whose best path is known: paths are found in order of cost, so a later path to the same role is never
    # better.
    settled = Settled()

    def longer(way: Way) -> Iterator[Way]:
        identity = way.caller.identity
        if identity is None or identity.kind != "role" or way.caller.outside:
            return
        for assumption in assumptions.of(identity.arn, settled):
            if assumption.answer.verdict == "yes":
                settled.names.add(assumption.caller.name)
            step = WayStep(assumption.caller, assumption.action, identity.arn, assumption.answer)
            yield Way((step, *way.steps))

    return [*best_ways(direct, longer, lambda way: way.caller.name, cost_of)]


def cost_of(way: Way) -> tuple[int, int, int]:
    """Return how good a way is: the number of unknown steps, of values that its requests need, and of all steps."""
    answers = [step.answer for step in way.steps]
    needed = sum(max(1, len(answer.needed)) for answer in answers if answer.verdict == "conditional")
    return sum(answer.verdict == "unknown" for answer in answers), needed, len(answers)
