"""Find the policies that a change touches, and the questions whose answers it can change.

A question whose action and resource no changed policy is about has the same answer before and after the change. So only
the other questions are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from dsops.access.facts.world import IamIdentity, OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.assuming import ASSUME, Assumptions
from dsops.access.questions.caller import caller_of
from dsops.access.questions.data_actions import data_requests
from dsops.access.questions.evaluator import Topic
from dsops.access.questions.path import ways_from
from dsops.arn import is_account_id, parse_arn

ADMINISTRATION: Final = "iam:PutRolePolicy"
"""The action that stands for the administration of an account: its caller can give any role any permission."""
ANY_ROLE_NAME: Final = "any-role"
_ANY_ROLE: Final = "arn:{partition}:iam::{account}:role/" + ANY_ROLE_NAME
_SAMPLE: Final = "any"


class Sides(NamedTuple):
    """The facts before and after a change."""

    before: OrganizationFacts
    after: OrganizationFacts


def changed_documents(sides: Sides) -> tuple[PolicyDocument, ...]:
    """Return the policies that only one side has, or that only one side attaches to the same owner."""
    changed: list[PolicyDocument] = []
    for documents in zip(*map(_attachments, sides), strict=True):
        before, after = documents
        for owner in before.keys() | after.keys():
            changed += _difference(before.get(owner, ()), after.get(owner, ()))
    return tuple({id(document): document for document in changed}.values())


def _attachments(facts: OrganizationFacts) -> Iterator[dict[str, tuple[PolicyDocument, ...]]]:
    """Yield the policies by owner, for each kind of owner."""
    yield {arn: _of_identity(identity) for arn, identity in facts.identities.items()}
    yield {arn: (known.policy,) for arn, known in facts.resources.items() if known.policy is not None}
    yield {
        account.identifier: tuple(
            document
            for levels in (account.service_control, account.resource_control)
            for level in levels
            for document in level
        )
        for account in facts.accounts.values()
    }


def _of_identity(identity: IamIdentity) -> tuple[PolicyDocument, ...]:
    boundary = (identity.boundary,) if identity.boundary is not None else ()
    trust = (identity.trust,) if identity.trust is not None else ()
    return (*identity.policies, *boundary, *trust)


def _difference(before: tuple[PolicyDocument, ...], after: tuple[PolicyDocument, ...]) -> Iterator[PolicyDocument]:
    if before != after:
        yield from (document for document in before if document not in after)
        yield from (document for document in after if document not in before)


def affected_topics(
    sides: Sides, changed: Iterable[PolicyDocument], roles: Iterable[str], assumptions: Iterable[Assumptions]
) -> tuple[tuple[str, str], ...]:
    """Return pairs of action and resource whose answers can differ.

    - `changed`: the changed policies.
    - `roles`: the ARNs of the roles that other principals can assume after the change than before.
    - `assumptions`: who can assume which role, for each side.
    """
    documents = [*changed]
    for facts, of_side in zip(sides, assumptions, strict=True):
        documents += _policies_behind(facts, of_side, roles)
    topics: dict[tuple[str, str], None] = {}
    for action, resource in _questions(sides, documents):
        topic = Topic(action, resource)
        if any(topic.relevant(document).statements for document in documents):
            topics[action, resource] = None
    return tuple(topics)


def _policies_behind(
    facts: OrganizationFacts, assumptions: Assumptions, roles: Iterable[str]
) -> Iterator[PolicyDocument]:
    """Yield the policies of roles, and of the roles that these can become."""
    for arn in roles:
        role = facts.identities.get(arn)
        if role is not None:
            yield from role.policies
            for way in ways_from(assumptions, caller_of(role)):
                further = facts.identities.get(way.steps[-1].resource)
                yield from further.policies if further is not None else ()


def _questions(sides: Sides, documents: Iterable[PolicyDocument]) -> Iterator[tuple[str, str]]:
    """Yield the data actions on known resources, those that policies name, and the administration of each account."""
    for facts in sides:
        for account in facts.accounts.values():
            yield ADMINISTRATION, _ANY_ROLE.format(partition=account.partition, account=account.identifier)
    known: Mapping[str, Resource] = {**sides.before.resources, **sides.after.resources}
    for arn in known:
        yield from data_requests(arn)
    for document in documents:
        if document.kind not in ("trust", "scp", "rcp"):
            yield from _named(document)


def _named(document: PolicyDocument) -> Iterator[tuple[str, str]]:
    """Yield the actions and resources that the statements of a policy name."""
    policy = document.policy
    for statement in policy.statements if policy is not None else ():
        written = statement.resources.written if statement.resources is not None else ()
        for text in written:
            if text == "*" or "${" in text:
                continue
            resource = text.replace("*", _SAMPLE).replace("?", "x")
            arn = parse_arn(resource)
            if arn is None or (arn.account and not is_account_id(arn.account)):
                continue
            yield from data_requests(resource)
            exact = (action for action in statement.actions.written if "*" not in action and "?" not in action)
            yield from ((action, resource) for action in exact if action != ASSUME)
