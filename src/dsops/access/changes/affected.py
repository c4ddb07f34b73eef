"""Find the policies that a change touches, and the questions whose answers it can change.

A question whose action and resource no changed policy is about has the same answer before and after the change. So only
the other questions are asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from dsops.access.facts.world import OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.assuming import ASSUME, Assumptions
from dsops.access.questions.caller import AccessCaller, caller_of
from dsops.access.questions.data_actions import data_requests
from dsops.access.questions.encryption import Keys
from dsops.access.questions.path import ways_from
from dsops.access.questions.topic import Topic
from dsops.arn import is_account_id, parse_arn
from dsops.policy import lower_case
from dsops.service_reference import open_reference

ADMINISTRATION: Final = "iam:PutRolePolicy"
"""The action that stands for the administration of an account: its caller can give any role any permission."""
ANY_ROLE_NAME: Final = "any-role"
_ANY_ROLE: Final = "arn:{partition}:iam::{account}:role/" + ANY_ROLE_NAME
_SAMPLE: Final = "any"
_BY_ACCOUNT: Final = 1
"""The reach of a policy that names only the caller's account (`dsops.policy.language.principals`)."""


class Sides(NamedTuple):
    """The facts before and after a change."""

    before: OrganizationFacts
    after: OrganizationFacts


def changed_documents(sides: Sides) -> tuple[PolicyDocument, ...]:
    """Return the policies that a change touches: those of one side only, and those that depend on other changed facts.

    If an account has another position, any policy can depend on it, so all policies are returned.
    """
    if _positions(sides.before) != _positions(sides.after):
        return _distinct(document for facts in sides for document in _all_documents(facts))
    changed: list[PolicyDocument] = []
    for before, after in zip(*map(_attachments, sides), strict=True):
        for owner in before.keys() | after.keys():
            changed += _difference(before.get(owner, ()), after.get(owner, ()))
    for facts in sides:
        for arn in _changed_callers(sides):
            identity = facts.identities.get(arn)
            if identity is not None:
                changed += identity.policies
                changed += _naming(facts, caller_of(identity))
    return _distinct(changed)


def changed_arns(sides: Sides) -> frozenset[str]:
    """Return the users, roles and resources on both sides that have other tags, another id or another owner."""
    before, after = sides
    identities = {arn for arn in _changed_callers(sides) if arn in before.identities and arn in after.identities}
    resources = {
        arn
        for arn, known in before.resources.items()
        if arn in after.resources and _traits(known) != _traits(after.resources[arn])
    }
    return frozenset(identities | resources)


def _traits(known: Resource) -> tuple[object, ...]:
    return dict(known.tags), known.account, known.policy is None, known.kms_key, known.aliases, known.restricts_public


def _distinct(documents: Iterable[PolicyDocument]) -> tuple[PolicyDocument, ...]:
    return tuple({id(document): document for document in documents}.values())


def _positions(facts: OrganizationFacts) -> dict[str, tuple[object, ...]]:
    """Return what requests of and to an account depend on, except for the content of control policies."""
    return {
        account.identifier: (
            account.organization_id,
            account.path,
            account.is_management,
            len(account.service_control),
            len(account.resource_control),
        )
        for account in facts.accounts.values()
    }


def _changed_callers(sides: Sides) -> frozenset[str]:
    """Return the ARNs of users and roles that only one side has, or that have other tags or another id.

    Those with a boundary on one side only are among them, because a boundary limits what it does not mention.
    """
    before, after = (
        {
            arn: (identity.unique_id, dict(identity.tags), identity.boundary is None)
            for arn, identity in facts.identities.items()
        }
        for facts in sides
    )
    return frozenset(arn for arn in before.keys() | after.keys() if before.get(arn) != after.get(arn))


def _naming(facts: OrganizationFacts, caller: AccessCaller) -> Iterator[PolicyDocument]:
    """Yield the policies of resources and roles that allow the caller something without a policy of its own."""
    owned = [known.policy for known in facts.resources.values()]
    owned += [identity.trust for identity in facts.identities.values()]
    for document in owned:
        policy = document.policy if document is not None else None
        if document is None or policy is None:
            continue
        reached = (
            statement.principals.reach(caller.principal)
            for statement in policy.statements
            if statement.effect == "Allow" and statement.principals is not None
        )
        if max(reached, default=0) > _BY_ACCOUNT:
            yield document


def _all_documents(facts: OrganizationFacts) -> Iterator[PolicyDocument]:
    for attached in _attachments(facts):
        for documents in attached.values():
            yield from documents


def _attachments(facts: OrganizationFacts) -> Iterator[dict[str, tuple[PolicyDocument, ...]]]:
    """Yield the policies by owner, for each kind of owner."""
    identities = facts.identities
    yield {arn: identity.policies for arn, identity in identities.items()}
    yield {arn: (identity.boundary,) for arn, identity in identities.items() if identity.boundary is not None}
    yield {arn: (identity.trust,) for arn, identity in identities.items() if identity.trust is not None}
    yield {arn: (known.policy,) for arn, known in facts.resources.items() if known.policy is not None}
    yield {
        f"{account.identifier} {kind} {number}": level
        for account in facts.accounts.values()
        for kind, levels in (("scp", account.service_control), ("rcp", account.resource_control))
        for number, level in enumerate(levels)
    }


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
    others = changed_arns(sides)
    keys = [Keys(facts) for facts in sides]
    for action, resource in _questions(sides, documents):
        uses = (
            of_side.use(action, resource, facts.resource(resource)) for of_side, facts in zip(keys, sides, strict=True)
        )
        asked = [Topic(action, resource), *(use.topic for use in uses if use is not None and use.topic is not None)]
        arns = {resource.partition("/")[0], *(topic.resource for topic in asked)}
        if not others.isdisjoint(arns) or any(
            topic.relevant(document).statements for topic in asked for document in documents
        ):
            topics[action, resource] = None
    return tuple(topics)


def _policies_behind(
    facts: OrganizationFacts, assumptions: Assumptions, roles: Iterable[str]
) -> Iterator[PolicyDocument]:
    """Yield the policies of roles and of the roles that these can become, and the policies that name one of them."""
    reached: dict[str, None] = {}
    for arn in roles:
        role = facts.identities.get(arn)
        if role is not None:
            reached[arn] = None
            reached |= dict.fromkeys(way.steps[-1].resource for way in ways_from(assumptions, caller_of(role)))
    for arn in reached:
        identity = facts.identities.get(arn)
        if identity is not None:
            yield from identity.policies
            yield from _naming(facts, caller_of(identity))


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
            yield from ((action, resource) for action in exact if action != ASSUME and _can_be_about(action, resource))


def _can_be_about(action: str, resource: str) -> bool:
    """Whether AWS defines the action for this type of resource. Without AWS's reference, every pair counts."""
    reference = open_reference()
    prefix, _, name = lower_case(action).partition(":")
    service = reference.service(prefix) if reference is not None else None
    facts = service.actions.get(name) if service is not None else None
    return facts is None or any(_expression(arn).fullmatch(resource) for arn in facts.arns)


@cache
def _expression(arn_format: str) -> re.Pattern[str]:
    """Return the ARNs of a type of resource, such as `arn:${Partition}:s3:::${BucketName}`."""
    return re.compile(".*".join(map(re.escape, re.split(r"\$\{[^}]*\}|\*", arn_format))))
