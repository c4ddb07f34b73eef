"""Finds the policy questions that AWS evaluated for a failure, or a finding if no question is needed."""

from __future__ import annotations

from collections.abc import Sequence

from dsops.arn import parse_arn
from dsops.aws.apis.secret_policy import SecretsManagerClient, describe_secret, get_resource_policy, list_secret_names
from dsops.errors import DsopsError, EntityNotFound, nearest
from dsops.explain.evidence.keys import Encrypted, KeyAsker
from dsops.explain.finding import FaultLocation, RefusalFinding, Remedy
from dsops.explain.findings.refused import finding_of
from dsops.explain.questions.chain import ChainKeys, Chains
from dsops.explain.questions.federated_questions import unsigned_questions
from dsops.explain.questions.refused_call import EditAt
from dsops.explain.questions.request import ChainCaller, context_of_call, questions
from dsops.explain.questions.sentence import RefusalMessage, read_refusal
from dsops.plan import Step
from dsops.plan.required_permissions import read_resource
from dsops.policy import UNKNOWN_SUFFIX, CaseQuestion, Unread, lower_case
from dsops.startup import NamedTuple
from dsops.tasks import settle

Questions = list[tuple[CaseQuestion, tuple[Unread, ...]]]


class Failure(NamedTuple):
    """A failure of a plan's trial run."""

    step: Step
    error: DsopsError
    secret: str = ""
    """The secret's name if the failure was a read; "" otherwise."""
    region: str = ""


