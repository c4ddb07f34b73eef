"""Read the facts of a file: a sandbox's seed, a dump of IAM, or a template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from dsops.policy import Policy, PolicyFile, ReadFile, read_policy_source
from dsops.text import clean

_SUFFIX: Final = "000000"
"""Stands for the six random characters at the end of a secret's ARN, which a seed does not contain."""


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
        resources = {resource.arn: resource for resource in self._secrets()}
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
        for (account, region, name), policy in self._file.secrets.items():
            if isinstance(policy, str):
                yield Gap(account, "resource", policy, _secret_arn(account, region, name))

    def _secrets(self) -> Iterator[Resource]:
        for (account, region, name), policy in self._file.secrets.items():
            arn = _secret_arn(account, region, name)
            yield Resource(arn, account, self._of([policy])[0] if isinstance(policy, Policy) else None)


def _secret_arn(account: str, region: str, name: str) -> str:
    partition = partition_of_region(region).name
    return f"arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-{_SUFFIX}"
