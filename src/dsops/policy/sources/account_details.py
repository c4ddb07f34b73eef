"""Read users and roles with their policies from `aws iam get-account-authorization-details`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dsops.document import Mapping
from dsops.policy.language.policy import Policy
from dsops.policy.simulation.facts import Kind
from dsops.policy.sources.entities import (
    Known,
    PolicyFile,
    PolicyFileReader,
    items_of,
    known,
    mapping_of,
    text_of,
    texts_of,
)

_TITLES: Final[tuple[tuple[Kind, str], ...]] = (("user", "User"), ("role", "Role"))


class AccountDetails(PolicyFileReader):
    """Reads the response of iam:GetAccountAuthorizationDetails, as the AWS CLI prints it."""

    def read(self, root: Mapping) -> PolicyFile:
        """Return the users and roles in the response."""
        for item in items_of(root.get("Policies")):
            for version in items_of(mapping_of(item).get("PolicyVersionList")):
                if text_of(mapping_of(version), "IsDefaultVersion") == "true":
                    policy = self.policy(mapping_of(version).get("Document"), "identity")
                    if isinstance(policy, Policy):
                        self.managed[text_of(mapping_of(item), "Arn")] = policy
        listed = [mapping_of(group) for group in items_of(root.get("GroupDetailList"))]
        groups = {text_of(group, "GroupName"): group for group in listed}
        people = [
            self._entity(kind, title, mapping_of(item), groups)
            for kind, title in _TITLES
            for item in items_of(root.get(f"{title}DetailList"))
        ]
        policies_of = {
            text_of(group, "Arn"): tuple(each for each in self._policies_of(group, "Group") if isinstance(each, Policy))
            for group in listed
        }
        # A filter or paging may have omitted entities, so an entity that is not in the file may still exist.
        return PolicyFile(self.file, tuple(people), frozenset(), managed=self.managed, groups=policies_of)

    def _entity(self, kind: Kind, title: str, node: Mapping, groups: dict[str, Mapping]) -> Known:
        members = [groups[name] for name in texts_of(node.get("GroupList")) if name in groups]
        policies = (
            policy
            for owner, name in ((node, title), *((group, "Group") for group in members))
            for policy in self._policies_of(owner, name)
        )
        boundary_arn = text_of(mapping_of(node.get("PermissionsBoundary")), "PermissionsBoundaryArn")
        boundary = self.attached(boundary_arn) if boundary_arn else None
        trust = self.policy(node.get("AssumeRolePolicyDocument"), "trust") if kind == "role" else None
        tags = [mapping_of(tag) for tag in items_of(node.get("Tags"))]
        return known(text_of(node, "Arn"), kind, policies, trust, boundary)._replace(
            unique_id=text_of(node, f"{title}Id"),
            tags=tuple((text_of(tag, "Key"), text_of(tag, "Value")) for tag in tags),
            groups=tuple(texts_of(node.get("GroupList"))),
        )

    def _policies_of(self, owner: Mapping, title: str) -> Iterator[Policy | str]:
        for item in items_of(owner.get(f"{title}PolicyList")):
            yield self.policy(mapping_of(item).get("PolicyDocument"), "identity")
        for item in items_of(owner.get("AttachedManagedPolicies")):
            yield self.attached(text_of(mapping_of(item), "PolicyArn"))
