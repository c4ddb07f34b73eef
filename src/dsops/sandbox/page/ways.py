"""Whether a principal can become another one: the chain of roles to assume, or which policy refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from dsops.best_first import best_ways
from dsops.policy import Reason
from dsops.sandbox.page.assuming import AssumeQuestions, TrustLink, known_reasons
from dsops.sandbox.page.principals import Subject, identities, subject_at
from dsops.sandbox.page.trust import NamedRoles
from dsops.sandbox.state.world import Role

_MOST_DECISIONS = 20_000
"""How many decisions one search makes at most. No other request is answered meanwhile."""
_MOST_NAMED = 3


class RoleChain(NamedTuple):
    """The best chain of assumed roles that was found."""

    links: tuple[TrustLink, ...]
    is_best: bool = True
    """Whether no better way exists: the search looked at all roles, or each step is allowed now."""

    @property
    def cost(self) -> tuple[int, int, int]:
        """Denied steps, steps with open conditions, and all steps."""
        states = [link.state for link in self.links]
        return states.count("denied"), states.count("conditional"), len(states)

    @property
    def verdict(self) -> Literal["yes", "conditional", "no", "unknown"]:
        """Whether the last role can be assumed; `unknown` if a better way may exist."""
        denied, conditional, steps = self.cost
        if not self.is_best:
            return "unknown"
        if denied or not steps:
            return "no"
        return "conditional" if conditional else "yes"


def find_way(questions: AssumeQuestions, source: Subject, target: Role) -> RoleChain:
    """Return the best way: one without open conditions, else one without denied steps, else the shortest.

    The way has no links if there is none.
    """
    roles = {each.arn: each for each in identities(questions.world) if isinstance(each, Role)}
    open_roles = NamedRoles(role for role in roles.values() if role.arn == target.arn or role.arn != source.arn)
    """The roles to which a better way may come. After a step without conditions a later way is no better."""

    def longer(way: RoleChain) -> Iterator[RoleChain]:
        if questions.asked > _MOST_DECISIONS:
            return
        last = roles[way.links[-1].target] if way.links else source
        for link in questions.links([last], open_roles):
            yield RoleChain((*way.links, link))
            if link.state == "allowed":
                open_roles.remove(roles[link.target])

    ways = best_ways(longer(RoleChain(())), longer, lambda way: way.links[-1].target, lambda way: way.cost)
    found = next((way for way in ways if way.links[-1].target == target.arn), RoleChain(()))
    is_open = any(link.state != "allowed" for link in found.links) or not found.links
    return found._replace(is_best=not is_open or questions.asked <= _MOST_DECISIONS)


def way_view(questions: AssumeQuestions, source: Subject, target: Subject) -> dict[str, object]:
    """Return whether `source` can become `target`: `yes`, `conditional`, `no` or `unknown`, with the steps.

    `refusals` has a sentence for each policy that refuses a denied step, or the direct call if there is no way.
    """
    ends = {"from": source.arn, "to": target.arn}
    if not isinstance(target, Role):
        return {**ends, "verdict": "no", "steps": [], "refusals": ["only a role can be assumed"]}
    way = find_way(questions, source, target)
    refused = _denied_call(questions, way) if way.links else (source, target)
    steps = [link.record() for link in way.links]
    return {
        **ends,
        "verdict": way.verdict,
        "steps": steps,
        "refusals": _refusals(questions, *refused) if refused else [],
    }


def _denied_call(questions: AssumeQuestions, way: RoleChain) -> tuple[Subject, Role] | None:
    """Return the caller and the role of the first denied step."""
    link = next((link for link in way.links if link.state == "denied"), None)
    if link is None:
        return None
    caller, role = subject_at(questions.world, link.source), subject_at(questions.world, link.target)
    return (caller, role) if caller is not None and isinstance(role, Role) else None


def _refusals(questions: AssumeQuestions, caller: Subject, role: Role) -> list[str]:
    """Return a sentence for each type of policy that refuses the call."""
    reasons = known_reasons(caller, questions.decision(caller, role))
    return [
        _sentence(reason)
        for reason in reasons
        if reason.effect == "ExplicitDeny" or (reason.effect == "ImplicitDeny" and reason.is_needed)
    ]


def _sentence(reason: Reason) -> str:
    kind = reason.policy_type
    if reason.effect == "ExplicitDeny":
        denying = next(each for each in reason.matched if each.statement.effect == "Deny")
        statement = f"statement {denying.statement.sid}" if denying.statement.sid else "a statement"
        return f"{statement} of the {kind} {denying.policy.name} denies it"
    for near in reason.near:
        failure = near.failures[0]
        if near.statement.effect == "Allow" and {each.element for each in near.failures} == {"Principal"}:
            named = ", ".join(failure.wanted[:_MOST_NAMED])
            more = f" and {len(failure.wanted) - _MOST_NAMED} more" if len(failure.wanted) > _MOST_NAMED else ""
            return f"the {kind} names {named}{more}, and not this principal"
        if near.statement.effect == "Allow" and {each.element for each in near.failures} == {"Condition"}:
            keys = " and ".join(f"{each.key} ({each.operator} {' or '.join(each.wanted)})" for each in near.failures)
            return f"the {kind} allows it only with {keys}"
    return f"no {kind} allows it"
