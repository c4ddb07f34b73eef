"""Finds the policy question about the KMS key if a caller may read a secret or parameter but can't decrypt it.

Secrets Manager says "Access to KMS is not allowed", without the key and the reason. Parameter Store's message has
both. A caller that may describe the secret can read the key's id. The key's policy and the caller's policies are then
evaluated as for any other call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dsops.arn import Arn, parse_arn
from dsops.aws.apis.kms import KeyDescription, Kms, describe_key
from dsops.aws.apis.secret_policy import SecretsManagerClient, describe_secret
from dsops.errors import AwsAnswer, DsopsError
from dsops.explain.finding import Certainty, Fact, FaultLocation, RefusalFinding, Remedy
from dsops.explain.questions.chain import ChainKeys, Chains
from dsops.explain.questions.request import ChainCaller, context_of_call
from dsops.plan import Step
from dsops.plan.required_permissions import parameter_resource
from dsops.policy import CaseQuestion, Unread
from dsops.startup import NamedTuple

_OF_KEYS: Final = tuple(
    """
    aws:resourcetag/ kms:resourcealiases kms:keyspec kms:keyusage kms:keyorigin kms:multiregion
    kms:encryptioncontext:secretversionid kms:requestalias
    """.split()
)
"""Condition keys of a KMS call whose values are not looked up."""


UNKNOWN_KEY: Final = "????????-????-????-????-????????????"
"""A placeholder for the id of an unknown key."""
ON_BOTH_SIDES: Final = (
    "allow kms:Decrypt on that key: in the key's policy, and in the caller's own unless the key's names it alone"
)
_UNUSABLE: Final = ("DecryptionFailure", "InvalidKeyId")
"""AWS's error codes for a key that no caller can use."""


def describe_command(secret: str) -> str:
    """Return the AWS CLI command that shows which KMS key encrypts a secret."""
    return f"aws secretsmanager describe-secret --secret-id {secret.removesuffix('-??????')} --query KmsKeyId"


class Encrypted(NamedTuple):
    """A secret or parameter that could not be decrypted, and the caller that was refused."""

    step: Step
    region: str
    resource: str
    """The ARN of a secret, or the ARN or name of a parameter."""
    caller: ChainCaller
    aws: AwsAnswer | None


def is_about_keys(answer: AwsAnswer | None) -> bool:
    """Return whether AWS's error says that the KMS key is the reason: access is denied, or the key is not usable."""
    if answer is None or "default KMS service key" in answer.message:
        return False
    code = answer.code.removesuffix("Exception")
    return (
        answer.message.startswith("Access to KMS")
        or code in ("DecryptionFailure", "InvalidKeyId")
        or ("kms:" in answer.message and "(Service: AWSKMS" in answer.message)
    )


