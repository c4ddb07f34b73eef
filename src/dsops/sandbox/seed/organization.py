"""Parse a seed's organization: a tree of organizational units with accounts and policies.

organization:
  management_account: "111111111111"
  service_control_policies: [...]
  organizational_units:
    Workloads: {accounts: ["222222222222"], service_control_policies: [...]}
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping as MappingOf
from typing import Final

from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.policy import PolicyKind
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.seed.policy_nodes import PolicyNodes
from dsops.sandbox.state.organization_builder import SeedNode, SeedOrganization
from dsops.sandbox.state.organizations import IAM, ROOT_FEATURES, RootFeature

_ID: Final = re.compile(r"o-[a-z0-9]{10,32}")
_DEEPEST: Final = 5
"""Maximum depth of organizational units below the root (AWS Organizations User Guide, "Quotas")."""
_POLICY_KEYS: Final = ("service_control_policies", "resource_control_policies", "full_aws_access")
_UNIT_KEYS: Final = (*_POLICY_KEYS, "accounts", "organizational_units")
_ROOT_KEYS: Final = ("id", "management_account", "feature_set", "root_access", "delegated_administrators", *_UNIT_KEYS)
_FEATURE_SETS: Final = ("ALL", "CONSOLIDATED_BILLING")


class OrganizationSeedReader:
    """Parses the seed's `organization` section. The seed's reader collects the problems."""

    def __init__(self, reader: PolicyNodes, accounts: Collection[str]) -> None:
        self._reader = reader
        self._accounts = accounts
        self._placed: dict[str, str] = {}
        """Account -> its path in the tree of organizational units."""
        self._policies: dict[str, tuple[PolicyKind, str]] = {}
        """Policy name -> kind and text. Policy names must be unique in an organization."""

    def read(self, node: Node) -> SeedOrganization | None:
        """Parse the section; return None if it has no management account."""
        reader, path = self._reader, "organization"
        keys = reader.keys(node, path, _ROOT_KEYS)
        if "management_account" not in keys:
            reader.note(node.line, f"{path}.management_account", "`management_account` is missing")
            return None
        owner = reader.text(keys["management_account"], f"{path}.management_account")
        self._check_account(owner, keys["management_account"], f"{path}.management_account")
        feature_set = reader.matching(keys, "feature_set", path, _FEATURE_SETS.__contains__, " or ".join(_FEATURE_SETS))
        root = self._unit(node, keys, path, 0)
        if feature_set == "CONSOLIDATED_BILLING" and self._policies:
            line = keys["feature_set"].line
            reader.note(line, f"{path}.feature_set", "policies need an organization with ALL features")
        administrators = self._administrators(keys.get("delegated_administrators"), owner)
        features = self._features(keys.get("root_access"), f"{path}.root_access")
        organization_id = reader.matching(keys, "id", path, _ID.fullmatch, "like o-exampleorg1")
        return SeedOrganization(
            owner,
            root,
            organization_id,
            "CONSOLIDATED_BILLING" if feature_set == _FEATURE_SETS[1] else "ALL",
            administrators,
            features,
        )

    def _unit(self, node: Node, keys: MappingOf[str, Node], path: str, depth: int) -> SeedNode:
        accounts = tuple(self._members(keys.get("accounts"), f"{path}.accounts"))
        units = []
        for key, value in self._reader.entries(keys.get("organizational_units"), f"{path}.organizational_units"):
            inner = f"{path}.organizational_units.{key.text}"
            if depth == _DEEPEST:
                self._reader.note(key.line, inner, f"organizational units are at most {_DEEPEST} levels deep")
                break
            units.append((key.text, self._unit(value, self._reader.keys(value, inner, _UNIT_KEYS), inner, depth + 1)))
        return self._node(node, keys, path)._replace(accounts=accounts, units=tuple(units))

    def _node(self, node: Node, keys: MappingOf[str, Node], path: str) -> SeedNode:
        """Return a node of the tree with the policies attached to a root, organizational unit or account."""
        full = self._reader.matching(keys, "full_aws_access", path, ("true", "false").__contains__, "true or false")
        attached = SeedNode(
            service_control=self._attached(keys.get("service_control_policies"), "scp", path),
            resource_control=self._attached(keys.get("resource_control_policies"), "rcp", path),
            has_full_access=full != "false",
        )
        if full == "false" and not attached.service_control:
            self._reader.note(
                node.line,
                f"{path}.full_aws_access",
                "no policy would be left that allows anything",
                "attach one that does under `service_control_policies`",
            )
        return attached

    def _attached(self, node: Node | None, kind: PolicyKind, path: str) -> tuple[StoredPolicy, ...]:
        where = f"{path}.{'service' if kind == 'scp' else 'resource'}_control_policies"
        policies = []
        for policy in self._reader.named_policies(node, where, kind, f"{kind}-{len(self._policies) + 1}-"):
            earlier = self._policies.setdefault(policy.name, (kind, policy.text))
            if earlier != (kind, policy.text) and node is not None:
                self._reader.note(node.line, where, f"there is another policy named `{policy.name}`")
            policies.append(policy)
        return tuple(policies)

    def _members(self, node: Node | None, path: str) -> list[tuple[str, SeedNode]]:
        """Return the accounts in a list, or in a mapping from each account to its attached policies."""
        if isinstance(node, Sequence):
            entries: list[tuple[Node, Node | None]] = [(item, None) for item in node.items]
        else:
            entries = list(self._reader.entries(node, path))
        members = []
        for key, value in entries:
            account = self._reader.text(key, path)
            inner = f"{path}.{account}"
            if account in self._placed:
                self._reader.note(key.line, inner, f"the account is in {self._placed[account]} already")
            self._placed[account] = path
            self._check_account(account, key, inner)
            keys = {} if value is None else self._reader.keys(value, inner, ("name", *_POLICY_KEYS))
            name = self._reader.text(keys["name"], f"{inner}.name") if "name" in keys else ""
            members.append((account, self._node(key, keys, inner)._replace(name=name)))
        return members

    def _check_account(self, account: str, node: Node, path: str) -> None:
        if account not in self._accounts:
            self._reader.note(node.line, path, f"there is no account `{account}` in `accounts`")

    def _administrators(self, node: Node | None, owner: str) -> tuple[tuple[str, str], ...]:
        path = "organization.delegated_administrators"
        pairs = []
        for key, value in self._reader.entries(node, path):
            if key.text not in self._placed or key.text == owner:
                self._reader.note(key.line, f"{path}.{key.text}", f"`{key.text}` is not a member account")
            pairs += [(key.text, service) for service in self._reader.texts(value, f"{path}.{key.text}")]
            for _, service in pairs:
                if service != IAM:
                    self._reader.note(key.line, f"{path}.{key.text}", f"`{service}` has no effect here", f"write {IAM}")
        return tuple(pairs)

    def _features(self, node: Node | None, path: str) -> tuple[RootFeature, ...]:
        """Return the features in a list; `true` means all features."""
        if isinstance(node, Scalar) and node.text in {"true", "false"}:
            return ROOT_FEATURES if node.text == "true" else ()
        if isinstance(node, Mapping | Scalar):
            self._reader.note(node.line, path, f"this must be true, false or a list of {', '.join(ROOT_FEATURES)}")
            return ()
        names = list(self._reader.texts(node, path))
        for name in names:
            if name not in ROOT_FEATURES and node is not None:
                self._reader.note(node.line, path, f"`{name}` is not one of {', '.join(ROOT_FEATURES)}")
        return tuple(feature for feature in ROOT_FEATURES if feature in names)
