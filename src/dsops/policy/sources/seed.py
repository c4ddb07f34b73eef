"""Read the users, roles, providers and secrets of a sandbox's seed, with the line of each statement.

The sandbox's own reader is not used for two reasons: it drops the lines, and it needs the sandbox extra.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.errors import PolicyInvalid
from dsops.policy.language.grammar import parse_policy
from dsops.policy.language.policy import Policy
from dsops.policy.simulation.compiled import full_access
from dsops.policy.simulation.facts import Kind
from dsops.policy.sources.entities import (
    EVERYTHING,
    FileKey,
    FileOrganization,
    Known,
    Levels,
    PolicyFile,
    PolicyFileReader,
    SecretPlace,
    items_of,
    known,
    mapping_of,
    text_of,
    texts_of,
)

_ADMIN: Final = "admin"
"""The name of a user with all permissions.

Every account of a seed has this user, unless the seed itself defines a user of that name.
"""


class SeedPolicies(PolicyFileReader):
    """Reads the policies in a sandbox's seed file (docs/reference/sandbox.md)."""

    def read(self, root: Mapping) -> PolicyFile:
        """Return the seed's accounts and their organization."""
        people: list[Known] = []
        region = text_of(root, "region") or "us-east-1"
        accounts = root.get("accounts")
        entries = accounts.entries if isinstance(accounts, Mapping) else ()
        regions = [place for account, node in entries for place in _regions(account.text, mapping_of(node), region)]
        for account, node in entries:
            people += self._account(account.text, mapping_of(node))
        organization = root.get("organization")
        return PolicyFile(
            self.file,
            tuple(people),
            frozenset(key.text for key, _ in entries),
            self._organization(organization, [key.text for key, _ in entries]),
            frozenset(arn for account, node in entries for arn in _providers(account.text, mapping_of(node))),
            dict(each for place in regions for each in self._secrets(*place)),
            dict(each for place in regions for each in self._keys(*place)),
            dict(each for place in regions for each in _secret_keys(*place)),
            dict(each for place in regions for each in _parameters(*place)),
            self.managed,
            {
                arn: policies
                for account, node in entries
                for arn, policies in self._groups(account.text, mapping_of(node))
            },
        )

    def _account(self, account: str, node: Mapping) -> Iterator[Known]:
        partition = text_of(node, "partition") or "aws"
        for key, value in mapping_of(node.get("policies")).entries:
            policy = self.policy(value, "identity")
            if isinstance(policy, Policy):
                self.managed[f"arn:{partition}:iam::{account}:policy/{key.text}"] = policy
        groups = {key.text: mapping_of(value).get("policies") for key, value in mapping_of(node.get("groups")).entries}
        users = mapping_of(node.get("users")).entries
        for kind, prefix, entries in (("user", "user", users), ("role", "role", mapping_of(node.get("roles")).entries)):
            for key, value in entries:
                arn = f"arn:{partition}:iam::{account}:{prefix}{text_of(mapping_of(value), 'path') or '/'}{key.text}"
                yield self._entity("role" if kind == "role" else "user", arn, mapping_of(value), groups)
        if _ADMIN not in [key.text for key, _ in users]:
            everything = parse_policy(EVERYTHING, "identity", name=f"{self.file}: admin may do everything")
            yield Known(f"arn:{partition}:iam::{account}:user/{_ADMIN}", "user", identity=(everything,))

    def _entity(self, kind: Kind, arn: str, node: Mapping, groups: dict[str, Node | None]) -> Known:
        nodes = [*items_of(node.get("policies"))]
        for name in texts_of(node.get("groups")):
            nodes += items_of(groups.get(name))
        boundary_arn = text_of(node, "boundary")
        boundary = self.attached(boundary_arn) if boundary_arn else None
        trust = self.policy(node.get("trust"), "trust") if kind == "role" else None
        tags = mapping_of(node.get("tags"))
        max_seconds = text_of(node, "max_session_duration") or "3600"
        return known(arn, kind, map(self._policy_item, nodes), trust, boundary)._replace(
            unique_id=text_of(node, "id"),
            tags=tuple((key.text, text_of(tags, key.text)) for key, _ in tags.entries),
            max_seconds=int(max_seconds) if kind == "role" and max_seconds.isdigit() else 0,
            groups=tuple(texts_of(node.get("groups"))),
        )

    def _groups(self, account: str, node: Mapping) -> Iterator[tuple[str, tuple[Policy, ...]]]:
        partition = text_of(node, "partition") or "aws"
        for key, value in mapping_of(node.get("groups")).entries:
            items = map(self._policy_item, items_of(mapping_of(value).get("policies")))
            arn = f"arn:{partition}:iam::{account}:group/{key.text}"
            yield arn, tuple(policy for policy in items if isinstance(policy, Policy))

    def _policy_item(self, node: Node) -> Policy | str:
        """Return the policy in a list item: an ARN, a document, or `{name, document}`."""
        if isinstance(node, Scalar) and node.text.startswith("arn:"):
            return self.attached(node.text)
        document = mapping_of(node).get("document")
        return self.policy(document if document is not None else node, "identity")

    def _secrets(
        self, account: str, region: str, sections: Mapping
    ) -> Iterator[tuple[SecretPlace, Policy | str | None]]:
        policies = mapping_of(sections.get("secret_policies"))
        for section in ("secrets", "binary_secrets"):
            for key, _ in mapping_of(sections.get(section)).entries:
                own = policies.get(key.text)
                yield (account, region, key.text), None if own is None else self.policy(own, "resource")

    def _keys(self, account: str, region: str, sections: Mapping) -> Iterator[tuple[SecretPlace, FileKey]]:
        for key, value in mapping_of(sections.get("keys")).entries:
            node = mapping_of(value)
            policy = node.get("policy")
            read = None if policy is None else self.policy(policy, "resource")
            yield (account, region, key.text), FileKey(text_of(node, "id"), read)

    def _organization(self, node: Node | None, accounts: list[str]) -> FileOrganization:
        """Return the control policies that apply to each account of the seed.

        They are () for the management account and for accounts outside of the organization.
        """
        service: dict[str, Levels] = dict.fromkeys(accounts, ())
        resource: dict[str, Levels] = dict(service)
        if not isinstance(node, Mapping):
            return FileOrganization(service, resource, is_there=False)
        for account, levels in self._levels(node, ()):
            if account != text_of(node, "management_account"):
                service[account] = tuple(self._level(level, "scp") for level in levels)
                resource[account] = tuple(self._level(level, "rcp") for level in levels)
        names = dict(_names(node))
        return FileOrganization(service, resource, is_there=True, identifier=text_of(node, "id"), names=names)

    def _levels(self, node: Mapping, above: tuple[Mapping, ...]) -> Iterator[tuple[str, tuple[Mapping, ...]]]:
        levels = (*above, node)
        accounts = node.get("accounts")
        for item in accounts.items if isinstance(accounts, Sequence) else ():
            if isinstance(item, Scalar):
                yield item.text, (*levels, Mapping((), item.line))
        for key, value in mapping_of(accounts).entries:
            yield key.text, (*levels, mapping_of(value))
        for _, value in mapping_of(node.get("organizational_units")).entries:
            yield from self._levels(mapping_of(value), levels)

    def _level(self, node: Mapping, kind: Literal["scp", "rcp"]) -> tuple[Policy, ...]:
        key = "service_control_policies" if kind == "scp" else "resource_control_policies"
        policies = []
        for item in items_of(node.get(key)):
            document = mapping_of(item).get("document")
            policy = self.policy(document if document is not None else item, kind)
            if isinstance(policy, str):
                message = f"{self.file} holds a policy that can't be used"
                raise PolicyInvalid(message, why=policy, hint="correct it there")
            policies.append(policy)
        has_full = kind == "rcp" or text_of(node, "full_aws_access") != "false"
        return (*([full_access(kind)] if has_full else []), *policies)


