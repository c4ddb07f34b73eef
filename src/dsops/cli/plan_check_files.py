"""Files with policies -> who is known in them: users and roles, and what is attached, each statement with its line.

A sandbox's seed, or what `aws iam get-account-authorization-details` prints. A part that can't be read stays unread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from typing import Final, Literal, NamedTuple

from dsops.cli.policy_files import parse_policy_text, read_policy
from dsops.document import Document, Mapping, Node, Scalar, Sequence, parse_json
from dsops.errors import PolicyInvalid, PolicyUnreadable, UsageError
from dsops.iam.policy import KIND_WORDS, Policy, PolicyKind, check_policy, parse_policy
from dsops.runtime import Runtime

Kind = Literal["role", "user"]
Levels = tuple[tuple[Policy, ...], ...]

_ALL: Final = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
_OF_AWS: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
_ADMIN: Final = "admin"
"""A seed's user that has every right without being written."""


SecretPlace = tuple[str, str, str]
"""Account, region and name."""


class Known(NamedTuple):
    """A user or role, as a file has it."""

    arn: str
    kind: Kind
    unique_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    trust: Policy | None = None
    identity: tuple[Policy, ...] = ()
    unread_identity: str = ""
    """Why some of its policies are not among them; "" when they are all there."""
    boundary: Policy | None = None
    unread_boundary: str = ""
    unread_trust: str = ""
    max_seconds: int = 0
    """How long a session may be; 0 when the file does not say."""


class Organization(NamedTuple):
    """What a seed says above its accounts."""

    service: dict[str, Levels]
    resource: dict[str, Levels]
    is_there: bool
    """Whether the accounts are in one: its ids are condition keys."""


class PolicyFile(NamedTuple):
    """All that one file tells."""

    name: str
    people: tuple[Known, ...]
    accounts: frozenset[str]
    """Those of which it tells everything: who is not in it does not exist."""
    organization: Organization | None = None
    providers: frozenset[str] = frozenset()
    """The ARNs of the identity providers of those accounts."""
    secrets: MappingOf[SecretPlace, Policy | str | None] = {}
    """The policy of each secret of those accounts; a text says why it can't be used."""


def read_policy_file(name: str, runtime: Runtime) -> PolicyFile:
    """What the file tells. Raises PolicyUnreadable, or PolicyInvalid for what is neither of the forms."""
    text = read_policy(name, runtime)
    shown = "<stdin>" if name == "-" else name
    document = parse_policy_text(text, shown)
    root = document.root
    if isinstance(root, Mapping) and isinstance(root.get("accounts"), Mapping):
        return _Seed(shown, runtime).read(root)
    if isinstance(root, Mapping) and (root.get("RoleDetailList") or root.get("UserDetailList")):
        return _Details(shown, runtime).read(root)
    raise PolicyInvalid(
        f"{shown} holds no policies of users and roles",
        why="it is neither a sandbox's seed nor what `aws iam get-account-authorization-details` prints",
        hint="one policy is given with --trust-policy ROLE=FILE or --identity-policy WHO=FILE",
        problems=document.problems,
    )


def read_one_policy(flag: str, word: str, kind: PolicyKind, runtime: Runtime) -> tuple[str, Policy]:
    """Who is meant by `WHO=FILE`, and the policy of that file."""
    who, equals, file = word.rpartition("=")
    if not equals or not who or not file:
        raise UsageError(f"`{flag} {word}` is not WHO=FILE", hint=f"such as {flag} Deploy=policy.json")
    text = read_policy(file, runtime)
    # Comments are for people: what deploys such a file takes them out.
    document = parse_json(text, file, comments=True) if file.endswith(".jsonc") else parse_policy_text(text, file)
    checked = check_policy(document, kind, name=file, file=file)
    if checked.policy is None:
        raise PolicyInvalid(f"{file} is no {KIND_WORDS[kind]} that AWS accepts", problems=checked.problems)
    return who, checked.policy


class _Reader:
    """What both forms have in common: nodes that are policies."""

    def __init__(self, file: str, runtime: Runtime) -> None:
        self.file = file
        self._runtime = runtime
        self.managed: dict[str, Policy] = {_OF_AWS: parse_policy(_ALL, "identity", name=_OF_AWS)}

    def policy(self, node: Node | None, kind: PolicyKind) -> Policy | str:
        """The policy: written here, a text of JSON, or the name of a file; else why it can't be used."""
        if node is None:
            return "it is not in the file"
        name, document = self.file, Document(node, ())
        if isinstance(node, Scalar):
            if node.text.lstrip().startswith("{"):
                document = parse_json(node.text, self.file)
            else:
                name = os.path.join(os.path.dirname(self.file), node.text)
                try:
                    document = parse_policy_text(read_policy(name, self._runtime), name)
                except PolicyUnreadable as error:
                    return f"{error.message}: {error.why}"
        checked = check_policy(document, kind, name=name, file=name)
        if checked.policy is None:
            first = checked.problems[0]
            return f"{first.where}: {first.message}"
        is_text = isinstance(node, Scalar) and name == self.file
        return _at_line(checked.policy, node.line) if is_text else checked.policy

    def attached(self, arn: str) -> Policy | str:
        """A managed policy by its ARN."""
        return self.managed.get(arn) or f"{arn} is not in {self.file}"


