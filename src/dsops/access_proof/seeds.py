"""Write facts as a sandbox's seed: the identities of an escalation with their policies, and the control policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dsops.access.facts.world import IamIdentity, Levels, OrganizationFacts, PolicyDocument, UserGroup
from dsops.policy import Statement

Json = dict[str, Any]
"""A part of a seed. Its values are JSON."""

PROVER: Final = "dsops-prover"
"""The user that the proof adds. It gets the sessions of roles, and makes resources that have to exist."""
_EVERYTHING: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
_OTHER_ACCOUNT: Final = "999999999999"


def seed_of(world: OrganizationFacts, identities: Sequence[IamIdentity], function_role: str = "") -> Json:
    """Return a seed with identities of one account, the account's groups, and the control policies above it.

    `function_role` is the ARN of a role that an existing function has: it trusted Lambda when the function was made.
    """
    account = identities[0].account
    known = {identity.arn: identity for identity in identities}
    groups = [group for group in world.groups.values() if group.account == account]
    own: Json = {
        "partition": world.accounts[account].partition if account in world.accounts else "aws",
        "policies": _managed(account, known.values(), groups),
        "groups": {_name(group.arn): {"policies": _attached(group.policies, account)} for group in groups},
        "users": {PROVER: {"policies": [_EVERYTHING]}},
        "roles": {},
    }
    names = {_name(group.arn) for group in groups}
    for identity in known.values():
        own[f"{identity.kind}s"][identity.name] = _entity(identity, names, is_of_function=identity.arn == function_role)
    seed: Json = {"accounts": {account: own}}
    member = world.accounts.get(account)
    if member is not None and member.service_control and not member.is_management:
        seed["accounts"][_OTHER_ACCOUNT] = {}
        seed["organization"] = _organization(member.service_control, account)
    return seed


def _entity(identity: IamIdentity, groups: Iterable[str], *, is_of_function: bool) -> Json:
    entity: Json = {
        "path": identity.arn.split(":", 5)[5].partition("/")[2].removesuffix(identity.name).join(("/", "")),
        "policies": _attached(identity.policies, identity.account),
        "tags": dict(identity.tags),
    }
    if identity.boundary is not None:
        entity["boundary"] = identity.boundary.name
    if identity.kind == "user":
        return entity | {"groups": [name for name in identity.groups if name in groups]}
    prover = f"arn:{identity.arn.split(':')[1]}:iam::{identity.account}:user/{PROVER}"
    own = _document(identity.trust) if identity.trust is not None else {"Version": "2012-10-17", "Statement": []}
    principals = {"AWS": prover, **({"Service": "lambda.amazonaws.com"} if is_of_function else {})}
    added = {"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"}
    return entity | {"trust": {**own, "Statement": [*own["Statement"], added]}}


def _managed(account: str, identities: Iterable[IamIdentity], groups: Iterable[UserGroup]) -> Json:
    """Return the customer managed policies of the account that its identities and groups have."""
    documents = [document for identity in identities for document in identity.policies]
    documents += [document for group in groups for document in group.policies]
    documents += [identity.boundary for identity in identities if identity.boundary is not None]
    return {_name(each.name): _document(each) for each in documents if _is_customers(each, account)}


def _attached(documents: Sequence[PolicyDocument], account: str) -> list[Any]:
    return [
        document.name
        if _is_customers(document, account)
        else {"name": f"policy-{number}", "document": _document(document)}
        for number, document in enumerate(dict.fromkeys(documents), 1)
    ]


def _is_customers(document: PolicyDocument, account: str) -> bool:
    return document.name.startswith("arn:") and f":iam::{account}:policy/" in document.name


def _organization(levels: Levels, account: str) -> Json:
    """Return an organization in which the account is below units with the given control policies."""
    parts = [
        {
            "full_aws_access": False,
            "service_control_policies": [
                {"name": f"level-{depth}-{number}", "document": _document(policy)}
                for number, policy in enumerate(level)
            ],
        }
        for depth, level in enumerate(levels)
    ]
    root, *units, own = parts if len(parts) > 1 else [*parts, {}]
    inner: Json = {"accounts": {account: own}}
    for number, unit in enumerate(reversed(units)):
        inner = {"organizational_units": {f"unit-{number}": {**unit, **inner}}}
    return {"management_account": _OTHER_ACCOUNT, **root, **inner}


def _document(document: PolicyDocument) -> Json:
    """Return a policy as JSON, from its statements. Invalid documents have none."""
    policy = document.policy
    statements = [_statement(each) for each in policy.statements] if policy is not None else []
    return {"Version": policy.version if policy is not None else "2012-10-17", "Statement": statements}


def _statement(statement: Statement) -> Json:
    written: Json = {"Effect": statement.effect, statement.actions.element: list(statement.actions.written)}
    if statement.sid:
        written["Sid"] = statement.sid
    if statement.resources is not None:
        written[statement.resources.element] = list(statement.resources.written)
    if statement.principals is not None:
        principals: dict[str, list[str]] = {}
        for kind, text in statement.principals.written:
            principals.setdefault(kind, []).append(text)
        written["NotPrincipal" if statement.principals.is_negated else "Principal"] = principals
    conditions: dict[str, Mapping[str, list[str]]] = {}
    for condition in statement.conditions:
        conditions[condition.operator] = {
            **conditions.get(condition.operator, {}),
            condition.key: list(condition.values),
        }
    return written | ({"Condition": conditions} if conditions else {})


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
