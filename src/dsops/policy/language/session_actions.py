"""The STS actions that rules of policies name: those that issue sessions, and the permissions beside them.

Metrics of the sandbox and reports on logs count the sessions of these actions. Policies decide about the others
(GetScopedCredentials) as they do about the actions of every service. Sources: STS API Reference, the page of each
operation; IAM User Guide, "Permissions for GetSessionToken".
"""

from __future__ import annotations

from typing import Final, Literal

from dsops.policy.language.letters import lower_case
from dsops.startup import NamedTuple

Caller = Literal["signed", "web-identity", "saml"]


class SessionAction(NamedTuple):
    """One action of STS."""

    name: str
    caller: Caller = "signed"
    """Who sends it: a caller with credentials, or one with a token or an assertion of a provider."""
    is_about_role: bool = False
    """Whether its resource is a role, whose trust policy must allow it."""
    is_permission_only: bool = False
    """Whether it is no operation but a permission beside the one that assumes the role."""
    is_open: bool = False
    """Whether no policy decides about it."""
    is_for_role_sessions: bool = True
    """Whether a role's session may call it."""
    has_bare_refusal: bool = False
    """Whether AWS refuses it in the same words whatever the reason (measured on live AWS, July 2026)."""


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
"""By name in lower case."""

SESSION_OPERATIONS: Final = tuple(
    action.name.removeprefix("sts:") for action in SESSION_ACTIONS if not action.is_permission_only
)
"""The operations that issue the sessions: `AssumeRole` and so on."""

UNDECIDED_ACTIONS: Final = frozenset(
    {"sts:getcalleridentity", *(name for name, action in BY_NAME.items() if action.is_open)}
)
"""Actions, in lower case, about which no policy decides (STS API Reference, GetCallerIdentity)."""


def assuming_action(caller: Caller) -> str:
    """The action by which such a caller assumes a role, such as `sts:AssumeRoleWithSAML`."""
    return next(
        action.name
        for action in SESSION_ACTIONS
        if action.caller == caller and action.is_about_role and not action.is_permission_only
    )


def assumes_role(action: str) -> bool:
    """Whether the action assumes a role; a variant of AssumeRole that is newer than the table counts, too."""
    return lower_case(action).startswith("sts:assumerole")


def is_about_roles(action: str) -> bool:
    """Whether the action's resource is a role, and its resource policy a trust policy."""
    action_facts = BY_NAME.get(lower_case(action))
    return action_facts.is_about_role if action_facts is not None else assumes_role(action)