def _names(node: Mapping) -> Iterator[tuple[str, str]]:
    """Yield the id and name of each account of a unit and the units below it."""
    for key, value in mapping_of(node.get("accounts")).entries:
        if text_of(mapping_of(value), "name"):
            yield key.text, text_of(mapping_of(value), "name")
    for _, value in mapping_of(node.get("organizational_units")).entries:
        yield from _names(mapping_of(value))


def _providers(account: str, node: Mapping) -> Iterator[str]:
    partition = text_of(node, "partition") or "aws"
    for item in items_of(node.get("oidc_providers")):
        host = text_of(mapping_of(item), "url").removeprefix("https://").rstrip("/")
        yield f"arn:{partition}:iam::{account}:oidc-provider/{host}"
    for item in items_of(node.get("saml_providers")):
        yield f"arn:{partition}:iam::{account}:saml-provider/{text_of(mapping_of(item), 'name')}"


def _regions(account: str, node: Mapping, region: str) -> Iterator[tuple[str, str, Mapping]]:
    """Yield the account, the name of a region, and the sections of this region."""
    yield account, region, node
    for key, value in mapping_of(node.get("regions")).entries:
        yield account, key.text, mapping_of(value)


def _secret_keys(account: str, region: str, sections: Mapping) -> Iterator[tuple[SecretPlace, str]]:
    named = mapping_of(sections.get("secret_keys"))
    for key, _ in named.entries:
        yield (account, region, key.text), text_of(named, key.text)


def _parameters(account: str, region: str, sections: Mapping) -> Iterator[tuple[SecretPlace, str | None]]:
    named = mapping_of(sections.get("parameter_keys"))
    for key, value in mapping_of(sections.get("parameters")).entries:
        yield (account, region, key.text), None if isinstance(value, Sequence) else text_of(named, key.text)
