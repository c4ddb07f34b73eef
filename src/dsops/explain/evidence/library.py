"""Completes a policy question with every policy that the chain's credentials may read, and with policies from files.

A failed read becomes an unread part of the question, and the search continues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.arn import parse_arn
from dsops.aws.apis.iam import Iam
from dsops.aws.apis.kms import Kms
from dsops.aws.apis.organizations import OrganizationsClient
from dsops.aws.apis.secret_policy import SecretsManagerClient
from dsops.errors import DsopsError, EntityNotFound, PolicyInvalid
from dsops.explain.evidence.attached import AttachedReader
from dsops.explain.evidence.completer import Completer
from dsops.explain.evidence.keys import UNKNOWN_KEY
from dsops.explain.evidence.organization import OrganizationReader
from dsops.explain.evidence.readers import Given, SeveralReaders
from dsops.explain.evidence.recorded import Recorded
from dsops.explain.questions.chain import ChainKeys, Chains
from dsops.plan import Step
from dsops.policy import (
    ANY_ACCOUNT,
    UNKNOWN_SUFFIX,
    CaseQuestion,
    CompletedQuestion,
    Place,
    Policy,
    PolicyText,
    Unread,
    parse_policy,
)
from dsops.startup import NamedTuple


class Evidence(NamedTuple):
    """Policies from files, in addition to the policies read from AWS."""

    given: Given
    trusts: Mapping[str, Policy]
    """The trust policies from files, by the role's ARN."""


