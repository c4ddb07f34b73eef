"""Look up the facts for a question in policy files, and in policies that are given for an ARN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dsops.arn import Arn, parse_arn
from dsops.errors import EntityNotFound
from dsops.policy.language.policy import Policy
from dsops.policy.simulation.case import CaseQuestion
from dsops.policy.simulation.completion import CompletedQuestion, complete, needs_of
from dsops.policy.simulation.facts import (
    ANY_ACCOUNT,
    AccountPlace,
    Attached,
    Entity,
    Facts,
    Kind,
    Needs,
    ResourcePolicy,
)
from dsops.policy.simulation.uncertain import Unread
from dsops.policy.sources.entities import Known, PolicyFile

UNKNOWN_SUFFIX: Final = "-??????"
"""The pattern that replaces the six characters that AWS appends to a secret's name, where they are unknown."""

_ORGANIZATION_KEYS: Final = ("aws:principalorgid", "aws:principalorgpaths", "aws:resourceorgid", "aws:resourceorgpaths")


class DeclaredPolicies:
    """The policies that files declare. Policies given by ARN (`trusts`, `identities`) take precedence."""

    def __init__(
        self, files: Sequence[PolicyFile], trusts: Mapping[str, Policy], identities: Mapping[str, tuple[Policy, ...]]
    ) -> None:
        self._trusts = trusts
        self._identities = identities
        self._accounts = {account: file.name for file in files for account in file.accounts}
        self._organizations = [file.organization for file in files if file.organization is not None]
        self._secrets = {place: policy for file in files for place, policy in file.secrets.items()}
        self._providers = {provider for file in files for provider in file.providers}
        self._entities: dict[tuple[str, Kind, str], Known] = {}
        for entity in (entity for file in files for entity in file.people):
            arn = parse_arn(entity.arn)
            if arn is not None:
                self._entities.setdefault((arn.account, entity.kind, arn.resource_name), entity)

    def complete(self, question: CaseQuestion) -> CompletedQuestion:
        """Complete a question with the policies, tags and ids in the files.

        Raises EntityNotFound for a user, role, provider or secret that a seed does not list. A seed lists all that
        exist.
        """
        if question.principal.federated:
            self._check_provider(question.principal.federated)
        return complete(question, {}, self.facts(needs_of(question, {})))

    def facts(self, needs: Needs) -> Facts:
        """Return the facts that the question needs. Raises EntityNotFound if a seed does not list an entity."""
        return Facts(
            self._caller(needs),
            self._role(needs.resource) if needs.resource_kind == "role" else None,
            self._secret(needs.resource) if needs.resource_kind == "secret" else None,
            self._account(needs.callers_account),
            self._account(needs.resources_account),
            tuple(self._unread_organization()),
        )

    def has_secrets(self, account: str) -> bool:
        """Whether a file lists secrets of the account. A file without secrets may describe only users and roles."""
        return any(place[0] == account for place in self._secrets)

    def longest_seconds(self, role_arn: str) -> int:
        """Return the role's maximum session duration in seconds; 0 if the files do not contain it."""
        role = self._find("role", parse_arn(role_arn))
        return role.max_seconds if role is not None else 0

    def _caller(self, needs: Needs) -> Attached | None:
        if needs.caller_kind is None:
            return None
        if needs.caller_kind == "federated-session":
            return Attached(None, (), None, "", ("the policies of the user who federated are not looked at",), "")
        arn = needs.caller
        entity = self._named(needs.caller_kind, arn)
        own = self._identities.get(arn, ())
        if entity is None:
            missing, boundary = (
                f"the policies of {arn} are not given",
                f"the permissions boundary of {arn} is not given",
            )
            tags = f"the tags of {arn} are not given"
            # A caller whose policy is given on the command line is assumed to have no other policies.
            return Attached(None, own, None, tags, () if own else (missing,), "" if own else boundary)
        attached = attached_of(entity, arn)
        return attached._replace(identity=(*own, *attached.identity))

    def _role(self, arn: str) -> Attached:
        entity = self._named("role", arn)
        why = f"the trust policy of {arn} is not given"
        if entity is None:
            attached = Attached(None, (), None, f"the tags of {arn} are not given", (), "", unread_trust=why)
        else:
            attached = attached_of(entity, arn)
            if attached.trust is None:
                attached = attached._replace(unread_trust=attached.unread_trust or why)
        own = self._trusts.get(arn)
        return attached if own is None else attached._replace(trust=own, unread_trust="")

    def _secret(self, text: str) -> ResourcePolicy | None:
        """Return the policy of a secret, given an ARN without the six characters at its end."""
        arn = parse_arn(text)
        if arn is None or not self.has_secrets(arn.account):
            return None
        name = arn.resource.removeprefix("secret:").removesuffix(UNKNOWN_SUFFIX)
        place = (arn.account, arn.region, name)
        if place not in self._secrets:
            file = self._accounts[arn.account]
            raise EntityNotFound(
                f"there is no secret {name}", hint=f"{file} has no secret of that name in {arn.region}"
            )
        policy = self._secrets[place]
        return ResourcePolicy(None, (), policy, "") if isinstance(policy, str) else ResourcePolicy(policy, (), "", "")

    def _account(self, account: str) -> AccountPlace | None:
        """Return the control policies above the account; None if no file describes its organization."""
        organizations = [
            organization
            for organization in self._organizations
            if organization.service.get(account) or organization.resource.get(account)
        ]
        if not organizations:
            return None
        levels = organizations[-1]
        return AccountPlace(
            "", "", {"scp": levels.service.get(account, ()), "rcp": levels.resource.get(account, ())}, ""
        )

    def _unread_organization(self) -> Iterator[Unread]:
        if not self._organizations:
            yield Unread("context", "the organization is not given", _ORGANIZATION_KEYS)
        elif any(organization.is_there for organization in self._organizations):
            yield Unread("context", "AWS makes up the ids and paths of an organization", _ORGANIZATION_KEYS)

    def _check_provider(self, provider: str) -> None:
        arn = parse_arn(provider)
        file = self._accounts.get(arn.account) if arn is not None else None
        if file and provider not in self._providers:
            raise EntityNotFound(f"there is no {provider}", hint=f"{file} has no such provider in that account")

    def _find(self, kind: Kind, arn: Arn | None) -> Known | None:
        if arn is None:
            return None
        exact = self._entities.get((arn.account, kind, arn.resource_name))
        return exact or self._entities.get((ANY_ACCOUNT, kind, arn.resource_name))

    def _named(self, kind: Kind, text: str) -> Known | None:
        """Return the user or role with that ARN.

        Returns None if no file lists it but it may still exist. Raises EntityNotFound if a file describes the whole
        account without it.
        """
        arn = parse_arn(text)
        entity = self._find(kind, arn)
        file = self._accounts.get(arn.account) if arn is not None else None
        # For some sessions, the path of the role is unknown.
        if entity is not None and entity.arn in (text, _in_any_account(arn)):
            return entity
        if entity is not None and file:
            raise EntityNotFound(f"there is no {text}", hint=f"the ARN in {file} is {entity.arn}")
        if file and text not in self._trusts and text not in self._identities:
            raise EntityNotFound(f"there is no {text}", hint=f"{file} has no {kind} of that name in that account")
        return None


def attached_of(entity: Known, arn: str = "") -> Attached:
    """Convert an entity of a file to `Attached`. `arn` is its ARN with the account, which is missing in a template."""
    boundary_name = entity.boundary.name if entity.boundary is not None else ""
    return Attached(
        Entity(arn or entity.arn, entity.unique_id, boundary_name, dict(entity.tags), ""),
        entity.identity,
        entity.boundary,
        "",
        (entity.unread_identity,) if entity.unread_identity else (),
        entity.unread_boundary,
        is_template=True,
        trust=entity.trust,
        unread_trust=entity.unread_trust,
    )


def _in_any_account(arn: Arn | None) -> str:
    return f"arn:aws:iam::{ANY_ACCOUNT}:{arn.resource}" if arn is not None else ""


def assumptions(files: Sequence[PolicyFile], *, has_single: bool) -> Iterator[str]:
    """Yield sentences about what is assumed because the files do not say otherwise."""
    if not any(file.organization is not None for file in files):
        yield "no service or resource control policies are given, so none are looked at"
    if has_single:
        yield "a caller given with --identity-policy and in no file has no other policies and no boundary"
