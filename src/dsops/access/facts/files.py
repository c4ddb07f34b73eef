"""Read the facts of a file: a sandbox's seed, a dump of IAM, or a template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from dsops.access.facts.templates import read_template
from dsops.access.facts.world import (
    Gap,
    IamIdentity,
    Levels,
    MemberAccount,
    OrganizationFacts,
    PolicyDocument,
    Resource,
    UserGroup,
    add_facts,
)
from dsops.arn import is_account_id, parse_arn, partition_of_region
from dsops.errors import PolicyInvalid
from dsops.policy import Policy, PolicyFile, ReadFile, default_key_policy, open_key_policy, read_policy_source
from dsops.text import clean

_SUFFIX: Final = "000000"
"""Stands for the six random characters at the end of a secret's ARN, which a seed does not contain."""
_OPEN_KEY: Final = "sandbox"
"""The name of the key that the sandbox creates for secrets with a policy and without a key (sandbox.seed)."""

_Place = tuple[str, str, str]


def read_facts(text: str, name: str, read_file: ReadFile) -> OrganizationFacts:
    """Return the facts in the text of a file.

    The text is a sandbox's seed, the output of `aws iam get-account-authorization-details` or `terraform show -json`,
    or a CloudFormation template. Raises PolicyInvalid for any other text.
    """
    template = read_template(text, name)
    if template is not None:
        return template
    return _Reader(read_policy_source(text, name, read_file), name).world()


class _Reader:
    """Makes a world of one file."""

    def __init__(self, file: PolicyFile, name: str) -> None:
        self._file = file
        self._name = name
        self._documents: dict[int, PolicyDocument] = {}
        self._arns = {id(policy): arn for arn, policy in file.managed.items() if parse_arn(arn) is not None}

    def world(self) -> OrganizationFacts:
        identities: dict[str, IamIdentity] = {}
        for identity in self._identities():
            add_facts(identities, {identity.arn: identity}, self._name)
        resources = {resource.arn: resource for resource in _SeedResources(self._file, self._document).resources()}
        accounts = {account.identifier: account for account in self._accounts(identities.values())}
        gaps = (*self._gaps_of_identities(), *self._gaps_of_file())
        groups = {group.arn: group for group in self._groups()}
        return OrganizationFacts(accounts, identities, resources, groups, self._file.providers, (), gaps, (self._name,))

    def _identities(self) -> Iterator[IamIdentity]:
        for entity in self._file.people:
            yield IamIdentity(
                entity.arn,
                entity.kind,
                self._account_of(entity.arn),
                entity.unique_id,
                dict(entity.tags),
                self._of(entity.identity),
                self._of([entity.boundary])[0] if entity.boundary is not None else None,
                self._of([entity.trust])[0] if entity.trust is not None else None,
                groups=entity.groups,
            )

    def _groups(self) -> Iterator[UserGroup]:
        for text, policies in self._file.groups.items():
            arn = parse_arn(text)
            yield UserGroup(text, arn.account if arn is not None else "", self._of(policies))

    def _account_of(self, text: str) -> str:
        """Return the account of a user or role. Raises PolicyInvalid for a text that is no ARN of one."""
        arn = parse_arn(text)
        if arn is None or not arn.resource.rpartition("/")[2] or not is_account_id(arn.account):
            raise PolicyInvalid(
                f"{self._name} has a user or role without a valid ARN: `{clean(text[:200])}`",
                hint="`aws iam get-account-authorization-details` prints a file that dsops can read",
            )
        return arn.account

    def _of(self, policies: Sequence[Policy]) -> tuple[PolicyDocument, ...]:
        """Return the documents of policies. Several owners of a policy share its document."""
        return tuple(map(self._document, policies))

    def _document(self, policy: Policy) -> PolicyDocument:
        known = self._documents.get(id(policy))
        if known is None:
            named = policy._replace(name=self._arns.get(id(policy), policy.name))
            known = self._documents[id(policy)] = PolicyDocument.of(named)
        return known

    def _gaps_of_identities(self) -> Iterator[Gap]:
        for entity in self._file.people:
            arn = parse_arn(entity.arn)
            account = arn.account if arn is not None else ""
            if entity.unread_identity:
                yield Gap(account, "identity", entity.unread_identity, entity.arn)
            if entity.unread_boundary:
                yield Gap(account, "boundary", entity.unread_boundary, entity.arn)
            if entity.unread_trust:
                yield Gap(account, "trust", entity.unread_trust, entity.arn)

    def _accounts(self, identities: Iterable[IamIdentity]) -> Iterator[MemberAccount]:
        organization = self._file.organization
        partitions = {identity.account: identity.arn.split(":")[1] for identity in identities}
        for identifier in sorted(self._file.accounts | set(partitions)):
            partition = partitions.get(identifier, "aws")
            if organization is None:
                yield MemberAccount(identifier, partition=partition, organization_id=None)
                continue
            service, resource = (
                self._levels(levels[identifier]) for levels in (organization.service, organization.resource)
            )
            yield MemberAccount(
                identifier,
                organization.names.get(identifier, ""),
                partition,
                (organization.identifier or None) if organization.is_there else "",
                service_control=service,
                resource_control=resource,
            )

    def _levels(self, levels: Sequence[Sequence[Policy]]) -> Levels:
        return tuple(self._of(level) for level in levels)

    def _gaps_of_file(self) -> Iterator[Gap]:
        if self._file.organization is None:
            why = f"{self._name} contains no control policies"
            yield from (Gap("", "scp", why), Gap("", "rcp", why))
        yield from _SeedResources(self._file, self._document).gaps()


