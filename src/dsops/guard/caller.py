"""The principal of the real session, as its ARN describes it, and the condition keys that follow from it."""

from __future__ import annotations

from typing import NamedTuple

from dsops.arn import parse_arn
from dsops.policy import ANY_TEXT, Principal, read_caller
from dsops.request.question import Context

_TYPES = {"root": "Account", "user": "User", "federated-session": "FederatedUser", "role-session": "AssumedRole"}


class _User(NamedTuple):
    """An IAM user."""

    arn: str


class GuardCaller(NamedTuple):
    """The real session's principal in one region."""

    principal: Principal
    partition: str
    region: str

    @property
    def account(self) -> str:
        """The id of the principal's account."""
        return self.principal.account

    @property
    def arn(self) -> str:
        """The ARN that error messages show."""
        return self.principal.arn

    @property
    def user(self) -> _User | None:
        """The IAM user behind the credentials; None for a role session and for the root user."""
        return _User(self.principal.arn) if self.principal.kind == "user" else None


def caller_of(arn: str, *, role_arn: str = "") -> GuardCaller:
    """Return the caller for a session's ARN. Raises ValueError for a text that is not the ARN of a principal.

    `role_arn` is the ARN of an assumed role with its path. Without it, the path is unknown.
    """
    principal = read_caller(arn, role_arn=role_arn)
    if principal.kind not in _TYPES:
        raise ValueError(f"`{arn}` is not the ARN of a session")
    if principal.kind == "role-session" and not role_arn:
        parts = parse_arn(principal.issuer_arn)
        name = "" if parts is None else parts.resource_name
        partition = "aws" if parts is None else parts.partition
        issuer = f"arn:{partition}:iam::{principal.account}:role/{ANY_TEXT}{name}"
        principal = principal._replace(issuer_arn=issuer)
    return GuardCaller(principal, arn.split(":", 2)[1], "")


def caller_context(caller: GuardCaller) -> Context:
    """Return the condition keys that the ARN determines. Others, such as aws:PrincipalTag, are unknown."""
    principal = caller.principal
    context: Context = {
        "aws:PrincipalArn": (principal.issuer_arn if principal.kind == "role-session" else principal.arn,),
        "aws:PrincipalAccount": (principal.account,),
        "aws:PrincipalType": (_TYPES[principal.kind],),
        "aws:PrincipalIsAWSService": ("false",),
    }
    if principal.kind == "user":
        context["aws:username"] = (principal.arn.rpartition("/")[2],)
    return context