class Asker:
    """Finds the policy questions for the failures of one plan."""

    def __init__(self, chains: Chains, edit_at: EditAt) -> None:
        self._chains = chains
        self._edit_at = edit_at
        self._keys = KeyAsker(chains)

    async def of(
        self, failure: Failure, refusal: RefusalMessage, chain: Sequence[ChainKeys]
    ) -> Questions | RefusalFinding:
        """Return the policy questions that AWS evaluated, or a finding if there is no question."""
        step, region = failure.step, failure.region or failure.step.region
        if step.proof is not None and not failure.secret:
            asked_questions = unsigned_questions(step, region)
            return asked_questions or _unknown_provider(failure, self._chains.hop(step), self._edit_at)
        caller = chain[-1].caller if chain else None
        if caller is None:
            return _unknown(failure, self._chains.hop(step), self._edit_at)
        if step.operation == "AssumeRole" and not failure.secret:
            asked_questions = questions(step, caller, region, refusal.action)
            # The action that AWS names comes first, because AWS refused that action.
            asked_questions.sort(key=lambda question: lower_case(question[0].action) != lower_case(refusal.action))
            return asked_questions[:1] if refusal.action else asked_questions
        return await self._question_of_read(failure, refusal, caller, chain)

    def actions(self, step: Step, chain: Sequence[ChainKeys]) -> tuple[str, ...]:
        """Return all actions that the hop needs; the policies must allow each of them."""
        if step.proof is not None:
            return tuple(question.action for question, _ in unsigned_questions(step, step.region))
        caller = chain[-1].caller if chain else None
        if caller is None or step.operation != "AssumeRole":
            return ()
        return tuple(sorted(question.action for question, _ in questions(step, caller, step.region)))

    async def _question_of_read(
        self, failure: Failure, refusal: RefusalMessage, caller: ChainCaller, chain: Sequence[ChainKeys]
    ) -> Questions | RefusalFinding:
        """Return the policy question about the call in AWS's message."""
        step, region = failure.step, failure.region or failure.step.region
        resource = refusal.resource or "*"
        if failure.secret and step.type.service == "secretsmanager":
            secret_arn: str | RefusalFinding = refusal.resource
            # For an existing secret, AWS returns the whole ARN; for a missing secret, AWS repeats the requested name.
            if ":secret:" not in refusal.resource or refusal.resource == failure.secret:
                secret_arn = await self._secret_arn(failure, region, chain)
            if isinstance(secret_arn, RefusalFinding):
                return secret_arn
            resource = secret_arn
        elif failure.secret and not refusal.resource and step.type.read_action:
            resource = read_resource(step, caller.principal.account, failure.secret)
        action = refusal.action or (step.type.read_permission if failure.secret else step.session_permission)
        if not action:
            return _unknown(failure, self._chains.hop(step), self._edit_at)
        arn = parse_arn(resource)
        account = arn.account if arn is not None and arn.account else caller.principal.account
        question = CaseQuestion(caller.principal, action, resource, account, context_of_call(caller, region))
        return [(question, caller.unread)]

    async def of_key(
        self, failure: Failure, chain: Sequence[ChainKeys]
    ) -> tuple[CaseQuestion, tuple[Unread, ...]] | RefusalFinding:
        """Return the policy question that KMS evaluated, or a finding if there is no question."""
        step, region = failure.step, failure.region or failure.step.region
        caller = chain[-1].caller if chain else None
        if caller is None:
            return _unknown(failure, self._chains.hop(step), self._edit_at)
        aws = failure.error.aws
        refusal = read_refusal(aws.message if aws is not None else "")
        resource: str | RefusalFinding = failure.secret
        if step.type.service == "secretsmanager":
            resource = await self._secret_arn(failure, region, chain)
        if isinstance(resource, RefusalFinding):
            return resource
        named = refusal.resource or _key_in(aws.message if aws is not None else "")
        return await self._keys.of(Encrypted(step, region, resource, caller, aws), named, chain)

    async def meant_secret(self, failure: Failure, chain: Sequence[ChainKeys]) -> str:
        """Return the secret with the most similar name; "" if there is none, or if secrets can't be listed here."""
        step, region = failure.step, failure.region or failure.step.region
        if step.type.service != "secretsmanager" or failure.secret.startswith("arn:"):
            return ""
        for keys in reversed(chain):
            endpoint = self._chains.endpoint(step, "secretsmanager", region)
            api = SecretsManagerClient(self._chains.client, keys.credentials, endpoint)
            if keys.identity.account == chain[-1].identity.account:
                (names,) = await settle(list_secret_names(api))
                if not isinstance(names, DsopsError):
                    return nearest(failure.secret, names)
        return ""

    async def _secret_arn(self, failure: Failure, region: str, chain: Sequence[ChainKeys]) -> str | RefusalFinding:
        """Return the secret's full ARN. If it can't be looked up, question marks replace its random suffix."""
        step, secret = failure.step, failure.secret
        identity = chain[-1].identity
        named = parse_arn(secret)
        account = named.account if named is not None else identity.account
        for keys in reversed(chain):
            if keys.identity.account != account and named is None:
                continue
            endpoint = self._chains.endpoint(step, "secretsmanager", region)
            api = SecretsManagerClient(self._chains.client, keys.credentials, endpoint)
            for look in (_described, _with_policy):
                try:
                    return await look(api, secret)
                except EntityNotFound as missing:
                    place = FaultLocation(step.name, 0, "", secret, "", 0, "", 0)
                    text = "check name and region; a secret of another account needs its whole ARN"
                    message = f"there is no secret `{secret}` in {region} of account {account}"
                    remedy = Remedy(text, failure.error.where)
                    return RefusalFinding("secret-missing", "proven", message, place, remedy=remedy, aws=missing.aws)
                except DsopsError:
                    continue
        if named is not None:
            is_whole = len(secret.rpartition("-")[2]) == len(UNKNOWN_SUFFIX) - 1 and "-" in named.resource
            return secret if is_whole else f"{secret}{UNKNOWN_SUFFIX}"
        partition = identity.arn.split(":")[1]
        return f"arn:{partition}:secretsmanager:{region}:{account}:secret:{secret}{UNKNOWN_SUFFIX}"


async def _described(api: SecretsManagerClient, secret: str) -> str:
    return (await describe_secret(api, secret)).arn


async def _with_policy(api: SecretsManagerClient, secret: str) -> str:
    """Return the secret's ARN from GetResourcePolicy.

    A caller that may not describe the secret may still be allowed to call GetResourcePolicy.
    """
    return (await get_resource_policy(api, secret)).arn


def _key_in(message: str) -> str:
    """Return the key at the beginning of Parameter Store's message about an unusable key; "" if there is none."""
    first = message.partition(" ")[0]
    return first if parse_arn(first) is not None else ""


def _unknown_provider(failure: Failure, hop: int, edit_at: EditAt) -> RefusalFinding:
    """Return the finding for a token or assertion from an unknown provider. Only the trust policy decides about it."""
    finding = finding_of(failure.error, failure.step, hop, edit_at)
    place = finding.place._replace(policy_type="role trust policy", of=failure.step.role)
    return finding._replace(cause="trust-policy", certainty="likely", place=place)


def _unknown(failure: Failure, hop: int, edit_at: EditAt) -> RefusalFinding:
    """Return the finding for a refusal that can't be interpreted."""
    finding = finding_of(failure.error, failure.step, hop, edit_at)
    return finding._replace(cause="not-read", certainty="missing")