class _SeedResources:
    """The resources of a seed. A key without an id has its name in its ARN."""

    def __init__(self, file: PolicyFile, document_of: Callable[[Policy], PolicyDocument]) -> None:
        """`document_of` returns the document of a policy."""
        self._file = file
        self._document_of = document_of

    def resources(self) -> Iterator[Resource]:
        """Yield the secrets, parameters and keys."""
        for place in self._file.keys:
            arn = self._key_arn(place)
            yield Resource(arn, place[0], self._key_policy(place), aliases=(_arn("kms", place, "alias/"),))
        for place, policy in self._file.secrets.items():
            key = self._file.encrypted_with.get(place, "") or (_OPEN_KEY if policy is not None else "")
            document = self._document_of(policy) if isinstance(policy, Policy) else None
            arn = _arn("secretsmanager", place, "secret:", f"-{_SUFFIX}")
            yield Resource(arn, place[0], document, kms_key=self._named_key(place, key, "secretsmanager"))
        for place, named in self._file.parameters.items():
            parameter = _arn("ssm", (*place[:2], place[2].removeprefix("/")), "parameter/")
            own = "" if named is None else self._named_key(place, named, "ssm")
            yield Resource(parameter, place[0], kms_key=own)
        yield from self._open_keys()

    def gaps(self) -> Iterator[Gap]:
        """Yield the policies that can't be used."""
        for place, policy in self._file.secrets.items():
            if isinstance(policy, str):
                yield Gap(place[0], "resource", policy, _arn("secretsmanager", place, "secret:", f"-{_SUFFIX}"))
        for place, key in self._file.keys.items():
            if isinstance(key.policy, str):
                yield Gap(place[0], "resource", key.policy, self._key_arn(place))

    def _open_keys(self) -> Iterator[Resource]:
        """Yield the keys that the sandbox creates for secrets that have a policy and no key."""
        places = {
            (account, region, _OPEN_KEY): None
            for (account, region, name), policy in self._file.secrets.items()
            if policy is not None and (account, region, name) not in self._file.encrypted_with
        }
        for place in places:
            if place not in self._file.keys:
                account, region, _ = place
                text = open_key_policy(account, region, "secretsmanager", partition_of_region(region).name)
                arn = _arn("kms", place, "key/")
                yield Resource(arn, account, PolicyDocument(f"the policy of {arn}", "resource", text))

    def _named_key(self, place: _Place, name: str, service: str) -> str:
        """Return the ARN of the key with that name or ARN; for "", that of the service's AWS managed key."""
        account, region, _ = place
        if name.startswith("arn:"):
            return name
        return self._key_arn((account, region, name)) if name else _arn("kms", (*place[:2], f"aws/{service}"), "alias/")

    def _key_arn(self, place: _Place) -> str:
        account, region, name = place
        key = self._file.keys.get(place)
        return _arn("kms", (account, region, (key.identifier if key is not None else "") or name), "key/")

    def _key_policy(self, place: _Place) -> PolicyDocument | None:
        policy = self._file.keys[place].policy
        if isinstance(policy, Policy):
            return self._document_of(policy)
        if policy is not None:
            return None
        name = f"the policy of {self._key_arn(place)}"
        return PolicyDocument(name, "resource", default_key_policy(place[0], partition_of_region(place[1]).name))


def _arn(service: str, place: _Place, before: str, after: str = "") -> str:
    account, region, name = place
    return f"arn:{partition_of_region(region).name}:{service}:{region}:{account}:{before}{name}{after}"
