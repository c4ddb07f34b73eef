"""Policies -> the same policies without the actions that were not used.

A statement keeps its effect, resources and conditions. A tightened policy never allows an action that the policy does
not allow: each of its actions matches the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dsops.access.facts.world import IamIdentity
from dsops.access.unused.calls import UNKNOWN, PrincipalCalls
from dsops.access.unused.catalogue import Catalogue
from dsops.access.unused.kept import BlindSpots, Kept, KeptAction
from dsops.arn import parse_arn
from dsops.grants.names import UniqueNames
from dsops.plan.statements import Statement as StatementJson
from dsops.plan.statements import one_or_more
from dsops.policy import Policy, Statement, lower_case


class StatementUsage(NamedTuple):
    """An Allow statement, and what was used of it."""

    policy: str
    sid: str
    number: int
    """The position in the policy, counted from 1."""
    granted: tuple[str, ...]
    """All actions that the statement allows, in AWS's spelling; without the service reference, those written."""
    kept: tuple[KeptAction, ...]
    actions: tuple[str, ...]
    """The Action element of the tightened statement; () if the statement is left out."""

    @property
    def used(self) -> tuple[str, ...]:
        """The actions that were used."""
        return tuple(kept.action for kept in self.kept if kept.reason == "used")

    @property
    def unused(self) -> tuple[str, ...]:
        """The actions of `granted` that the tightened statement does not allow."""
        present = {kept.action for kept in self.kept} | set(self.actions)
        return tuple(action for action in self.granted if action not in present)


class TightenedPolicy(NamedTuple):
    """The policies of a user or role without unused actions, as one policy."""

    uses: tuple[StatementUsage, ...]
    statements: tuple[StatementJson, ...]
    """The statements as JSON: tightened Allow statements, and Deny statements unchanged."""


class Tightener:
    """Tightens policies. It remembers which actions an Action element matches."""

    def __init__(self, spots: BlindSpots) -> None:
        self._spots = spots
        self._granted: dict[tuple[tuple[str, ...], bool], tuple[str, ...]] = {}

    def tighten(self, identity: IamIdentity, calls: PrincipalCalls) -> TightenedPolicy:
        """Return the tightened policies of a user or role. A policy with a problem is left out, as AWS has none."""
        kept = self._spots.kept_for(calls)
        names = UniqueNames("[^A-Za-z0-9]", "")
        uses: list[StatementUsage] = []
        statements: list[StatementJson] = []
        for policy, number, statement in _statements(identity):
            if statement.effect == "Deny":
                actions = statement.actions.written
            else:
                use = self._use(policy, number, statement, kept, calls)
                uses.append(use)
                actions = use.actions
            if actions:
                sid = names.of(statement.sid) if statement.sid else ""
                statements.append(_as_json(policy, statement, sid, actions))
        return TightenedPolicy(tuple(uses), tuple(statements))

    def _use(
        self, policy: Policy, number: int, statement: Statement, kept: Kept, calls: PrincipalCalls
    ) -> StatementUsage:
        granted = self._granted_by(statement)
        matching = [
            entry
            for lower, entry in sorted(kept.items())
            if statement.actions.matches(lower) and _is_about(statement, lower, entry, calls)
        ]
        if self._spots.catalogue.is_complete:
            actions = self._without_whole_services(statement, matching)
        else:
            actions = self._by_pattern(statement, matching, calls)
        return StatementUsage(policy.name, statement.sid, number, granted, tuple(matching), actions)

    def _without_whole_services(self, statement: Statement, matching: Iterable[KeptAction]) -> tuple[str, ...]:
        """Return the kept actions, with `service:*` for a service that is kept as a whole and written as a whole."""
        by_service: dict[str, list[str]] = {}
        for entry in matching:
            by_service.setdefault(entry.action.partition(":")[0], []).append(entry.action)
        written = set() if statement.actions.is_negated else set(map(lower_case, statement.actions.written))
        actions: list[str] = []
        for service, names in by_service.items():
            is_whole = written & {"*", f"{service}:*"} and len(names) == len(self._spots.catalogue.names_of(service))
            actions += [f"{service}:*"] if is_whole else names
        return tuple(actions)

    def _granted_by(self, statement: Statement) -> tuple[str, ...]:
        key = (statement.actions.written, statement.actions.is_negated)
        if key not in self._granted:
            self._granted[key] = tuple(_matching(statement, self._spots.catalogue))
        return self._granted[key]

    def _by_pattern(
        self, statement: Statement, matching: Iterable[KeptAction], calls: PrincipalCalls
    ) -> tuple[str, ...]:
        """Return the element without the service reference.

        NotAction stays, and so do patterns of services that have blind spots.
        """
        if statement.actions.is_negated:
            return statement.actions.written
        blind = {*self._spots.services, *(event.prefix for event in calls.unknown if event.prefix)}
        used = {entry.action.partition(":")[0] for entry in matching}
        actions: dict[str, None] = dict.fromkeys(entry.action for entry in matching)
        for text in statement.actions.written:
            service, _, name = text.partition(":")
            if not name:
                actions |= dict.fromkeys(f"{prefix}:*" for prefix in sorted(blind | used))
            elif "*" in service or "?" in service or lower_case(service) in blind | used:
                actions[text] = None
        return tuple(actions)


def _statements(identity: IamIdentity) -> Iterator[tuple[Policy, int, Statement]]:
    for document in dict.fromkeys(identity.policies):
        policy = document.policy
        for number, statement in enumerate(policy.statements if policy is not None else (), 1):
            if policy is not None:
                yield policy, number, statement


def _matching(statement: Statement, catalogue: Catalogue) -> Iterator[str]:
    """Yield the actions that a statement's Action element matches."""
    if not catalogue.is_complete:
        yield from statement.actions.written
        return
    for prefix in catalogue.prefixes():
        for action in catalogue.names_of(prefix):
            if statement.actions.matches(lower_case(action)):
                yield action


def _is_about(statement: Statement, lower: str, entry: KeptAction, calls: PrincipalCalls) -> bool:
    """Whether a use of the action can have needed this statement, by the resources of its calls."""
    if not entry.is_certain or statement.resources is None:
        return True
    return any(
        resource == UNKNOWN or covers_resource(statement, resource) for resource in calls.actions[lower].resources
    )


def covers_resource(statement: Statement, resource: str) -> bool:
    """Whether a statement's Resource element can match a resource. Policy variables match everything."""
    element = statement.resources
    if element is None or any("${" in text for text in element.written):
        return True
    parts = tuple(resource.split(":", 5)) if parse_arn(resource) is not None else None
    return element.matches(resource, parts, dict)


def _as_json(policy: Policy, statement: Statement, sid: str, actions: Iterable[str]) -> StatementJson:
    """Return a statement of a policy of version 2012-10-17."""

    def literal(text: str) -> str:
        # In policies of version 2008-10-17, `${` is plain text.
        return text if policy.version == "2012-10-17" else text.replace("${", "${$}{")

    made: StatementJson = {"Sid": sid} if sid else {}
    is_denied = statement.effect == "Deny" and statement.actions.is_negated
    is_kept = statement.actions.is_negated and tuple(actions) == statement.actions.written
    made |= {"Effect": statement.effect, "NotAction" if is_denied or is_kept else "Action": one_or_more(actions)}
    if statement.resources is not None:
        made[statement.resources.element] = one_or_more(map(literal, statement.resources.written))
    block: dict[str, dict[str, object]] = {}
    for condition in statement.conditions:
        values = one_or_more(map(literal, condition.values))
        block.setdefault(condition.operator, {})[condition.key] = values
    if block:
        made["Condition"] = block
    return made
