"""Combines several credentials and files into one reader of users and roles.

An error while reading becomes a reason in the result, and the search continues.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from dsops.arn import parse_arn
from dsops.aws.http.answer import object_in, objects_in, text_in
from dsops.errors import DsopsError, EntityNotFound, PolicyInvalid
from dsops.explain.evidence.attached import AttachedReader
from dsops.policy import ANY_ACCOUNT, Attached, Entity, PolicyText, lower_case
from dsops.policy.simulation.facts import Kind

Given = Mapping[tuple[str, Kind, str], Attached]
"""Entities from files, by account, kind and name."""


class SeveralReaders:
    """Reads the users and roles of one account.

    Sources are tried in order until nothing is missing: files first, then IAM with each of the credentials.
    """

    def __init__(self, account: str, readers: Sequence[AttachedReader], policies_by_arn: Given) -> None:
        self._account = account
        self._readers = readers
        self._given = policies_by_arn

    async def role(self, name: str) -> Attached:
        """Return what is known about the role. Raises EntityNotFound if IAM has no such role."""
        return await self._read("role", name)

    async def user(self, name: str) -> Attached:
        """Return what is known about the user. Raises EntityNotFound if IAM has no such user."""
        return await self._read("user", name)

    async def managed(self, arn: str) -> PolicyText | str:
        """Return a managed policy, or the reason why it can't be read."""
        why = "no keys here may read it"
        for reader in self._readers:
            try:
                return await reader.managed(arn)
            except DsopsError as error:
                why = error.message
        return why

    async def _read(self, kind: Kind, name: str) -> Attached:
        from_file = self._given.get((self._account, kind, name))
        if from_file is not None and not from_file.is_template:
            return from_file
        why = f"no keys here are of account {self._account}"
        best = Attached(None, (), None, why, (why,), why)
        for number, reader in enumerate(self._readers):
            try:
                attached = await (reader.role(name) if kind == "role" else reader.user(name))
            except EntityNotFound:
                raise
            except DsopsError as error:
                attached = Attached(None, (), None, error.message, (error.message,), error.message)
            best = _better(best, attached) if number else attached
            if not (best.unread_entity or best.unread_identity or best.unread_boundary):
                break
        # An entity that exists takes precedence over one that a template would create.
        planned = from_file or self._given.get((ANY_ACCOUNT, kind, name))
        return best if planned is None else _better(best, _of_account(planned, self._account))


def _better(first: Attached, second: Attached) -> Attached:
    """Merge two results: each part is taken from the result in which it is more complete."""
    entity = first if first.entity is not None else second
    identity = second if _incomplete(second) < _incomplete(first) else first
    boundary = second if first.unread_boundary and not second.unread_boundary else first
    return Attached(
        entity.entity,
        identity.identity,
        boundary.boundary,
        entity.unread_entity,
        identity.unread_identity,
        boundary.unread_boundary,
        entity.is_template,
        entity.trust,
        entity.unread_trust,
    )


def _incomplete(attached: Attached) -> tuple[int, int]:
    """Return a sort key: the number of missing identity policies, then minus the number of policies that were read."""
    return len(attached.unread_identity), -len(attached.identity)


def _of_account(planned: Attached, account: str) -> Attached:
    """Replace the account placeholder in the ARN of a template's user or role."""
    if planned.entity is None:
        return planned
    arn = planned.entity.arn.replace(f"::{ANY_ACCOUNT}:", f"::{account}:", 1)
    return planned._replace(entity=planned.entity._replace(arn=arn))


# Functions that read the output of iam:GetAccountAuthorizationDetails, as the AWS CLI prints it:


class RecordedDetails(NamedTuple):
    """The users and roles of one file."""

    given: Given
    accounts: frozenset[str]


def read_details(text: str, file: str) -> RecordedDetails:
    """Read the output of `aws iam get-account-authorization-details`. Raises PolicyInvalid for anything else."""
    content: object = None
    why = "it has neither UserDetailList nor RoleDetailList"
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        why = f"it is not JSON: line {error.lineno}, column {error.colno}: {lower_case(error.msg)}"
    except (ValueError, RecursionError):
        why = "it is not valid JSON"
    names = ("UserDetailList", "RoleDetailList")
    if not isinstance(content, dict) or not any(isinstance(content.get(name), list) for name in names):
        raise PolicyInvalid(
            f"{file} is not what `aws iam get-account-authorization-details` prints",
            why=why,
            hint=f"create the file with `aws iam get-account-authorization-details > {file}`",
        )
    managed = {text_in(entry, "Arn"): _default_version(entry) for entry in objects_in(content, "Policies")}
    groups = {text_in(entry, "GroupName"): entry for entry in objects_in(content, "GroupDetailList")}
    entities: dict[tuple[str, Kind, str], Attached] = {}
    for kind, name in (("user", "User"), ("role", "Role")):
        for entry in objects_in(content, f"{name}DetailList"):
            arn = parse_arn(text_in(entry, "Arn"))
            if arn is not None:
                of_groups = [groups[group] for group in _texts(entry.get("GroupList")) if group in groups]
                key = (arn.account, cast("Kind", kind), arn.resource_name)
                entities[key] = _attached(name, entry, of_groups, managed)
    return RecordedDetails(entities, frozenset(account for account, _, _ in entities))


Object = Mapping[str, object]


def _attached(kind: str, entity: Object, groups: Sequence[Object], managed: Mapping[str, str]) -> Attached:
    policies: list[PolicyText] = []
    unread: list[str] = []
    for owner, name in ((entity, kind), *((group, "Group") for group in groups)):
        owner_name = text_in(owner, f"{name}Name")
        for policy in objects_in(owner, f"{name}PolicyList"):
            text = _document(policy.get("PolicyDocument"))
            policies.append(PolicyText(f"{text_in(policy, 'PolicyName')} of {lower_case(name)} {owner_name}", text))
        for attached in objects_in(owner, "AttachedManagedPolicies"):
            arn = text_in(attached, "PolicyArn")
            if arn in managed:
                policies.append(PolicyText(arn, managed[arn]))
            else:
                unread.append(f"{arn} is not in the file")
    boundary_arn = text_in(object_in(entity, "PermissionsBoundary"), "PermissionsBoundaryArn")
    boundary = PolicyText(boundary_arn, managed[boundary_arn]) if boundary_arn in managed else None
    tags = {text_in(tag, "Key"): text_in(tag, "Value") for tag in objects_in(entity, "Tags")}
    trust = _document(entity.get("AssumeRolePolicyDocument")) if kind == "Role" else ""
    return Attached(
        Entity(text_in(entity, "Arn"), text_in(entity, f"{kind}Id"), boundary_arn, tags, trust),
        tuple(policies),
        boundary,
        "",
        tuple(unread),
        f"{boundary_arn} is not in the file" if boundary_arn and boundary is None else "",
    )


def _default_version(policy: Object) -> str:
    versions = objects_in(policy, "PolicyVersionList")
    default = next((entry for entry in versions if entry.get("IsDefaultVersion") is True), None)
    return _document(default.get("Document")) if default is not None else ""


def _document(value: object) -> str:
    """Return a policy as JSON. The API percent-encodes policies, and the AWS CLI prints them decoded."""
    from urllib.parse import unquote

    return unquote(value) if isinstance(value, str) else json.dumps(value)


def _texts(value: object) -> Iterator[str]:
    return iter([item for item in value if isinstance(item, str)] if isinstance(value, list) else [])