class KeyAsker:
    """Finds the KMS key of a refused read, and the policy question that AWS evaluated with the key's policy."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    async def of(
        self, read: Encrypted, named: str, chain: Sequence[ChainKeys]
    ) -> tuple[CaseQuestion, tuple[Unread, ...]] | RefusalFinding:
        """Return the policy question about the key, or a finding if no question can be asked.

        `named` is the key's ARN from AWS's error; "" if the error contains none.
        """
        key = named or await self._key_of_secret(read, chain)
        is_unusable = read.aws is not None and read.aws.code.removesuffix("Exception") in _UNUSABLE
        if not key and not is_unusable and read.step.type.service == "secretsmanager":
            # Policies that allow the use of any key can be evaluated even for an unknown key.
            key = UNKNOWN_KEY
        if not key:
            return self._unusable(read, "", "") if is_unusable else self._unknown(read)
        described = await self._described(key, read, chain) if key != UNKNOWN_KEY else None
        if described is not None and described.state not in ("", "Enabled"):
            return self._unusable(read, described.arn, described.state)
        if is_unusable:
            return self._unusable(read, described.arn if described is not None else key, "")
        arn = parse_arn(described.arn if described is not None else self._as_arn(key, read))
        is_known = read.step.type.service in ("secretsmanager", "ssm")
        if not is_known or arn is None or arn.service != "kms" or arn.resource_type != "key":
            # Other services send an encryption context to KMS that is not known here.
            return self._unknown(read, key)
        return self._question(read, arn)

    def _question(self, read: Encrypted, key: Arn) -> tuple[CaseQuestion, tuple[Unread, ...]]:
        service, principal = read.step.type.service, read.caller.principal
        pair = ("SecretARN", read.resource)
        about: tuple[str, ...] = ("SecretARN", "SecretVersionId")
        if service == "ssm":
            arn = parameter_resource(read.step, principal.account, read.resource)
            pair, about = ("PARAMETER_ARN", arn), ("PARAMETER_ARN",)
        context = context_of_call(read.caller, read.region) | {
            "kms:CallerAccount": (principal.account,),
            "kms:ViaService": (f"{service}.{read.region}.amazonaws.com",),
            f"kms:EncryptionContext:{pair[0]}": (pair[1],),
            "kms:EncryptionContextKeys": about,
            "aws:ViaAWSService": ("true",),
        }
        unread = Unread("context", "what else the call to KMS has is not looked at", _OF_KEYS)
        question = CaseQuestion(principal, "kms:Decrypt", str(key), key.account, context)
        return question, (*read.caller.unread, unread)

    async def _key_of_secret(self, read: Encrypted, chain: Sequence[ChainKeys]) -> str:
        """Return the key id from the secret's description; "" if no caller of the chain may describe the secret."""
        if read.step.type.service != "secretsmanager":
            return ""
        for keys in reversed(chain):
            endpoint = self._chains.endpoint(read.step, "secretsmanager", read.region)
            try:
                api = SecretsManagerClient(self._chains.client, keys.credentials, endpoint)
                secret = await describe_secret(api, read.resource)
            except DsopsError:
                continue
            return secret.kms_key_id or "alias/aws/secretsmanager"
        return ""

    async def _described(self, key: str, read: Encrypted, chain: Sequence[ChainKeys]) -> KeyDescription | None:
        """Return the key's description; None if no caller in the chain may read it."""
        text = self._as_arn(key, read)
        for keys in reversed(chain):
            try:
                api = Kms(self._chains.client, keys.credentials, self._chains.endpoint(read.step, "kms", read.region))
                return await describe_key(api, text)
            except DsopsError:
                continue
        return None

    def _as_arn(self, key: str, read: Encrypted) -> str:
        """Return the ARN of a key. If `key` contains no account, the secret's account is used."""
        if key.startswith("arn:"):
            return key
        secret, principal = parse_arn(read.resource), read.caller.principal
        account = secret.account if secret is not None else principal.account
        partition = principal.arn.split(":")[1]
        kind = "" if key.startswith("alias/") else "key/"
        return f"arn:{partition}:kms:{read.region}:{account}:{kind}{key}"

    def _unknown(self, read: Encrypted, key: str = "") -> RefusalFinding:
        """Return the finding for a key that no credentials of the chain are allowed to look up."""
        message = f"AWS lets the caller read {read.resource}, and not decrypt it; its KMS key can't be looked up here"
        fact = self._fact(read, key)
        place = FaultLocation(read.step.name, 0, "", read.resource, "", 0, "", 0)
        return RefusalFinding("secret-key", "missing", message, place, (), Remedy(ON_BOTH_SIDES), (fact,), read.aws)

    def _fact(self, read: Encrypted, key: str) -> Fact:
        """Return the missing fact: which key encrypts the value, or to which key an alias refers."""
        owner = parse_arn(read.resource)
        account = owner.account if owner is not None else read.caller.principal.account
        command = f"aws kms describe-key --key-id {self._as_arn(key, read)}" if key else ""
        if not key and read.step.type.service == "secretsmanager":
            command = describe_command(read.resource)
        looked_up = f"the key {key}" if key else f"the KMS key of {read.resource}"
        return Fact(looked_up, "no keys here may look it up", f"an administrator of account {account}", command)

    def _unusable(self, read: Encrypted, key: str, state: str) -> RefusalFinding:
        """Return the finding for a key that no caller can use. `key` and `state` are "" if they are unknown."""
        aws_message = read.aws.message if read.aws is not None else ""
        is_disabled = state == "Disabled" or "is disabled" in aws_message
        is_leaving = state == "PendingDeletion" or "pending deletion" in aws_message
        cause, words, text = "key-unusable", "can't be used", f"look at it: aws kms describe-key --key-id {key}"
        if is_disabled:
            cause, words = "key-disabled", "is switched off"
            text = f"switch it on again: aws kms enable-key --key-id {key}"
        elif is_leaving:
            cause, words = "key-deleted", "is going to be deleted"
            text = f"keep it: aws kms cancel-key-deletion --key-id {key}; aws kms enable-key --key-id {key}"
        certainty: Certainty = "proven" if cause != "key-unusable" else "likely"
        facts: tuple[Fact, ...] = ()
        if not key:
            text, facts = "look whether the key is switched off, or is going to be deleted", (self._fact(read, ""),)
        place = FaultLocation(read.step.name, 0, "", key or read.resource, "", 0, "", 0)
        message = f"the key {key} that encrypts {read.resource} {words}".replace("key  that", "key that")
        return RefusalFinding(cause, certainty, message, place, (), Remedy(text), facts, read.aws)
