"""The users, roles and secrets that a file describes, and the base class of the readers of all four formats.

If a part can't be read, the entity contains the reason in its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from typing import Final, NamedTuple

from dsops.document import Document, Mapping, Node, Scalar, Sequence, parse_json
from dsops.errors import PolicyUnreadable
from dsops.policy.language.grammar import check_policy, parse_policy
from dsops.policy.language.policy import Policy, PolicyKind
from dsops.policy.simulation.facts import Kind
from dsops.policy.sources.text import ReadFile, parse_policy_text

Levels = tuple[tuple[Policy, ...], ...]

EVERYTHING: Final = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
_ADMINISTRATOR: Final = "arn:aws:iam::aws:policy/AdministratorAccess"

SecretPlace = tuple[str, str, str]
"""The account, region and name of a secret, parameter or key."""


class FileKey(NamedTuple):
    """A KMS key of a seed."""

    identifier: str
    """The key's id; "" if the seed leaves it out."""
    policy: Policy | str | None
    """The key's policy; None for AWS's default policy. A str says why the policy can't be used."""


class Known(NamedTuple):
    """A user or role in a file."""

    arn: str
    kind: Kind
    unique_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    trust: Policy | None = None
    identity: tuple[Policy, ...] = ()
    unread_identity: str = ""
    """Why some of the entity's policies are missing; "" when all are present."""
    boundary: Policy | None = None
    unread_boundary: str = ""
    unread_trust: str = ""
    max_seconds: int = 0
    """The maximum session duration in seconds; 0 when the file does not say."""
    groups: tuple[str, ...] = ()
    """The names of a user's groups."""


class FileOrganization(NamedTuple):
    """The control policies that apply to the accounts of a seed, by account."""

    service: dict[str, Levels]
    resource: dict[str, Levels]
    is_there: bool
    """Whether the seed has an organization. If so, condition keys of a request contain its id and paths."""
    identifier: str = ""
    """The organization's id; "" if the seed leaves it out."""
    names: MappingOf[str, str] = {}
    """The names of accounts, by account id."""


class PolicyFile(NamedTuple):
    """The content of one file."""

    name: str
    people: tuple[Known, ...]
    accounts: frozenset[str]
    """The accounts that the file describes completely. In these accounts, only the listed entities exist."""
    organization: FileOrganization | None = None
    providers: frozenset[str] = frozenset()
    """The ARNs of the identity providers in the completely described accounts."""
    secrets: MappingOf[SecretPlace, Policy | str | None] = {}
    """The policy of each secret in the completely described accounts. A str says why the policy can't be used."""
    keys: MappingOf[SecretPlace, FileKey] = {}
    """The KMS keys of the completely described accounts."""
    encrypted_with: MappingOf[SecretPlace, str] = {}
    """The KMS key of each secret: a name in `keys`, or an ARN. A secret that is missing has no key of its own."""
    parameters: MappingOf[SecretPlace, str | None] = {}
    """The KMS key of each parameter, "" for AWS's key; None for a parameter that is not encrypted."""
    managed: MappingOf[str, Policy] = {}
    """The managed policies by ARN. `Known.identity` contains the same objects."""
    groups: MappingOf[str, tuple[Policy, ...]] = {}
    """The policies of the groups of users, by the group's ARN."""


class PolicyFileReader:
    """The base class of the readers. It reads policies from the nodes of a document."""

    def __init__(self, file: str, read_file: ReadFile) -> None:
        self.file = file
        self._read_file = read_file
        self.managed: dict[str, Policy] = {_ADMINISTRATOR: parse_policy(EVERYTHING, "identity", name=_ADMINISTRATOR)}

    def policy(self, node: Node | None, kind: PolicyKind) -> Policy | str:
        """Return the policy in a node, or a str that says why it can't be used.

        The node contains a document, JSON text, or the name of a file.
        """
        if node is None:
            return "it is not in the file"
        name, document = self.file, Document(node, ())
        if isinstance(node, Scalar):
            if node.text.lstrip().startswith("{"):
                document = parse_json(node.text, self.file)
            else:
                name = os.path.join(os.path.dirname(self.file), node.text)
                try:
                    document = parse_policy_text(self._read_file(name), name)
                except PolicyUnreadable as error:
                    return f"{error.message}: {error.why}"
        checked = check_policy(document, kind, name=name, file=name)
        if checked.policy is None:
            first = checked.problems[0]
            return f"{first.where}: {first.message}"
        is_text = isinstance(node, Scalar) and name == self.file
        return _at_line(checked.policy, node.line) if is_text else checked.policy

    def attached(self, arn: str) -> Policy | str:
        """Return the managed policy with that ARN, or a str that says why it is missing."""
        return self.managed.get(arn) or f"{arn} is not in {self.file}"


def _at_line(policy: Policy, line: int) -> Policy:
    """Set the line of every statement to `line`, for a policy that is a JSON string inside the file."""
    return policy._replace(
        statements=tuple(
            statement._replace(
                line=line, conditions=tuple(condition._replace(line=line) for condition in statement.conditions)
            )
            for statement in policy.statements
        )
    )


def known(
    arn: str,
    kind: Kind,
    policies_or_reasons: Iterable[Policy | str],
    trust: Policy | str | None,
    boundary: Policy | str | None,
) -> Known:
    """Return the user or role with its policies. A str in place of a policy says why it can't be used."""
    identity, unread_identity = _gathered(policies_or_reasons)
    return Known(
        arn,
        kind,
        trust=trust if isinstance(trust, Policy) else None,
        identity=identity,
        unread_identity=unread_identity,
        boundary=boundary if isinstance(boundary, Policy) else None,
        unread_boundary=boundary if isinstance(boundary, str) else "",
        unread_trust=trust if isinstance(trust, str) else "",
    )


def _gathered(policies_or_reasons: Iterable[Policy | str]) -> tuple[tuple[Policy, ...], str]:
    """Return the policies, and the first reason why a policy is missing ("" if none is missing)."""
    policies, missing = [], ""
    for policy in policies_or_reasons:
        if isinstance(policy, str):
            missing = missing or policy
        else:
            policies.append(policy)
    return tuple(policies), missing


def mapping_of(node: Node | None) -> Mapping:
    """Return the node if it is a mapping, else an empty mapping."""
    return node if isinstance(node, Mapping) else Mapping((), 0)


def items_of(node: Node | None) -> tuple[Node, ...]:
    """Return the items of a list; () for any other node."""
    return node.items if isinstance(node, Sequence) else ()


def texts_of(node: Node | None) -> list[str]:
    """Return the texts of a list's scalars."""
    return [item.text for item in items_of(node) if isinstance(item, Scalar)]


def text_of(node: Mapping, key: str) -> str:
    """Return the text of the key's value; "" when there is none."""
    value = node.get(key)
    return value.text if isinstance(value, Scalar) and value.kind != "null" else ""
