"""Gather the facts that a template declares. A value can be unknown until the deployment.

The readers of Terraform and CloudFormation call `DeclaredFacts` once for each resource. A statement with an unknown
value is left out of its policy, and a `Gap` stands for it, because it could allow or deny anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from dsops.access.facts.encryption_keys import key_arn
from dsops.access.facts.world import (
    Gap,
    IamIdentity,
    IdentityKind,
    MemberAccount,
    OrganizationFacts,
    PolicyDocument,
    Resource,
    UserGroup,
)
from dsops.document.template_functions import UNKNOWN
from dsops.policy import Place, PolicyKind

OwnerKind = Literal["user", "role", "group"]
_GapPlace = Place | Literal["identities", "resources"]
_ALL: Final = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


class _Owner:
    """A user, role or group whose policies are still being gathered."""

    def __init__(self, arn: str, kind: OwnerKind) -> None:
        self.arn = arn
        self.kind: OwnerKind = kind
        self.tags: dict[str, str] = {}
        self.policies: dict[str, PolicyDocument] = {}
        """The policies by ARN, or by the name of an inline policy."""
        self.gaps: list[str] = []
        """Why policies are missing."""
        self.trust: PolicyDocument | None = None
        self.boundary: PolicyDocument | None = None
        self.groups: list[str] = []
        self.profiles: list[str] = []


class DeclaredFacts:
    """The facts of one template, for one account."""

    def __init__(self, name: str, account: str, partition: str) -> None:
        self._name = name
        self.account = account
        self.partition = partition
        self._owners: dict[str, _Owner] = {}
        self._named: dict[tuple[OwnerKind, str], list[_Owner]] = {}
        """The owners by kind, and by ARN or name: names are unique only within a stack."""
        self._managed: dict[str, object] = {f"arn:{partition}:iam::aws:policy/AdministratorAccess": _ALL}
        self._resources: dict[str, Resource] = {}
        self._providers: set[str] = set()
        self._gaps: dict[Gap, None] = {}
        self._permissions: dict[str, list[object]] = {}

    def facts(self) -> OrganizationFacts:
        """Return the facts. The users of a group also have the group's policies."""
        for arn, statements in self._permissions.items():
            self.set_policy(arn, {"Version": "2012-10-17", "Statement": statements}, "lambda")
        identities = {}
        groups = {}
        for owner in self._owners.values():
            if owner.kind == "group":
                groups[owner.arn] = UserGroup(owner.arn, self.account, tuple(owner.policies.values()))
            else:
                identities[owner.arn] = self._identity(owner)
        why = f"{self._name} contains no control policies"
        gaps = (*self._gaps, Gap("", "scp", why), Gap("", "rcp", why))
        account = MemberAccount(self.account, partition=self.partition, organization_id=None)
        return OrganizationFacts(
            {self.account: account} if identities or groups or self._resources else {},
            identities,
            self._resources,
            groups,
            frozenset(self._providers),
            (),
            gaps,
            (self._name,),
        )

    def _identity(self, owner: _Owner) -> IamIdentity:
        members = [self._owners[arn] for arn in owner.groups if arn in self._owners]
        policies = [*owner.policies.values(), *(policy for group in members for policy in group.policies.values())]
        for why in (*owner.gaps, *(why for group in members for why in group.gaps)):
            self.gap("identity", why, owner.arn)
        kind: IdentityKind = "role" if owner.kind == "role" else "user"
        return IamIdentity(
            owner.arn,
            kind,
            self.account,
            tags=owner.tags,
            policies=tuple(policies),
            boundary=owner.boundary,
            trust=owner.trust,
            instance_profiles=tuple(owner.profiles),
            groups=tuple(arn.rpartition("/")[2] for arn in owner.groups),
        )

    def gap(
        self, place: Place | Literal["identities", "resources"], why: str, arn: str = "", service: str = ""
    ) -> None:
        """Remember a fact that is not known."""
        self._gaps[Gap(self.account, place, why, arn, (), service)] = None

    def add_owner(self, arn: str, kind: OwnerKind, tags: Mapping[str, str]) -> None:
        """Add a user, role or group."""
        if arn not in self._owners:
            owner = self._owners[arn] = _Owner(arn, kind)
            for name in (arn, arn.rpartition("/")[2]):
                self._named.setdefault((kind, name), []).append(owner)
        self._owners[arn].tags = dict(tags)

    def set_trust(self, arn: str, value: object) -> None:
        """Set a role's trust policy."""
        document, is_complete = self._document(f"the trust policy of {arn}", "trust", value)
        self._owners[arn].trust = document
        if not is_complete:
            self.gap("trust", f"the trust policy is known only after the deployment ({self._name})", arn)

    def set_boundary(self, arn: str, policy_arn: object) -> None:
        """Set a permissions boundary, by the policy's ARN."""
        document, why = self._attached(policy_arn, "boundary")
        self._owners[arn].boundary = document
        if why:
            self.gap("boundary", why, arn)

    def add_managed(self, arn: str, value: object) -> None:
        """Add a managed policy that the template creates."""
        self._managed[arn] = value

    def attach(self, kind: OwnerKind, owner: object, policy_arn: object) -> None:
        """Attach a managed policy to its owner, given by ARN or name."""
        if owner is UNKNOWN:
            self._give_any(kind, _shown(policy_arn))
        document, why = self._attached(policy_arn, "identity")
        for found in self._found(kind, owner):
            _give(found, _shown(policy_arn), document, why)

    def add_inline(self, kind: OwnerKind, owner: object, name: str, value: object, *, is_copy: bool = False) -> None:
        """Give an owner an inline policy. With `is_copy`, the owner keeps a policy of that name which it has."""
        if owner is UNKNOWN:
            self._give_any(kind, name)
        for found in self._found(kind, owner):
            if is_copy and name in found.policies:
                continue
            document, is_complete = self._document(f"{name} of {found.arn}", "identity", value)
            why = f"inline policy {name} is known only after the deployment ({self._name})"
            _give(found, name, document, "" if is_complete else why)

    def join(self, user: object, group: object) -> None:
        """Add a user to a group. A group that the template does not create has unknown policies."""
        groups = self._found("group", group)
        for owner in self._found("user", user):
            owner.groups += [found.arn for found in groups if found.arn not in owner.groups]
            if not groups:
                owner.gaps.append(f"the policies of group {_shown(group)} are not in {self._name}")

    def add_profile(self, arn: str, role: object) -> None:
        """Add an instance profile to its role."""
        for owner in self._found("role", role):
            owner.profiles.append(arn)

    def add_provider(self, arn: str) -> None:
        """Add an identity provider."""
        self._providers.add(arn)

    def add_resource(self, arn: str, role: object = "") -> None:
        """Add a resource. `role` is the ARN of the role with which it runs code."""
        known = self._resources.get(arn)
        role_arn = role if isinstance(role, str) else ""
        self._resources[arn] = (known or Resource(arn, self.account))._replace(role=role_arn)
        if role is UNKNOWN:
            self.gap("resource", f"the role of {arn} is known only after the deployment ({self._name})", arn)

    def set_key(self, arn: object, key: object, region: str) -> None:
        """Set the KMS key that encrypts a resource: an ARN, an id, `alias/NAME`, or "" for none."""
        if isinstance(arn, str) and arn in self._resources and isinstance(key, str):
            named = key_arn(key, self.partition, region, self.account) if key else ""
            self._resources[arn] = self._resources[arn]._replace(kms_key=named)
        elif isinstance(arn, str) and arn in self._resources:
            self._resources[arn] = self._resources[arn]._replace(kms_key=None)

    def set_public_block(self, arn: object, restricts: object) -> None:
        """Set whether a bucket restricts a public policy. Another value than true leaves it to the account."""
        if isinstance(arn, str) and arn in self._resources:
            self._resources[arn] = self._resources[arn]._replace(restricts_public=restricts in (True, "true") or None)

    def add_alias(self, key: object, alias: object, region: str) -> None:
        """Give a KMS key an alias: `alias/NAME`. The key is given by ARN or id."""
        if isinstance(key, str) and isinstance(alias, str):
            arn = key_arn(key, self.partition, region, self.account)
            known = self._resources.get(arn, Resource(arn, self.account))
            aliases = (*known.aliases, key_arn(alias, self.partition, region, self.account))
            self._resources[arn] = known._replace(aliases=aliases)

    def set_policy(self, arn: object, value: object, service: str) -> None:
        """Set the policy of a resource, given by ARN."""
        if not isinstance(arn, str):
            self.gap("resource", f"which resource a policy is for, {self._name} leaves open", service=service)
            return
        document, is_complete = self._document(f"the policy of {arn}", "resource", value)
        known = self._resources.get(arn, Resource(arn, self.account))
        self._resources[arn] = known._replace(policy=document)
        if not is_complete:
            self.gap("resource", f"the policy is known only after the deployment ({self._name})", arn)

    def add_permission(self, function: object, statement: object) -> None:
        """Add a statement to the policy of a function, given by ARN."""
        if isinstance(function, str):
            self._permissions.setdefault(function, []).append(statement)
        else:
            self.set_policy(function, UNKNOWN, "lambda")

    def _found(self, kind: OwnerKind, name: object) -> list[_Owner]:
        return self._named.get((kind, name), []) if isinstance(name, str) else []

    def _give_any(self, kind: OwnerKind, policy: str) -> None:
        """Remember that a policy has an unknown owner."""
        for owner in self._owners.values():
            if owner.kind == kind:
                owner.gaps.append(f"which {kind} has policy {policy}, {self._name} leaves open")

    def _attached(self, arn: object, kind: PolicyKind) -> tuple[PolicyDocument | None, str]:
        """Return the managed policy with that ARN, and why it is not complete ("" if it is)."""
        if not isinstance(arn, str):
            return None, f"the ARN of a policy is known only after the deployment ({self._name})"
        if arn not in self._managed:
            return None, f"{arn} is not in {self._name}"
        document, is_complete = self._document(arn, kind, self._managed[arn])
        return document, "" if is_complete else f"{arn} is known only after the deployment ({self._name})"

    @staticmethod
    def _document(name: str, kind: PolicyKind, value: object) -> tuple[PolicyDocument | None, bool]:
        """Return the policy without the statements that contain an unknown value, and whether it has all of them."""
        if value is UNKNOWN:
            return None, False
        if value is None or value == "":
            return None, True
        if isinstance(value, str):
            return PolicyDocument(name, kind, value), True
        is_complete = True
        if isinstance(value, Mapping) and has_unknown(value):
            is_complete = False
            known = [statement for statement in _items(value.get("Statement")) if not has_unknown(statement)]
            value = {**value, "Statement": known}
            if not known or has_unknown(value):
                return None, False
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return PolicyDocument(name, kind, text), is_complete


