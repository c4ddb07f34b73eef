"""The STS actions that issue sessions, and the permissions that accompany them.

The sandbox's metrics and log reports count the sessions that these actions issue. Other STS actions, such as
GetScopedCredentials, are decided by policies like any service's actions. Sources: STS API Reference, the page of each
operation; IAM User Guide, "Permissions for GetSessionToken".
"""

from __future__ import annotations

from typing import Final, Literal

from dsops.policy.language.letters import lower_case
from dsops.startup import NamedTuple

Caller = Literal["signed", "web-identity", "saml"]


class SessionAction(NamedTuple):
    """One STS action and its properties."""

    name: str
    caller: Caller = "signed"
    """How the caller authenticates: by a signature (`signed`), a web identity token, or a SAML assertion."""
    is_about_role: bool = False
    """Whether the action's resource is a role, whose trust policy must allow the action."""
    is_permission_only: bool = False
    """Whether the action is a permission that an AssumeRole call needs, and not an API operation."""
    is_open: bool = False
    """Whether every valid caller may use the action, regardless of policies."""
    is_for_role_sessions: bool = True
    """Whether a role session may call the action."""
    has_bare_refusal: bool = False
    """Whether AWS refuses the action with the same message for every reason (measured on live AWS, July 2026)."""


SESSION_ACTIONS: Final = (
    SessionAction("sts:AssumeRole", is_about_role=True, has_bare_refusal=True),
    SessionAction("sts:AssumeRoleWithSAML", caller="saml", is_about_role=True),
    SessionAction("sts:AssumeRoleWithWebIdentity", caller="web-identity", is_about_role=True),
    SessionAction("sts:AssumeRoot"),
    SessionAction("sts:GetSessionToken", is_open=True, is_for_role_sessions=False),
    SessionAction("sts:GetFederationToken", is_for_role_sessions=False),
    SessionAction("sts:TagSession", is_about_role=True, is_permission_only=True, has_bare_refusal=True),
    SessionAction("sts:SetSourceIdentity", is_about_role=True, is_permission_only=True, has_bare_refusal=True),
    SessionAction("sts:SetContext", is_about_role=True, is_permission_only=True, has_bare_refusal=True),
)
BY_NAME: Final = {lower_case(action.name): action for action in SESSION_ACTIONS}
"""The session actions by their names in lower case."""

SESSION_OPERATIONS: Final = tuple(
    action.name.removeprefix("sts:") for action in SESSION_ACTIONS if not action.is_permission_only
)
"""The names of the API operations that issue sessions: `AssumeRole` and so on."""

UNDECIDED_ACTIONS: Final = frozenset(
    {"sts:getcalleridentity", *(name for name, action in BY_NAME.items() if action.is_open)}
)
"""The actions, in lower case, that no policy can allow or deny (STS API Reference, GetCallerIdentity)."""


def assuming_action(caller: Caller) -> str:
    """Return the action that this kind of caller uses to assume a role, such as `sts:AssumeRoleWithSAML`."""
    return next(
        action.name
        for action in SESSION_ACTIONS
        if action.caller == caller and action.is_about_role and not action.is_permission_only
    )


def assumes_role(action: str) -> bool:
    """Whether the action assumes a role. True also for future AssumeRole variants that the table lacks."""
    return lower_case(action).startswith("sts:assumerole")


def is_about_roles(action: str) -> bool:
    """Whether the action's resource is a role. The resource's policy is then a trust policy."""
    action_facts = BY_NAME.get(lower_case(action))
    return action_facts.is_about_role if action_facts is not None else assumes_role(action)
