"""Find what each user and role was allowed and never used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from dsops.access.facts.world import Gap, IamIdentity
from dsops.access.questions.evaluator import Evaluator
from dsops.access.unused.calls import NO_CALLS, LoggedCall, PrincipalCalls, calls_by_identity
from dsops.access.unused.kept import BlindSpots
from dsops.access.unused.proof import CallProof, prove
from dsops.access.unused.tighten import TightenedPolicy, Tightener

_LINKED: Final = ":role/aws-service-role/"
"""Service-linked roles. Only AWS changes their policies."""


class UnusedAccess(NamedTuple):
    """The permissions of one user or role, and their use."""

    identity: IamIdentity
    calls: PrincipalCalls
    tightened: TightenedPolicy
    proof: CallProof
    problems: tuple[str, ...]
    """Policies that can't be read; the tightened policy does not contain them."""

    @property
    def unused(self) -> tuple[str, ...]:
        """The actions that its policies allow and the tightened policy does not."""
        uses = self.tightened.uses
        kept = {action for use in uses for action in set(use.granted) - set(use.unused)}
        return tuple(
            action for action in dict.fromkeys(action for use in uses for action in use.unused) if action not in kept
        )

    @property
    def used(self) -> tuple[str, ...]:
        """The actions that were used and that its policies allow."""
        return tuple(dict.fromkeys(action for use in self.tightened.uses for action in use.used))

    @property
    def unused_services(self) -> tuple[str, ...]:
        """The prefixes of the services whose actions its policies allow, and of which it made no call."""
        called = {action.partition(":")[0] for action in self.calls.actions}
        called |= {event.prefix for event in self.calls.unknown}
        granted = {action.partition(":")[0] for use in self.tightened.uses for action in use.granted if ":" in action}
        return tuple(sorted(granted - called))

    @property
    def blind(self) -> tuple[str, ...]:
        """The actions that are kept because the logs can't show whether they were used; those of used services last."""
        used = set(self.used)
        entries = [entry for use in self.tightened.uses for entry in use.kept if entry.action not in used]
        entries.sort(key=lambda entry: entry.reason == "no event of its own")
        return tuple(dict.fromkeys(entry.action for entry in entries))


class Unused(NamedTuple):
    """The unused permissions of the facts' users and roles."""

    entries: tuple[UnusedAccess, ...]
    other_calls: int
    """The number of calls of principals that are not among the facts."""
    proof: CallProof
    """The sum of all proofs."""
    gaps: tuple[Gap, ...]
    """Missing facts about policies of users and roles."""


def find_unused(
    rows: Iterable[LoggedCall],
    evaluator: Evaluator,
    spots: BlindSpots,
    *,
    only: str = "",
    report_done: Callable[[], object] = lambda: None,
) -> Unused:
    """Return the unused permissions of all users and roles with policies, or of the one with the ARN `only`."""
    world = evaluator.world
    by_identity, others = calls_by_identity(rows, world, spots.catalogue)
    tightener = Tightener(spots)
    entries: list[UnusedAccess] = []
    proof = CallProof()
    for arn, identity in sorted(world.identities.items()):
        if arn == only or (not only and identity.policies and _LINKED not in arn):
            calls = by_identity.get(arn, NO_CALLS)
            tightened = tightener.tighten(identity, calls)
            of_identity = prove(evaluator, identity, tightened, calls)
            problems = tuple(document.problem for document in identity.policies if document.problem)
            entries.append(UnusedAccess(identity, calls, tightened, of_identity, problems))
            proof = proof.plus(of_identity)
            report_done()
    gaps = tuple(gap for gap in world.gaps if gap.place in ("identity", "identities", "boundary"))
    return Unused(tuple(entries), others, proof, gaps)