def _give(owner: _Owner, key: str, document: PolicyDocument | None, why: str) -> None:
    if document is not None:
        owner.policies[key] = document
    if why and why not in owner.gaps:
        owner.gaps.append(why)


def has_unknown(value: object) -> bool:
    """Whether an unknown value is anywhere in a JSON value."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def permission_statement(function: object, values: Mapping[str, object]) -> Mapping[str, object]:
    """Return the statement that lambda:AddPermission adds to a function's policy, given the call's parameters."""
    principal = values.get("Principal")
    of_type: object = principal
    if isinstance(principal, str) and principal != "*":
        of_type = {"Service" if principal.endswith((".amazonaws.com", ".amazonaws.com.cn")) else "AWS": principal}
    conditions = {
        "ArnLike": {"AWS:SourceArn": values.get("SourceArn")},
        "StringEquals": {
            "AWS:SourceAccount": values.get("SourceAccount"),
            "aws:PrincipalOrgID": values.get("PrincipalOrgID"),
            "lambda:FunctionUrlAuthType": values.get("FunctionUrlAuthType"),
        },
    }
    present = {
        operator: {key: value for key, value in of_operator.items() if value}
        for operator, of_operator in conditions.items()
    }
    condition = {operator: of_operator for operator, of_operator in present.items() if of_operator}
    return {
        "Effect": "Allow",
        "Principal": of_type,
        "Action": values.get("Action"),
        "Resource": function,
        **({"Condition": condition} if condition else {}),
    }


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else [value]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else "that is known only after the deployment"