def _at_line(policy: Policy, line: int) -> Policy:
    """A policy that stands as a text on one line."""
    return policy._replace(
        statements=tuple(
            statement._replace(
                line=line, conditions=tuple(each._replace(line=line) for each in statement.conditions)
            )
            for statement in policy.statements
        )
    )


def _gathered(found: Iterator[Policy | str]) -> tuple[tuple[Policy, ...], str]:
    """The policies, and the first reason why one is missing."""
    policies, missing = [], ""
    for each in found:
        if isinstance(each, str):
            missing = missing or each
        else:
            policies.append(each)
    return tuple(policies), missing


class _Seed(_Reader):
    """A sandbox's seed: docs/reference/sandbox.md."""

    def read(self, root: Mapping) -> PolicyFile:
        people: list[Known] = []
        region = _text(root, "region") or "us-east-1"
        accounts = root.get("accounts")
        entries = accounts.entries if isinstance(accounts, Mapping) else ()
        for account, node in entries:
            people += self._account(account.text, _mapping(node))
        organization = root.get("organization")
        return PolicyFile(
            self.file,
            tuple(people),
            frozenset(key.text for key, _ in entries),
            self._organization(organization, [key.text for key, _ in entries]),
            frozenset(arn for account, node in entries for arn in _providers(account.text, _mapping(node))),
            dict(secret for account, node in entries for secret in self._secrets(account.text, _mapping(node), region)),
        )

    def _account(self, account: str, node: Mapping) -> Iterator[Known]:
        partition = _text(node, "partition") or "aws"
        for key, value in _mapping(node.get("policies")).entries:
            found = self.policy(value, "identity")
            if isinstance(found, Policy):
                self.managed[f"arn:{partition}:iam::{account}:policy/{key.text}"] = found
        groups = {key.text: _mapping(value).get("policies") for key, value in _mapping(node.get("groups")).entries}
        users = _mapping(node.get("users")).entries
        for kind, prefix, entries in (("user", "user", users), ("role", "role", _mapping(node.get("roles")).entries)):
            for key, value in entries:
                arn = f"arn:{partition}:iam::{account}:{prefix}{_text(_mapping(value), 'path') or '/'}{key.text}"
                yield self._entity("role" if kind == "role" else "user", arn, _mapping(value), groups)
        if _ADMIN not in [key.text for key, _ in users]:
            everything = parse_policy(_ALL, "identity", name=f"{self.file}: admin may do everything")
            yield Known(f"arn:{partition}:iam::{account}:user/{_ADMIN}", "user", identity=(everything,))

    def _entity(self, kind: Kind, arn: str, node: Mapping, groups: dict[str, Node | None]) -> Known:
        nodes = [*_items(node.get("policies"))]
        for name in _texts(node.get("groups")):
            nodes += _items(groups.get(name))
        identity, missing = _gathered(self._listed(each) for each in nodes)
        boundary_arn = _text(node, "boundary")
        boundary = self.attached(boundary_arn) if boundary_arn else None
        trust = self.policy(node.get("trust"), "trust") if kind == "role" else None
        tags = _mapping(node.get("tags"))
        max_seconds = _text(node, "max_session_duration") or "3600"
        return Known(
            arn, kind, _text(node, "id"), tuple((key.text, _text(tags, key.text)) for key, _ in tags.entries),
            trust if isinstance(trust, Policy) else None,
            identity, missing,
            boundary if isinstance(boundary, Policy) else None,
            boundary if isinstance(boundary, str) else "",
            trust if isinstance(trust, str) else "",
            int(max_seconds) if kind == "role" and max_seconds.isdigit() else 0,
        )  # fmt: skip

    def _listed(self, node: Node) -> Policy | str:
        """One of a list of policies: an ARN, a document, or `{name, document}`."""
        if isinstance(node, Scalar) and node.text.startswith("arn:"):
            return self.attached(node.text)
        document = _mapping(node).get("document")
        return self.policy(document if document is not None else node, "identity")

    def _secrets(
        self, account: str, node: Mapping, region: str
    ) -> Iterator[tuple[SecretPlace, Policy | str | None]]:
        regions = [(key.text, _mapping(value)) for key, value in _mapping(node.get("regions")).entries]
        for name, held in ((region, node), *regions):
            policies = _mapping(held.get("secret_policies"))
            for section in ("secrets", "binary_secrets"):
                for key, _ in _mapping(held.get(section)).entries:
                    own = policies.get(key.text)
                    yield (account, name, key.text), None if own is None else self.policy(own, "resource")

    # --- what stands above accounts -------------------------------------------------------------------------

    def _organization(self, node: Node | None, accounts: list[str]) -> Organization:
        """The levels above each account; none of them where it is in no organization, or its management account."""
        service: dict[str, Levels] = dict.fromkeys(accounts, ())
        resource: dict[str, Levels] = dict(service)
        if not isinstance(node, Mapping):
            return Organization(service, resource, is_there=False)
        for account, levels in self._levels(node, ()):
            if account != _text(node, "management_account"):
                service[account] = tuple(self._level(each, "scp") for each in levels)
                resource[account] = tuple(self._level(each, "rcp") for each in levels)
        return Organization(service, resource, is_there=True)

    def _levels(self, node: Mapping, above: tuple[Mapping, ...]) -> Iterator[tuple[str, tuple[Mapping, ...]]]:
        levels = (*above, node)
        accounts = node.get("accounts")
        for item in accounts.items if isinstance(accounts, Sequence) else ():
            if isinstance(item, Scalar):
                yield item.text, (*levels, Mapping((), item.line))
        for key, value in _mapping(accounts).entries:
            yield key.text, (*levels, _mapping(value))
        for _, value in _mapping(node.get("organizational_units")).entries:
            yield from self._levels(_mapping(value), levels)

    def _level(self, node: Mapping, kind: Literal["scp", "rcp"]) -> tuple[Policy, ...]:
        from dsops.iam.simulate import full_access

        key = "service_control_policies" if kind == "scp" else "resource_control_policies"
        found = []
        for item in _items(node.get(key)):
            document = _mapping(item).get("document")
            policy = self.policy(document if document is not None else item, kind)
            if isinstance(policy, str):
                message = f"{self.file} holds a policy that can't be used"
                raise PolicyInvalid(message, why=policy, hint="correct it there")
            found.append(policy)
        has_full = kind == "rcp" or _text(node, "full_aws_access") != "false"
        return (*([full_access(kind)] if has_full else []), *found)


