"""Derive the policy questions for the secrets that a plan reads, in accounts whose secrets are known."""

from __future__ import annotations

from typing import Final

from dsops.arn import parse_arn, partition_of_region
from dsops.explain.questions.request import ChainCaller, context_of_call
from dsops.plan import Plan, SecretReference, Step, is_version_id, region_of
from dsops.policy import UNKNOWN_SUFFIX, AnsweredCase, CaseQuestion, DeclaredPolicies, Unread

_SUFFIX_LENGTH: Final = len(UNKNOWN_SUFFIX)
_UNKNOWN: Final = Unread("context", "AWS chooses the end of a secret's ARN at random", ("secretsmanager:secretid",))


def read_questions(
    step: Step, caller: ChainCaller, plan: Plan, policies: DeclaredPolicies
) -> list[tuple[CaseQuestion, tuple[Unread, ...]]]:
    """Return a question for each secret that the plan's variables need.

    Accounts whose secrets are not known are left out, and so are secrets that may be missing.
    """
    if step.type.service != "secretsmanager":
        return []
    questions = []
    # A variable that is optional or has a default is left out, because a run does not fail without its secret. Several
    # fields of one secret are one read.
    needed = [
        variable.reference._replace(field="")
        for variable in plan.variables
        if variable.step == step.name and variable.reference and not variable.optional and variable.default is None
    ]
    for reference in dict.fromkeys(needed):
        resource, account = _arn(reference, step, caller.principal.account)
        if policies.has_secrets(account):
            context = context_of_call(caller, region_of(reference.key, step)) | _version(reference.version)
            question = CaseQuestion(caller.principal, "secretsmanager:GetSecretValue", resource, account, context)
            questions.append((question, (*caller.unread, _UNKNOWN)))
    return questions


def is_open(row: AnsweredCase) -> bool:
    """Whether the read is denied only because a policy contains the six random characters of a secret's ARN.

    dsops does not know these characters, so the policy may in fact allow the read.
    """
    resource = row.outcome.decision.request.resource
    if row.outcome.verdict != "implicit-deny" or not resource.endswith(UNKNOWN_SUFFIX):
        return False
    start = resource[: -_SUFFIX_LENGTH + 1]
    return any(
        pattern.startswith(start)
        for reason in row.outcome.decision.reasons
        for near in reason.near
        for failure in near.failures
        if failure.element == "Resource"
        for pattern in failure.wanted
    )


def secret_name(row: AnsweredCase) -> str:
    """Return the name of the secret in a question."""
    return row.outcome.decision.request.resource.partition(":secret:")[2].removesuffix(UNKNOWN_SUFFIX)


def _arn(reference: SecretReference, step: Step, account: str) -> tuple[str, str]:
    """Return the secret's ARN with a pattern for the six random characters, and the account that owns it."""
    arn = parse_arn(reference.key)
    if arn is None:
        partition = partition_of_region(step.region).name
        name = f"arn:{partition}:secretsmanager:{step.region}:{account}:secret:{reference.key}"
        return f"{name}{UNKNOWN_SUFFIX}", account
    text, end = reference.key, reference.key.rpartition("-")[2]
    is_whole = "-" in arn.resource and len(end) == _SUFFIX_LENGTH - 1
    return f"{text[:-_SUFFIX_LENGTH] if is_whole else text}{UNKNOWN_SUFFIX}", arn.account


def _version(version: str) -> dict[str, tuple[str, ...]]:
    if not version:
        return {}
    return {f"secretsmanager:Version{'Id' if is_version_id(version) else 'Stage'}": (version,)}
