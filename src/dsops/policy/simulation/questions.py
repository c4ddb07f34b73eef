"""Check questions for errors, and find the calls that AWS refuses regardless of policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from dsops.arn import is_account_id, parse_arn
from dsops.policy.language.elements import check_action
from dsops.policy.language.letters import lower_case
from dsops.policy.language.principals import Principal
from dsops.policy.language.session_actions import BY_NAME, assuming_action, is_about_roles
from dsops.policy.simulation.case import CaseQuestion

_PROVIDERS: Final[tuple[tuple[Literal["web-identity", "saml"], str], ...]] = (
    ("web-identity", "an OIDC provider"),
    ("saml", "a SAML provider"),
)
# sts:SetContext is missing here, because a provider's token can't carry provided contexts.
_BESIDE_ASSUMING: Final = ("sts:tagsession", "sts:setsourceidentity")
# STS API Reference: the only actions that a federated user may call (two were added in 2026).
_FOR_FEDERATED_USERS: Final = frozenset(
    {"sts:getcalleridentity", "sts:getscopedcredentials", "sts:getdelegatedaccesstoken"}
)


_NOT_FOR_ROLE_SESSIONS: Final = frozenset(name for name, action in BY_NAME.items() if not action.is_for_role_sessions)


def resource_account(resource: str, principal: Principal | None) -> str:
    """Return the account that owns the resource: that of its ARN, or else the caller's.

    Some ARNs contain no account, such as a bucket's.
    """
    arn = parse_arn(resource)
    if arn is not None and is_account_id(arn.account):
        return arn.account
    return principal.account if principal is not None else ""


def check_exact_action(text: str) -> None:
    """Raise ValueError unless the text names exactly one action."""
    check_action(text)
    if "*" in text or "?" in text:
        raise ValueError(f"`{text}` is a pattern: a request is for one action")


def question_problems(question: CaseQuestion, *, has_trust: bool, has_resource: bool) -> Iterator[tuple[str, str]]:
    """Yield each problem of a question as a pair: the key in the table, and what is wrong with its value."""
    action, kind = lower_case(question.action), question.principal.kind
    for provider, words in _PROVIDERS:
        own_action = lower_case(assuming_action(provider))
        if action == own_action and kind != provider:
            yield "principal", f"{question.action} is called by no principal of AWS: name {words}"
        if kind == provider and action not in (own_action, *_BESIDE_ASSUMING):
            yield "principal", f"{words} assumes roles and does nothing else: name the role for {question.action}"
    arn = parse_arn(question.resource)
    is_role = arn is not None and arn.service == "iam" and arn.resource_type == "role"
    if is_about_roles(action) and action not in _BESIDE_ASSUMING and not is_role:
        yield "resource", f"{question.action} is about a role: `{question.resource}` is not the ARN of one"
    if has_trust and not is_about_roles(action):
        yield "trust", f"a trust policy has no say in {question.action}: the resource's own policy is another one"
    if has_resource and is_about_roles(action):
        yield "resource_policy", f"the resource of {question.action} is a role, which has a trust policy instead"


def refusal_of_aws(principal: Principal, action: str) -> str:
    """Return why AWS refuses the action to this kind of caller regardless of policies; "" if policies decide."""
    action = lower_case(action)
    if principal.kind == "root" and action == "sts:assumerole":
        return "a root user may assume no role"
    if principal.kind == "role-session" and action in _NOT_FOR_ROLE_SESSIONS:
        return "a role's session gets no further tokens"
    if (
        principal.kind == "federated-session"
        and action.startswith(("iam:", "sts:"))
        and (action not in _FOR_FEDERATED_USERS)
    ):
        return "a federated user has no access to IAM, and asks nothing of STS but who he is"
    return ""
