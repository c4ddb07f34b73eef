"""Read `organization.json`: the accounts, their positions, and the control policies on each level above them.

AWS Organizations User Guide, "SCP evaluation": a policy counts only where it is attached, and no control policy
applies to the management account.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple

from dsops.access.facts.documents import Documents
from dsops.access.facts.gaps import gaps_of, unknown_membership
from dsops.access.facts.json_files import object_of, objects_of, text_of, texts_of
from dsops.access.facts.world import Gap, Levels, MemberAccount, OrganizationFacts, PolicyDocument, add_facts
from dsops.arn import is_account_id
from dsops.errors import PolicyInvalid
from dsops.policy import PolicyKind
from dsops.text import clean

POLICY_TYPES: Final[Mapping[PolicyKind, str]] = {"scp": "SERVICE_CONTROL_POLICY", "rcp": "RESOURCE_CONTROL_POLICY"}
CLOSED: Final = ("SUSPENDED", "CLOSED")
"""The states in which no principal of an account can make a request, so that its facts are not needed."""

_MOST_LEVELS: Final = 10
"""The maximum number of steps from an account to the root. AWS allows seven levels."""


class ListedAccounts(NamedTuple):
    """The accounts of an organization."""

    world: OrganizationFacts
    """The accounts, with the gaps of the file."""
    expected: tuple[str, ...]
    """The ids of the accounts whose facts are needed."""

    def missing(self, folders: Collection[str]) -> list[Gap]:
        """Return the gaps of the expected accounts that have no folder."""
        return [
            Gap(account, place, f"account {account} was not collected: it has no folder")
            for account in self.expected
            if account not in folders
            for place in _LISTS
        ]


_LISTS: Final[tuple[Literal["identities", "resources"], ...]] = ("identities", "resources")


class OrganizationFile:
    """The content of `organization.json`; `file` is its name in messages.

    If `Organization` is null, the accounts are in no organization, and no control policy applies.
    """

    def __init__(self, content: Mapping[str, object], file: str, documents: Documents) -> None:
        self._content = content
        self._file = clean(file)
        self._documents = documents
        self._gaps = gaps_of(content, "")
        described = object_of(content, "Organization")
        self._is_in_none = "Organization" in content and content["Organization"] is None
        self._id = text_of(described, "Id")
        self._arn_parts = text_of(described, "Arn").split(":")
        self._management = text_of(described, "MasterAccountId") or text_of(described, "ManagementAccountId")
        self._has_policies = text_of(described, "FeatureSet") != "CONSOLIDATED_BILLING"
        self._roots = {text_of(root, "Id"): root for root in objects_of(content, "Roots")}
        self._parents = {
            text_of(unit, "Id"): text_of(unit, "ParentId") for unit in objects_of(content, "OrganizationalUnits")
        }
        self._attached: dict[tuple[PolicyKind, str], list[PolicyDocument]] = {}
        self._attached_kinds: set[PolicyKind] = set()
        self._levels: dict[tuple[PolicyKind, str], Levels] = {}

    def read(self) -> ListedAccounts:
        """Return the accounts. Raises PolicyInvalid for an invalid account id, and for two versions of an account."""
        self._read_policies()
        self._note_missing_parts()
        accounts: dict[str, MemberAccount] = {}
        expected: list[str] = []
        for entry in objects_of(self._content, "Accounts"):
            account = self._account(entry)
            add_facts(accounts, {account.identifier: account}, self._file)
            if text_of(entry, "Status") not in CLOSED and text_of(entry, "State") not in CLOSED:
                expected.append(account.identifier)
        world = OrganizationFacts(accounts, {}, {}, gaps=tuple(self._gaps), sources=(self._file,))
        return ListedAccounts(world, tuple(dict.fromkeys(expected)))

    def _note_missing_parts(self) -> None:
        """Add a gap for each part of the file that is not there, unless the whole file is missing."""
        if not self._content or self._is_in_none:
            return
        if not self._id or not self._management:
            why = f"{self._file} does not say which organization it is, or which account manages it"
            self._gaps += unknown_membership("", why)
        if not isinstance(self._content.get("Policies"), list):
            self._gaps += [Gap("", kind, f"{self._file} has no list of policies") for kind in POLICY_TYPES]
        if not isinstance(self._content.get("Accounts"), list):
            self._gaps.append(Gap("", "identities", f"{self._file} has no list of accounts"))

    def _account(self, entry: Mapping[str, object]) -> MemberAccount:
        identifier = text_of(entry, "Id")
        if not is_account_id(identifier):
            raise PolicyInvalid(
                f"{self._file} has an account with the invalid id `{clean(identifier[:100])}`",
                hint="an account id has twelve digits, in quotes",
            )
        partition = self._arn_parts[1] if len(self._arn_parts) > 1 else "aws"
        account = MemberAccount(identifier, text_of(entry, "Name"), partition, self._known_id)
        if self._is_in_none:
            return account
        nodes = self._nodes(identifier, text_of(entry, "ParentId"))
        if not nodes:
            why = f"{self._file} does not say where account {identifier} is in the organization"
            self._gaps += unknown_membership(identifier, why)
            return account
        path = "/".join([self._id, *nodes, ""]) if self._id else ""
        if identifier == self._management:
            return account._replace(path=path, is_management=True)
        return account._replace(
            path=path,
            service_control=self._levels_of("scp", nodes, identifier),
            resource_control=self._levels_of("rcp", nodes, identifier),
        )

    @property
    def _known_id(self) -> str | None:
        return "" if self._is_in_none else self._id or None

    def _nodes(self, account: str, parent: str) -> tuple[str, ...]:
        """Return the ids from the root to the account's unit; () if the file does not connect them."""
        nodes: list[str] = []
        for _ in range(_MOST_LEVELS):
            if not parent or parent == account:
                return ()
            nodes.insert(0, parent)
            if parent in self._roots:
                return tuple(nodes)
            parent = self._parents.get(parent, "")
        return ()

    def _levels_of(self, kind: PolicyKind, nodes: tuple[str, ...], account: str) -> Levels:
        if not self._has_policies or not self._is_enabled(kind, nodes[0]):
            return ()
        above = self._levels.get((kind, nodes[-1]))
        if above is None:
            above = tuple(tuple(self._attached.get((kind, node), ())) for node in nodes)
            self._levels[kind, nodes[-1]] = above
        return (*above, tuple(self._attached.get((kind, account), ())))

    def _is_enabled(self, kind: PolicyKind, root: str) -> bool:
        """Whether policies of this type have an effect. A file without the types has those of its policies."""
        types = self._roots[root].get("PolicyTypes")
        if not isinstance(types, list):
            return kind in self._attached_kinds
        return any(
            text_of(entry, "Type") == POLICY_TYPES[kind] and text_of(entry, "Status") == "ENABLED" for entry in types
        )

    def _read_policies(self) -> None:
        kinds = {name: kind for kind, name in POLICY_TYPES.items()}
        for entry in objects_of(self._content, "Policies"):
            summary = object_of(entry, "Summary")
            kind = kinds.get(text_of(summary, "Type"))
            if kind is None:
                continue
            name = f"{text_of(summary, 'Name')} ({text_of(summary, 'Id')})"
            content = entry.get("Content")
            if not content:
                self._gaps.append(Gap("", kind, f"the content of {clean(name)} is not in {self._file}"))
                continue
            document = self._documents.of(name, kind, content)
            for target in texts_of(entry, "Targets"):
                self._attached.setdefault((kind, target), []).append(document)
                self._attached_kinds.add(kind)
