"""Follow escalations over several steps: who can assume the principal, and where the steps end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from dsops.access.escalations.find import Escalation
from dsops.access.escalations.gains import Gains
from dsops.access.facts.world import IamIdentity
from dsops.access.questions.assuming import Assumptions, Settled
from dsops.access.questions.caller import AccessCaller


class RouteToRole(NamedTuple):
    """A caller who can assume the principal of an escalation."""

    caller: AccessCaller
    roles: tuple[str, ...]
    """The ARNs of the roles to assume one after the other; the last one is the principal's."""


def routes_to(assumptions: Assumptions, gains: Gains, identity: IamIdentity) -> Iterator[RouteToRole]:
    """Yield the callers who can assume a role and do not already reach an administrator of its account."""
    settled = Settled()
    seen = settled.names
    seen.add(identity.arn)
    waiting: deque[tuple[str, tuple[str, ...]]] = deque([(identity.arn, (identity.arn,))])
    while waiting:
        arn, roles = waiting.popleft()
        for assumption in assumptions.of(arn, settled):
            caller = assumption.caller
            if caller.name in seen or not assumption.answer.is_possible:
                continue
            seen.add(caller.name)
            is_known = caller.identity is not None and not caller.outside
            if is_known and caller.identity is not None and gains.administers(caller.identity, identity.account):
                continue
            yield RouteToRole(caller, roles)
            if is_known and caller.name.split(":")[-1].startswith("role/"):
                waiting.append((caller.name, (caller.name, *roles)))


def steps_to_administrator(
    found: Sequence[Escalation], gains: Gains, identities: Mapping[str, IamIdentity]
) -> Mapping[str, int]:
    """Map the ARNs of principals that become administrators to the number of escalations that this takes."""
    steps = {each.caller.name: 1 for each in found if each.gain.is_administrator}
    is_growing = True
    while is_growing:
        is_growing = False
        for each in found:
            target = identities.get(each.target)
            if each.caller.name in steps or target is None:
                continue
            behind = [steps[member.arn] for member in gains.reach(target).members if member.arn in steps]
            if behind:
                steps[each.caller.name] = min(behind) + 1
                is_growing = True
    return steps


def by_principal(found: Iterable[Escalation]) -> Mapping[str, tuple[Escalation, ...]]:
    """Group escalations by principal; within a principal, the best ones come first."""
    grouped: dict[str, list[Escalation]] = {}
    for each in found:
        grouped.setdefault(each.caller.name, []).append(each)
    return {name: tuple(sorted(each, key=_rank)) for name, each in grouped.items()}


def _rank(escalation: Escalation) -> tuple[int, bool, bool, int]:
    order = ("yes", "conditional", "unknown")
    is_own = escalation.rule.target == "self"
    return (order.index(escalation.verdict), not escalation.gain.is_administrator, not is_own, len(escalation.requests))