class EvidenceLibrary:
    """Reads policies that answer the questions about one plan."""

    def __init__(self, chains: Chains, evidence: Evidence) -> None:
        self._chains = chains
        self._evidence = evidence
        self._completers: dict[str, tuple[Mapping[str, SeveralReaders], Completer]] = {}

    def completer(self, step: Step, chain: Sequence[ChainKeys]) -> tuple[Mapping[str, SeveralReaders], Completer]:
        """Return the readers by account, and a completer.

        All secrets of a store share readers and completer, so that each entity is read once.
        """
        if step.name not in self._completers:
            self._completers[step.name] = self._new_completer(step, chain)
        return self._completers[step.name]

    def _new_completer(self, step: Step, chain: Sequence[ChainKeys]) -> tuple[Mapping[str, SeveralReaders], Completer]:
        """Create the readers by account, and the completer.

        The latest session in the chain is tried first, because it is nearest to the refused call.
        """
        by_account: dict[str, list[ChainKeys]] = {}
        for keys in reversed(chain):
            by_account.setdefault(keys.identity.account, []).append(keys)
        accounts = {*by_account, *(account for account, _, _ in self._evidence.given)}
        if ANY_ACCOUNT in accounts:
            # The users and roles of a template have no account id; the roles that the plan assumes determine their
            # accounts.
            roles = (parse_arn(role_step.role) for role_step in self._chains.plan.steps.values())
            accounts = accounts - {ANY_ACCOUNT} | {role.account for role in roles if role is not None}
        readers = {
            account: SeveralReaders(
                account,
                [AttachedReader(self.iam(step, keys)) for keys in by_account.get(account, ())],
                self._evidence.given,
            )
            for account in sorted(accounts)
        }
        organizations = {account: self._organizations(step, all_keys[0]) for account, all_keys in by_account.items()}
        more = [self._organizations(step, keys) for all_keys in by_account.values() for keys in all_keys[1:]]

        def secrets(account: str, region: str) -> list[SecretsManagerClient]:
            # A caller of another account may describe the secret if the secret's policy allows it.
            readers_keys = by_account.get(account) or list(reversed(chain))
            endpoint = self._chains.endpoint(step, "secretsmanager", region)
            return [SecretsManagerClient(self._chains.client, keys.credentials, endpoint) for keys in readers_keys]

        def kms(account: str, region: str) -> list[Kms]:
            endpoint = self._chains.endpoint(step, "kms", region)
            return [Kms(self._chains.client, keys.credentials, endpoint) for keys in by_account.get(account, ())]

        organization = OrganizationReader(organizations, organizations.get, more)
        return readers, Completer(readers, organization, secrets, kms)

    def iam(self, step: Step, keys: ChainKeys) -> Iam:
        """Return an IAM client that uses these credentials."""
        return Iam(self._chains.client, keys.credentials, self._chains.endpoint(step, "iam"))

    def _organizations(self, step: Step, keys: ChainKeys) -> OrganizationsClient:
        return OrganizationsClient(self._chains.client, keys.credentials, self._chains.endpoint(step, "organizations"))

    async def complete(
        self,
        question: CaseQuestion,
        unread: tuple[Unread, ...],
        chain: Sequence[ChainKeys],
        readers: Mapping[str, SeveralReaders],
        completer: Completer,
        recorded: Recorded | None = None,
    ) -> CompletedQuestion:
        """Return the policy question with everything that can be read. A failed read becomes an unread part.

        Policies and context from AWS's record take precedence, since AWS evaluated them.
        """
        policies: dict[Place, tuple[tuple[Policy, ...], ...]] = {}
        if recorded is not None:
            question = recorded.complete(question)
            policies |= recorded.given
        trust = self._evidence.trusts.get(question.resource)
        if trust is not None and "trust" not in policies:
            policies["trust"] = ((trust,),)
        more = [*unread]
        if question.resource.endswith(UNKNOWN_SUFFIX) and "resource" not in policies:
            policies["resource"] = ()
            more.append(Unread("resource", "the caller may not look up the secret's whole ARN"))
        if question.resource.endswith(UNKNOWN_KEY):
            policies["resource"] = ()
            more.append(Unread("resource", "no keys here may look up which key it is"))
        caller = chain[-1].caller if chain else None
        issuer = self._chains.plan.steps.get(caller.step) if caller is not None else None
        if issuer is not None and question.principal.account:
            layer, missing = await self._session_layer(issuer, readers.get(question.principal.account))
            if not (missing and "session" in policies):
                policies["session"] = (layer,) if layer else ()
                more += missing
        try:
            completed = await completer.complete(question, policies)
        except EntityNotFound:
            raise
        except DsopsError as error:
            places: tuple[Place, ...] = ("trust", "identity", "boundary", "scp", "rcp")
            left = [place for place in places if place not in policies]
            completed = CompletedQuestion(question, policies, tuple(Unread(place, error.message) for place in left))
        completed = completed._replace(unread=(*completed.unread, *more))
        if recorded is not None:
            completed = completed._replace(unread=tuple(recorded.still_unread(completed.unread)))
        return completed if is_role_exact(chain, completed) else _without_path(completed)

    async def _session_layer(
        self, issuer: Step, readers: SeveralReaders | None
    ) -> tuple[tuple[Policy, ...], list[Unread]]:
        """Return the session policies of the caller's session, and an Unread for each one that could not be read."""
        policies: list[Policy] = []
        missing: list[Unread] = []
        text = issuer.settings.get("session_policy")
        if isinstance(text, str) and text:
            name = f"`session_policy` of store `{issuer.name}`"
            try:
                policies.append(parse_policy(text, "session", name=name))
            except PolicyInvalid as error:
                missing.append(Unread("session", f"{name} can't be read: {error.message}"))
        arns = issuer.settings.get("policy_arns", ())
        for arn in arns if isinstance(arns, tuple) else ():
            read = await readers.managed(str(arn)) if readers is not None else "no keys here may read it"
            if isinstance(read, PolicyText):
                try:
                    policies.append(parse_policy(read.text, "session", name=read.name))
                    continue
                except PolicyInvalid as error:
                    read = error.message
            missing.append(Unread("session", f"{arn}: {read}"))
        return tuple(policies), missing


def is_role_exact(chain: Sequence[ChainKeys], completed: CompletedQuestion) -> bool:
    """Whether the caller's role ARN is known with its path, from the configuration or from IAM."""
    caller = chain[-1].caller if chain else None
    if caller is None or caller.is_role_exact or completed.asked.principal.kind != "role-session":
        return True
    return not any("aws:userid" in unread_part.keys for unread_part in completed.unread)


def _without_path(completed: CompletedQuestion) -> CompletedQuestion:
    """Mark the path of the caller's role as unknown. Roles of IAM Identity Center have a path, for example."""
    question = completed.asked._replace(context={**completed.asked.context, "aws:PrincipalArn": ()})
    unread = Unread("context", "the path of the caller's role is not known", ("aws:principalarn",))
    return completed._replace(asked=question, unread=(*completed.unread, unread))
