"""Completes policy questions with the caller's and resource's policies, read from AWS or a sandbox.

`dsops.policy.simulation.completion` determines which facts are needed and adds them to the question. This module
reads the facts through the AWS APIs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, assert_never

from dsops.arn import Arn, parse_arn
from dsops.aws.apis.iam import Iam
from dsops.aws.apis.kms import Kms, get_key_policy
from dsops.aws.apis.organizations import OrganizationsClient
from dsops.aws.apis.secret_policy import SecretsManagerClient
from dsops.aws.http.call import Client
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AccessDenied, DsopsError, EntityNotFound
from dsops.explain.evidence.attached import AttachedReader, ReadsAttached
from dsops.explain.evidence.organization import OrganizationReader
from dsops.explain.evidence.secret import read_with_any
from dsops.policy import (
    Attached,
    CaseQuestion,
    CompletedQuestion,
    Facts,
    Needs,
    PolicySet,
    PolicyText,
    ResourcePolicy,
    complete,
    needs_of,
)
from dsops.tasks import AsyncOnce, settle

_AT_ONCE: Final = 10
"""The number of questions completed concurrently. Each needs a few calls, for up to two users or roles."""


class Completer:
    """Completes policy questions; reads each user, role, secret and key only once."""

    def __init__(
        self,
        readers: Mapping[str, ReadsAttached],
        organization: OrganizationReader,
        secrets: FindSecretsManager,
        keys: FindKms,
    ) -> None:
        self._readers = readers
        """The readers by account.

        There is one per account, because IAM finds a name only in the account of the credentials.
        """
        self._organization = organization
        self._find_secrets = secrets
        self._find_keys = keys
        self._key_policies: dict[str, AsyncOnce[str]] = {}
        self._secrets: dict[str, AsyncOnce[ResourcePolicy]] = {}
        self._attached_to: dict[tuple[str, str, str], AsyncOnce[Attached]] = {}

    async def complete_all(
        self, questions: Sequence[tuple[CaseQuestion, PolicySet]]
    ) -> list[CompletedQuestion | DsopsError]:
        """Complete the policy questions and return the results in order; an error takes the place of a result.

        Only a few questions are completed concurrently, because IAM throttles.
        """
        results: list[CompletedQuestion | DsopsError] = []
        for start in range(0, len(questions), _AT_ONCE):
            part = questions[start : start + _AT_ONCE]
            results += await settle(*[self.complete(question, policies) for question, policies in part])
        return results

    async def complete(self, question: CaseQuestion, policies: PolicySet) -> CompletedQuestion:
        """Return the policy question with all policies of its caller and resource, except those already in `policies`.

        Raises EntityNotFound for a user or role that IAM does not have.
        """
        return complete(question, policies, await self._facts(needs_of(question, policies)))

    async def _facts(self, needs: Needs) -> Facts:
        caller = await self._caller(needs)
        role = await self._role(needs) if needs.resource_kind == "role" else None
        resource = await self._resource(needs)
        membership = self._organization.membership
        callers = await membership(needs.callers_account) if needs.callers_account else None
        has_resource = bool(needs.resource and needs.resources_account)
        return Facts(
            caller, role, resource, callers, await membership(needs.resources_account) if has_resource else None
        )

    async def _caller(self, needs: Needs) -> Attached | None:
        if needs.caller_kind is None:
            return None
        if needs.caller_kind == "federated-session":
            return _unknown(f"no API tells which user federated {needs.caller}")
        if needs.callers_account not in self._readers:
            return _unknown(self._foreign(needs.caller, needs.callers_account))
        # The path of a session's role is not known. If the caller's ARN contains a path, that path must match.
        return await self._attached(needs.caller_kind, needs.caller, is_exact=needs.caller.count("/") > 1)

    async def _role(self, needs: Needs) -> Attached:
        if needs.resources_account not in self._readers:
            return _unknown(self._foreign(needs.resource, needs.resources_account))
        return await self._attached("role", needs.resource, is_exact=True)

    async def _resource(self, needs: Needs) -> ResourcePolicy | None:
        arn = parse_arn(needs.resource)
        if arn is None or needs.resource_kind is None or needs.resource_kind == "role":
            return None
        if needs.resource_kind == "secret":
            return await self._secret(needs.resource, arn)
        if needs.resource_kind == "key":
            return await self._key(needs.resource, arn)
        if needs.resource_kind == "other":
            service = needs.action.partition(":")[0]
            why = f"policies of {service} are not read: give it with --resource-policy, or say that there is `none`"
            return ResourcePolicy(None, (), why, "a resource's tags are not read")
        assert_never(needs.resource_kind)

    async def _secret(self, text: str, arn: Arn) -> ResourcePolicy:
        apis = self._find_secrets(arn.account, arn.region)
        if not apis:
            why = self._foreign(text, arn.account)
            return ResourcePolicy(None, (), why, why)
        return await self._secrets.setdefault(text, AsyncOnce(lambda: read_with_any(apis, text))).get()

    async def _key(self, text: str, arn: Arn) -> ResourcePolicy:
        unread_tags = "a key's tags are not read"
        apis = self._find_keys(arn.account, arn.region)
        if not apis:
            return ResourcePolicy(None, (), self._foreign(text, arn.account), unread_tags)
        try:
            policy = await self._key_policies.setdefault(text, AsyncOnce(lambda: _policy_of_key(apis, text))).get()
        except EntityNotFound:
            raise
        except DsopsError as error:
            return ResourcePolicy(None, (), error.message, unread_tags)
        return ResourcePolicy(PolicyText(f"the policy of {text}", policy), (), "", unread_tags)

    def _foreign(self, arn: str, account: str) -> str:
        accounts = " and ".join(self._readers) or "no account"
        return f"{arn} is of account {account}, and the keys that ask are of {accounts}"

    async def _attached(self, kind: str, arn: str, *, is_exact: bool) -> Attached:
        parsed = parse_arn(arn)
        account, name = (parsed.account, parsed.resource_name) if parsed is not None else ("", arn)
        reader = self._readers[account]
        read = reader.role if kind == "role" else reader.user
        attached = await self._attached_to.setdefault((account, kind, name), AsyncOnce(lambda: read(name))).get()
        if not is_exact or attached.entity is None or attached.entity.arn == arn:
            return attached
        if attached.is_template:
            why = f"{arn} is none of the template's: that has {attached.entity.arn}"
            return Attached(None, (), None, why, (why,), why)
        raise EntityNotFound(f"there is no {arn}", hint=f"the entity of that name in IAM is {attached.entity.arn}")


async def _policy_of_key(apis: Sequence[Kms], key: str) -> str:
    """Return the key's policy, read with the first client that has permission. Raises the last client's error."""
    for api in apis[:-1]:
        with suppress(AccessDenied):
            return await get_key_policy(api, key)
    return await get_key_policy(apis[-1], key)


def _unknown(why: str) -> Attached:
    return Attached(None, (), None, why, (why,), why)


class AccountKeys(NamedTuple):
    """Credentials that can read an account, and the region of its global services."""

    credentials: Credentials
    region: str


def completer_of(
    client: Client,
    find_keys: Callable[[str], AccountKeys | None],
    find_endpoint: Callable[[str, str], Endpoint],
    accounts: Iterable[str],
) -> Completer:
    """Return a completer for policy questions about these accounts.

    `find_keys` is a function that takes an account and returns credentials that can read it, or None. `find_endpoint`
    takes a service and a region, and returns the endpoint.
    """

    def organizations(account: str) -> OrganizationsClient | None:
        keys = find_keys(account)
        endpoint = find_endpoint("organizations", keys.region) if keys else None
        return OrganizationsClient(client, keys.credentials, endpoint) if keys and endpoint else None

    def secrets(account: str, region: str) -> list[SecretsManagerClient]:
        keys = find_keys(account)
        endpoint = find_endpoint("secretsmanager", region)
        return [SecretsManagerClient(client, keys.credentials, endpoint)] if keys else []

    def kms(account: str, region: str) -> list[Kms]:
        keys = find_keys(account)
        return [Kms(client, keys.credentials, find_endpoint("kms", region))] if keys else []

    readers, own = {}, {}
    for account in sorted(accounts):
        keys, api = find_keys(account), organizations(account)
        if keys is not None and api is not None:
            readers[account] = AttachedReader(Iam(client, keys.credentials, find_endpoint("iam", keys.region)))
            own[account] = api
    return Completer(readers, OrganizationReader(own, organizations), secrets, kms)


FindSecretsManager = Callable[[str, str], Sequence[SecretsManagerClient]]
"""A function that takes account and region, and returns a client for each set of credentials with access there."""
FindKms = Callable[[str, str], Sequence[Kms]]
"""A function that takes account and region, and returns KMS clients.

Only the account that owns a key can read the key's policy.
"""