def _providers(account: str, node: Mapping) -> Iterator[str]:
    partition = _text(node, "partition") or "aws"
    for item in _items(node.get("oidc_providers")):
        host = _text(_mapping(item), "url").removeprefix("https://").rstrip("/")
        yield f"arn:{partition}:iam::{account}:oidc-provider/{host}"
    for item in _items(node.get("saml_providers")):
        yield f"arn:{partition}:iam::{account}:saml-provider/{_text(_mapping(item), 'name')}"


class _Details(_Reader):
    """The answer to iam:GetAccountAuthorizationDetails, as the AWS CLI prints it."""

    def read(self, root: Mapping) -> PolicyFile:
        for item in _items(root.get("Policies")):
            for version in _items(_mapping(item).get("PolicyVersionList")):
                if _text(_mapping(version), "IsDefaultVersion") == "true":
                    found = self.policy(_mapping(version).get("Document"), "identity")
                    if isinstance(found, Policy):
                        self.managed[_text(_mapping(item), "Arn")] = found
        groups = {_text(_mapping(each), "GroupName"): _mapping(each) for each in _items(root.get("GroupDetailList"))}
        people = [
            self._entity(kind, title, _mapping(item), groups)
            for kind, title in _TITLES
            for item in _items(root.get(f"{title}DetailList"))
        ]
        # A filter or a page may have left some out: nobody is taken for missing.
        return PolicyFile(self.file, tuple(people), frozenset())

    def _entity(self, kind: Kind, title: str, node: Mapping, groups: dict[str, Mapping]) -> Known:
        members = [groups[name] for name in _texts(node.get("GroupList")) if name in groups]
        identity, missing = _gathered(
            found
            for owner, name in ((node, title), *((group, "Group") for group in members))
            for found in self._of(owner, name)
        )
        boundary_arn = _text(_mapping(node.get("PermissionsBoundary")), "PermissionsBoundaryArn")
        boundary = self.attached(boundary_arn) if boundary_arn else None
        trust = self.policy(node.get("AssumeRolePolicyDocument"), "trust") if kind == "role" else None
        tags = tuple((_text(_mapping(tag), "Key"), _text(_mapping(tag), "Value")) for tag in _items(node.get("Tags")))
        return Known(
            _text(node, "Arn"), kind, _text(node, f"{title}Id"), tags,
            trust if isinstance(trust, Policy) else None,
            identity, missing,
            boundary if isinstance(boundary, Policy) else None,
            boundary if isinstance(boundary, str) else "",
            trust if isinstance(trust, str) else "",
        )  # fmt: skip

    def _of(self, owner: Mapping, title: str) -> Iterator[Policy | str]:
        for item in _items(owner.get(f"{title}PolicyList")):
            yield self.policy(_mapping(item).get("PolicyDocument"), "identity")
        for item in _items(owner.get("AttachedManagedPolicies")):
            yield self.attached(_text(_mapping(item), "PolicyArn"))


_TITLES: Final[tuple[tuple[Kind, str], ...]] = (("user", "User"), ("role", "Role"))


def _mapping(node: Node | None) -> Mapping:
    return node if isinstance(node, Mapping) else Mapping((), 0)


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else ()


def _texts(node: Node | None) -> list[str]:
    return [each.text for each in _items(node) if isinstance(each, Scalar)]


def _text(node: Mapping, key: str) -> str:
    found = node.get(key)
    return found.text if isinstance(found, Scalar) and found.kind != "null" else ""
