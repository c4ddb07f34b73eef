"""The decisions of the sandbox as the page shows them: one row for each, and all details of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dsops.policy import Decision, PolicyKind, evaluate
from dsops.request.context import iso_time
from dsops.request.stored_policies import StoredPolicy, compiled
from dsops.sandbox.authorization.authorizer import NO_ROLE, RecordedDecision
from dsops.sandbox.authorization.decisions import decision_record
from dsops.sandbox.page.changes import changes_that_allow, replaced
from dsops.sandbox.page.places import NEW_POLICY, place_of
from dsops.sandbox.state.world import World

if TYPE_CHECKING:
    from dsops.sandbox.state.organizations import Levels


def call_row(number: int, entry: RecordedDecision) -> dict[str, object]:
    """Return one row of the list of calls; `number` counts the decisions of this sandbox from 1."""
    decision = entry.decision
    request = decision.request
    return {
        "number": number,
        "time": iso_time(entry.at),
        "caller": request.principal.arn or request.principal.federated,
        "action": request.action,
        "resource": request.resource,
        "is_allowed": decision.is_allowed,
        "effect": decision.effect,
        "decided_by": decision.decided_by,
        "policy": "" if decision.policy is None else decision.policy.name,
    }


def call_details(world: World, number: int, entry: RecordedDecision) -> dict[str, object]:
    """Return the decision with the documents that were evaluated, and the changes that would allow it now.

    A change is made to the document that is stored now, so that saving it undoes no later edit.
    """
    request, documents = entry.decision.request, []
    for (kind, name), text in documents_of(entry).items():
        place = place_of(world, request, kind, name)
        documents.append({"kind": kind, "name": name, "text": text, "now": None if place is None else place.text})
    current, texts = decision_now(world, entry)
    return {
        "number": number,
        **decision_record(entry),
        "documents": documents,
        "is_allowed_now": current.is_allowed,
        "changes": [change._asdict() for change in changes_that_allow(current, texts)],
    }


def decision_now(world: World, entry: RecordedDecision) -> tuple[Decision, dict[tuple[PolicyKind, str], str]]:
    """Return how the request would be decided with the documents that are stored now, and these documents.

    Policies that were attached later are not considered, except for the one that the page adds to a caller.
    """
    request, policies, texts = entry.decision.request, entry.decision.policies, documents_of(entry)
    for kind, name in [*texts, ("identity", NEW_POLICY)]:
        place = place_of(world, request, kind, name)
        before = texts.get((kind, name), "")
        if place is None or place.text in {"", before}:
            continue
        policy = compiled(place.text, kind, name)
        texts[kind, name] = place.text
        policies = replaced(policies, policy) if before else policies._replace(identity=(*policies.identity, policy))
    return evaluate(request, policies), texts


def documents_of(entry: RecordedDecision) -> dict[tuple[PolicyKind, str], str]:
    """Return the documents that were evaluated for the decision, by kind and name of the policy."""
    return {(kind, policy.name): policy.text for kind, policy in _documents(entry)}


def _documents(entry: RecordedDecision) -> Iterator[tuple[PolicyKind, StoredPolicy]]:
    consulted = entry.consulted
    kinds: Mapping[PolicyKind, tuple[StoredPolicy | None, ...]] = {
        "identity": consulted.identity,
        "boundary": (consulted.boundary,),
        "session": _flat(consulted.session),
        _resource_kind(entry.decision): (consulted.resource,),
        "scp": _flat(consulted.service_control),
        "rcp": _flat(consulted.resource_control),
    }
    for kind, policies in kinds.items():
        for policy in policies:
            if policy is not None and policy is not NO_ROLE:
                yield kind, policy


def _resource_kind(decision: Decision) -> PolicyKind:
    resource = decision.policies.resource
    return "resource" if resource is None else resource.kind


def _flat(levels: Levels) -> tuple[StoredPolicy, ...]:
    return tuple(policy for level in levels for policy in level)
