"""AWS's error message for a denied request."""

from __future__ import annotations

from typing import Final

from dsops.policy.evaluation.consulted import PolicyType
from dsops.policy.evaluation.evaluate import Decision
from dsops.policy.evaluation.question import Request
from dsops.policy.language.letters import lower_case
from dsops.policy.language.session_actions import BY_NAME

_ORGANIZATION: Final = frozenset({"service control policy", "resource control policy"})
_NAMED_WITH_ARN: Final = _ORGANIZATION | {"permissions boundary", "session policy", "identity-based policy"}


def denial_sentence(request: Request, decision: Decision) -> str:
    """Return AWS's access denied message; "" if the request is allowed.

    Sources: IAM User Guide, "Troubleshoot access denied error messages"; AWS Security Blog, January 2026, for the ARN
    of the policy in the message.
    """
    if decision.is_allowed:
        return ""
    principal = request.principal
    if principal.kind in ("web-identity", "saml"):
        return f"Not authorized to perform {request.action}"
    caller = principal.arn or (principal.federated if principal.kind == "service" else "anonymous")
    sentence = f"User: {caller} is not authorized to perform: {request.action}"
    if request.resource != "*":
        sentence += f" on resource: {request.resource}"
    # If an SCP refuses, AWS's message says "explicit deny", even if the SCP only lacks an Allow.
    is_denied = decision.effect == "ExplicitDeny" or decision.decided_by in _ORGANIZATION
    if request.is_cross_account and not (is_denied and _is_one_organization(request)):
        return sentence
    if is_denied:
        policy = f"{_with_article(decision.decided_by)}{_policy_arn(decision)}"
        return f"{sentence} with an explicit deny in {policy}"
    action_facts = BY_NAME.get(lower_case(request.action))
    if action_facts is not None and action_facts.has_bare_refusal:
        return sentence
    return f"{sentence} because no {decision.decided_by} allows the {request.action} action"


def _is_one_organization(request: Request) -> bool:
    """Whether caller and resource belong to one organization.

    If they do, AWS's error message names the policy that denied the request (since January 2026).
    """
    own, other = (request.context.get(f"aws:{whose}OrgID") for whose in ("Principal", "Resource"))
    return own is not None and own == other


def _with_article(decided_by: PolicyType) -> str:
    return f"an {decided_by}" if decided_by.startswith("i") else f"a {decided_by}"


def _policy_arn(decision: Decision) -> str:
    policy = decision.policy
    if policy is None or decision.decided_by not in _NAMED_WITH_ARN or not policy.name.startswith("arn:"):
        return ""
    return f": {policy.name}"
