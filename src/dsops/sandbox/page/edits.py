"""A policy document that a user edits on the page: what AWS would say to it, and which latest calls it would change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from dsops.document import parse_json
from dsops.errors import ConfigError, PolicyInvalid
from dsops.policy import Policies, Policy, PolicyKind, evaluate, lint, parse_policy
from dsops.sandbox.authorization.authorizer import RecordedDecision
from dsops.sandbox.page.calls import call_row, documents_of
from dsops.sandbox.page.changes import replaced
from dsops.sandbox.page.places import NEW_POLICY, PolicyPlace, place_of
from dsops.sandbox.state.world import World
from dsops.service_reference import open_reference

LONGEST = 65_536
"""The maximum length of a document: twice that of the longest policy of AWS, a key's."""
_TRIED = 200
_RULES_OF_QUESTIONS = frozenset(
    (
        "action.unknown",
        "action.unknown-service",
        "condition.key-not-sent",
        "condition.unknown-key",
        "resource.needs-star",
        "resource.other-kind",
        "resource.other-service",
        "resource.unknown-partition",
    )
)
"""The lint rules that say something about a question. The others are about what a policy opens."""


class Edit(NamedTuple):
    """A document that a user wrote for a policy that was evaluated."""

    kind: PolicyKind
    name: str
    text: str
    place: PolicyPlace
    """Where the policy is stored."""


def findings_of(edit: Edit) -> list[dict[str, object]]:
    """Return what the linter finds in the document; findings of severity `error` include what AWS refuses."""
    if len(edit.text) > LONGEST:
        return [_finding("error", 1, f"the document has {len(edit.text):,} characters: AWS accepts no such policy", "")]
    try:
        document = parse_json(edit.text, "")
    except ConfigError as error:
        return [_finding("error", error.where.line if error.where else 1, error.message, error.hint)]
    report = lint(document, len(edit.text), edit.kind, reference=open_reference())
    return [_finding(found.severity, found.line, found.message, found.hint) for found in report.findings]


def findings_of_question(action: str, resource: str, keys: Iterable[str]) -> list[dict[str, object]]:
    """Return what the linter finds in an action, a resource and condition keys: names that AWS does not have."""
    statement: dict[str, object] = {"Effect": "Allow", "Action": action, "Resource": resource}
    condition = dict.fromkeys(keys, "false")
    if condition:
        statement["Condition"] = {"Null": condition}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    report = lint(parse_json(text, ""), len(text), "identity", reference=open_reference())
    told = (found for found in report.findings if found.rule.code in _RULES_OF_QUESTIONS)
    return [_finding(found.severity, 0, found.message, found.hint) for found in told]


def _finding(severity: str, line: int, message: str, hint: str) -> dict[str, object]:
    return {"severity": severity, "line": line, "message": message, "hint": hint}


def calls_that_change(
    world: World, entries: Iterable[tuple[int, RecordedDecision]], edit: Edit
) -> list[dict[str, object]]:
    """Return a row for each of the latest calls that would be decided otherwise, the newest first.

    `entries` are numbered decisions, the newest first. Each is evaluated with the policies that applied to it then,
    with only the edited document replaced.
    """
    try:
        policy = parse_policy(edit.text, edit.kind, name=edit.name)
    except PolicyInvalid:
        return []
    rows = []
    for number, entry in list(entries)[:_TRIED]:
        decision = entry.decision
        policies = _with_edit(world, entry, edit, policy)
        if policies is None:
            continue
        after = evaluate(decision.request, policies)
        if after.is_allowed != decision.is_allowed:
            rows.append({**call_row(number, entry), "would_be_allowed": after.is_allowed})
    return rows


def _with_edit(world: World, entry: RecordedDecision, edit: Edit, policy: Policy) -> Policies | None:
    """Return the call's policies with the edited one; None if the edited policy did not apply to the call."""
    policies = entry.decision.policies
    if place_of(world, entry.decision.request, edit.kind, edit.name) != edit.place:
        return None
    if (edit.kind, edit.name) in documents_of(entry):
        return replaced(policies, policy)
    is_new = edit.name == NEW_POLICY
    return policies._replace(identity=(*policies.identity, policy)) if is_new else None
