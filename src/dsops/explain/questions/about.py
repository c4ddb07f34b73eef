"""The call that was refused, and what its caller and its policies are called in sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.errors import Where
from dsops.explain.questions.sentence import ENDPOINT_POLICY
from dsops.plan import Step
from dsops.policy import Principal, Request, is_kms_key, lower_case

EditAt = Callable[[str, str], Where]
"""Store and key -> where that stands in the configuration, or where the store does."""


class About(NamedTuple):
    """The call that was refused."""

    request: Request
    step: Step
    """The store that makes the call."""
    hop: int
    edit_at: EditAt
    is_role_exact: bool = True
    """Whether the caller's own ARN is known with its path."""
    is_provider_known: bool = True
    """Whether it is known which provider vouches for a token or an assertion."""
    actions: tuple[str, ...] = ()
    """All that this hop needs; () for what is no hop."""
    is_by_files: bool = False
    """Whether files say some of the policies, which may be others than what is there."""
    unknown_keys: tuple[str, ...] = ()
    """Condition keys of which nobody knows what the call has; one that ends in `/` stands for all beginning so."""

    def is_known(self, key: str) -> bool:
        """Whether it is known what the call has of that condition key, be it nothing."""
        key = lower_case(key)
        if key in {lower_case(each) for each in self.request.context}:
            return True
        return not any(key == each or (each.endswith("/") and key.startswith(each)) for each in self.unknown_keys)

    @property
    def where_to_set(self) -> str:
        """`store target`, as sentences have it; what was refused to another program has no store."""
        return f"store `{self.step.name}`" if self.step.name else "the call"

    def edit(self, key: str, store: str = "") -> Where | None:
        """Where that key stands, or would; None for a call of another program's."""
        store = store or self.step.name
        return self.edit_at(store, key) if store else None

    @property
    def caller(self) -> str:
        """The caller as a policy would name it: a role rather than its session."""
        principal = self.request.principal
        return name_of(principal)

    @property
    def whom(self) -> str:
        """Whose policies the caller's own are: `role Jump`, `user ada`."""
        return owner_text(self.caller)


def name_of(principal: Principal) -> str:
    """The ARN by which a policy names that caller."""
    if principal.kind == "role-session":
        return principal.issuer_arn or principal.arn
    return principal.arn or principal.federated or _NAMELESS.get(principal.kind, "")


_NAMELESS: Final = {"web-identity": "the token", "saml": "the assertion"}
"""Callers of whose provider nothing is known."""


def owner_text(arn: str) -> str:
    """`role Jump` for a role's ARN, `user ada` for a user's; the ARN itself for others."""
    found = parse_arn(arn)
    if found is None or found.service != "iam" or found.resource_type not in ("role", "user"):
        return arn
    return f"{found.resource_type} {found.resource_name}"


def policy_text(policy_type: str, about: About) -> str:
    """`the trust policy of role Deploy`, `the permissions boundary of user ada`."""
    whom = about.whom
    resource = about.request.resource
    principal = about.request.principal
    if policy_type == "resource-based policy" and is_kms_key(resource):
        return f"the key policy of {resource}"
    texts = {
        "role trust policy": f"the trust policy of {owner_text(resource)}",
        "identity-based policy": f"the identity-based policies of {whom}",
        "permissions boundary": f"the permissions boundary of {whom}",
        "session policy": f"the session policy of {principal.arn}",
        "resource-based policy": f"the resource-based policy of {resource}",
        "service control policy": f"the service control policies above account {principal.account}",
        "resource control policy": f"the resource control policies above account {about.request.resource_account}",
        ENDPOINT_POLICY: "the policy of the VPC endpoint that the call goes through",
    }
    return texts.get(policy_type, "AWS itself")
