"""The types of an authorization check: who asks, for which action on which resource, with which condition keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from dsops.policy import Principal
from dsops.request.stored_policies import StoredPolicy

Context = dict[str, tuple[str, ...]]
"""Condition key -> its values in the request."""

Tags = tuple[tuple[str, str], ...]
"""Pairs of tag key and value."""


class HasArn(Protocol):
    """An entity with an ARN."""

    @property
    def arn(self) -> str:
        """The entity's ARN."""


class CallerView(Protocol):
    """The principal that sent a request, as far as authorization checks depend on it."""

    @property
    def principal(self) -> Principal:
        """The principal in the form in which policies are evaluated."""

    @property
    def partition(self) -> str:
        """The partition of the principal's account."""

    @property
    def account(self) -> str:
        """The id of the principal's account."""

    @property
    def arn(self) -> str:
        """The ARN that error messages show."""

    @property
    def region(self) -> str:
        """The region in the credential scope, to which the request was sent."""

    @property
    def user(self) -> HasArn | None:
        """The IAM user behind the credentials; None for a role session and for the root user."""


class AuthorizationQuestion(NamedTuple):
    """An authorization check: whether the caller may perform an action on a resource."""

    action: str
    resource: str
    """The ARN that policies are matched against; `*` for an action that has no resource."""
    account: str
    """The id of the account that owns the resource."""
    context: Mapping[str, tuple[str, ...]]
    resource_policy: StoredPolicy | None = None
    shown: str = ""
    """The resource's id as the client sent it, if error messages contain this id; "" if they contain the ARN."""
    must_policy_allow: bool = False
    """Whether the resource's policy must allow even callers of the owner's account, as a KMS key's policy must."""
