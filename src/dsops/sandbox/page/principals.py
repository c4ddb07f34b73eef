"""The principals of a sandbox that can assume roles: users, roles, identity providers, AWS services, other accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from dsops.arn import parse_arn
from dsops.policy import Principal
from dsops.sandbox.authorization.caller import Caller, role_caller, user_caller
from dsops.sandbox.state.sessions import Session
from dsops.sandbox.state.world import Role, User, World, view_role, view_user

SESSION_NAME = "asked-on-the-page"
"""The name of the role sessions that the page's questions are about."""
_HOUR = 3600
_REGION = "us-east-1"


class OtherPrincipal(NamedTuple):
    """A principal that is neither a user nor a role of this sandbox."""

    kind: Literal["oidc", "saml", "service", "outside"]
    account: str
    """The account of an identity provider, or of a principal of an account that this sandbox does not have."""
    name: str
    arn: str
    """The ARN, or the name of a service or of a provider without ARN, such as `accounts.google.com`."""


Subject = User | Role | OtherPrincipal


def kind_of(subject: Subject) -> str:
    """Return `user`, `role`, or the kind of another principal."""
    if isinstance(subject, OtherPrincipal):
        return subject.kind
    return "role" if isinstance(subject, Role) else "user"


def identities(world: World) -> Iterator[User | Role]:
    """Yield the users and roles of all accounts."""
    for account in world.partitions:
        backend = world.backend(account)
        yield from map(view_user, backend.users.values())
        yield from map(view_role, backend.roles.values())


def providers(world: World) -> Iterator[OtherPrincipal]:
    """Yield the identity providers of all accounts."""
    for account in world.partitions:
        backend = world.backend(account)
        for provider in backend.open_id_providers.values():
            yield OtherPrincipal("oidc", account, provider.url, provider.arn)
        for arn in world.saml_providers(account):
            yield OtherPrincipal("saml", account, arn.rpartition("/")[2], arn)


def subject_at(world: World, arn: str) -> Subject | None:
    """Return the principal with this ARN or service name; None for an unknown user, role or provider of an account."""
    found = world.role_at(arn) or world.user_at(arn)
    if found is not None:
        return found
    parts = parse_arn(arn)
    if parts is not None and parts.account in world.partitions:
        return next((provider for provider in providers(world) if provider.arn == arn), None)
    return other_principal(arn)


def other_principal(text: str) -> OtherPrincipal | None:
    """Return the principal that an entry of a Principal element names, if it belongs to no account of this sandbox."""
    parts = parse_arn(text)
    if parts is None:
        name = text.removesuffix(".amazonaws.com")
        return None if name == text else OtherPrincipal("service", "", name, text)
    if parts.service != "iam" or not parts.account:
        return None
    name = f"account {parts.account}" if parts.resource == "root" else f"{parts.resource} of {parts.account}"
    return OtherPrincipal("outside", parts.account, name, text)


def caller_of(world: World, subject: Subject, now: float) -> Caller:
    """Return the caller that a question about the principal is asked with; a role is a session of it."""
    if isinstance(subject, User):
        return user_caller(world, subject, "", _REGION, None)
    if isinstance(subject, Role):
        session = Session("role", subject.account, subject.unique_id, SESSION_NAME, now, now + _HOUR)
        return role_caller(world, subject, session, "", _REGION)
    return Caller(_principal_of(subject), "aws", "", "", _REGION, None, None, None, {})


def _principal_of(subject: OtherPrincipal) -> Principal:
    if subject.kind == "outside":
        return Principal("user", subject.account, subject.arn)
    kinds: dict[str, Literal["web-identity", "saml", "service"]] = {"oidc": "web-identity", "saml": "saml"}
    return Principal(kinds.get(subject.kind, "service"), "", "", federated=subject.arn)
