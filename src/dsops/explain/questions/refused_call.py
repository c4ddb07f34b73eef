"""The refused call, with names for its caller and policies in messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.errors import Where
from dsops.explain.questions.sentence import ENDPOINT_POLICY
from dsops.plan import Step
from dsops.policy import Principal, Request, is_kms_key, lower_case

EditAt = Callable[[str, str], Where]
"""A function that takes store and key, and returns the line of the key in the configuration.

If the store does not set the key, it returns the store's line.
"""


class RefusedCall(NamedTuple):
    """A call that AWS refused."""

    request: Request
    step: Step
    """The step of the plan that makes the call."""
    hop: int
    edit_at: EditAt
    is_role_exact: bool = True
    """Whether the caller's role ARN is known with its path."""
    is_provider_known: bool = True
    """Whether the provider of the token or assertion is known."""
    actions: tuple[str, ...] = ()
    """All actions that the hop needs; () for a call that is not a hop."""
    is_by_files: bool = False
    """Whether some policies come from files, which may differ from the policies in AWS."""
    recording: str = ""
    """The recording that is the caller's session policy (`session_policy_recording`); "" without one."""
    unknown_keys: tuple[str, ...] = ()
    """The condition keys whose values in the call are unknown.

    A key that ends in `/` stands for all keys with that prefix.
    """

    def is_known(self, key: str) -> bool:
        """Return whether the call's value for that condition key is known; this includes keys known to be absent."""
        key = lower_case(key)
        if key in {lower_case(name) for name in self.request.context}:
            return True
        return not any(key == name or (name.endswith("/") and key.startswith(name)) for name in self.unknown_keys)

    @property
    def where_to_set(self) -> str:
        """How messages name the place to change: `store target`, or `the call` if another program made the call."""
        return f"store `{self.step.name}`" if self.step.name else "the call"

    def edit(self, key: str, store: str = "") -> Where | None:
        """Return the line of the key in the configuration; None for another program's call."""
        store = store or self.step.name
        return self.edit_at(store, key) if store else None

    @property
    def caller(self) -> str:
        """The caller as a policy names it: for a session of a role, the role."""
        principal = self.request.principal
        return name_of(principal)

    @property
    def principal_name(self) -> str:
        """The owner of the caller's identity policies, such as `role Jump` or `user ada`."""
        return owner_text(self.caller)


def name_of(principal: Principal) -> str:
    """Return the ARN with which a policy names the caller."""
    if principal.kind == "role-session":
        return principal.issuer_arn or principal.arn
    return principal.arn or principal.federated or _NAMELESS.get(principal.kind, "")


_NAMELESS: Final = {"web-identity": "the token", "saml": "the assertion"}
"""Names of callers whose provider is unknown, by kind of caller."""


def owner_text(arn: str) -> str:
    """Return `role Jump` for a role's ARN, `user ada` for a user's, and any other ARN unchanged."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "iam" or parsed.resource_type not in ("role", "user"):
        return arn
    return f"{parsed.resource_type} {parsed.resource_name}"


def policy_text(policy_type: str, about: RefusedCall) -> str:
    """Return the policy's description, such as `the trust policy of role Deploy`."""
    owner = about.principal_name
    resource = about.request.resource
    principal = about.request.principal
    if policy_type == "resource-based policy" and is_kms_key(resource):
        return f"the key policy of {resource}"
    texts = {
        "role trust policy": f"the trust policy of {owner_text(resource)}",
        "identity-based policy": f"the identity-based policies of {owner}",
        "permissions boundary": f"the permissions boundary of {owner}",
        "session policy": f"the session policy of {principal.arn}",
        "resource-based policy": f"the resource-based policy of {resource}",
        "service control policy": f"the service control policies above account {principal.account}",
        "resource control policy": f"the resource control policies above account {about.request.resource_account}",
        ENDPOINT_POLICY: "the policy of the VPC endpoint that the call goes through",
    }
    return texts.get(policy_type, "AWS itself")
