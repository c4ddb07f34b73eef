"""Authenticate the caller of a signed request by long-term key or session, with checks in AWS's order.

The order was measured on live STS:

1. the scope of the credential
2. whether the key is known and active
3. the session token
4. the expiry of the session
5. whether the role was deleted
6. the signature
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from dsops.arn import partition_of_region
from dsops.policy import Principal, lower_case
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import expired_token, invalid_token
from dsops.request.wire.signature import Claim, check_scope, check_signature, read_claim
from dsops.request.wire.signature_v2 import check_query_signature, is_signed_so, read_query_claim
from dsops.sandbox.state.sessions import Session, SessionTable
from dsops.sandbox.state.world import Role, User, World

# Maximum minutes between a signature's time and now. STS allows 15; Secrets Manager and SSM were seen to allow 5.
_WINDOW_MINUTES = {"secretsmanager": 5, "ssm": 5}
_DEFAULT_WINDOW_MINUTES = 15


class Caller(NamedTuple):
    """The principal that sent a request, in its current state."""

    principal: Principal
    partition: str
    user_id: str
    """The value of `aws:userid`, and the UserId that GetCallerIdentity returns."""
    key_id: str
    region: str
    """The region in the credential scope, to which the request was sent."""
    user: User | None
    """The user who owns the long-term key, or who called GetSessionToken or GetFederationToken; otherwise None."""
    role: Role | None
    session: Session | None
    """The session of temporary credentials; None for a long-term key."""
    tags: Mapping[str, str]
    """The values of `aws:PrincipalTag`: session tags override those of the user or role."""
    subject: str = ""
    """The subject in a web identity token or SAML assertion."""

    @property
    def account(self) -> str:
        """The id of the principal's account."""
        return self.principal.account

    @property
    def arn(self) -> str:
        """The ARN that error messages and GetCallerIdentity show."""
        return self.principal.arn

    @property
    def unique_id(self) -> str:
        """The user's AIDA id, the role's AROA id, or the account id of a root user."""
        return self.principal.unique_id or self.account


def authenticate(
    request: HttpRequest, service: str, world: World, sessions: SessionTable, *, now: float, wall: float
) -> tuple[Caller, HttpRequest]:
    """Return the verified caller, and the request with its aws-chunked body decoded.

    - `service`: the service name that the signature's scope must contain.
    - `now`: the sandbox's time.
    - `wall`: the machine's time.

    Raises SandboxRefusal if AWS would refuse the request.
    """
    check: Callable[[HttpRequest, Claim, str], HttpRequest] = check_signature
    if service == "s3" and is_signed_so(request):
        claim, check = read_query_claim(request, wall), check_query_signature
    else:
        claim = read_claim(request, wall, _WINDOW_MINUTES.get(service, _DEFAULT_WINDOW_MINUTES))
        check_scope(claim, service)
    caller, secret = claimed_caller(claim, world, sessions, now)
    return caller, check(request, claim, secret)


def claimed_caller(claim: Claim, world: World, sessions: SessionTable, now: float) -> tuple[Caller, str]:
    """Return the caller that a claim names, not yet verified, and the secret key that must have signed the request.

    Raises SandboxRefusal if the key or the session token is not valid.
    """
    if claim.access_key_id.startswith("ASIA"):
        caller, secret = _of_session(claim, world, sessions, now)
    else:
        caller, secret = _of_long_term_key(claim, world)
    if caller.partition != _partition_name(claim.region):
        # An account belongs to one partition, and the other partitions do not know its keys.
        raise invalid_token()
    return caller, secret


@lru_cache(maxsize=256)
def _partition_name(region: str) -> str:
    return partition_of_region(region).name


def _of_long_term_key(claim: Claim, world: World) -> tuple[Caller, str]:
    root = world.root_keys.get(claim.access_key_id)
    if root is not None:
        account, secret = root
        return root_caller(world, account, claim.access_key_id, claim.region, None), secret
    key = world.long_term_key(claim.access_key_id)
    if key is None or not key.is_active or claim.session_token:
        raise invalid_token()
    return user_caller(world, key.user, claim.access_key_id, claim.region, None), key.secret


def _of_session(claim: Claim, world: World, sessions: SessionTable, now: float) -> tuple[Caller, str]:
    key_id = claim.access_key_id
    expires_at = sessions.token_expiry(key_id, claim.session_token)
    if expires_at is None:
        raise invalid_token()
    if expires_at <= now:
        raise expired_token()
    session = sessions.get(key_id)
    caller = None if session is None else session_caller(world, session, key_id, claim.region)
    if caller is None:
        raise invalid_token()
    return caller, sessions.secret_of(key_id)


def session_caller(world: World, session: Session, key_id: str, region: str) -> Caller | None:
    """Return the caller of a session; None if the session's user or role was deleted."""
    if session.account not in world.partitions:
        return None
    if session.kind in {"root", "assumed-root"}:
        return root_caller(world, session.account, key_id, region, session)
    if session.kind == "role":
        role = world.role_with_id(session.account, session.issuer_id)
        return None if role is None else role_caller(world, role, session, key_id, region)
    user = world.user_with_id(session.account, session.issuer_id)
    if user is None and session.issuer_id != session.account:
        return None
    if session.kind == "user" and user is not None:
        return user_caller(world, user, key_id, region, session)
    return _federated_caller(world, user, session, key_id, region)


def user_caller(world: World, user: User, key_id: str, region: str, session: Session | None) -> Caller:
    """Return the caller for a user who uses a long-term key or a GetSessionToken session."""
    principal = Principal("user", user.account, user.arn, unique_id=user.unique_id)
    partition = world.partitions[user.account]
    return Caller(principal, partition, user.unique_id, key_id, region, user, None, session, dict(user.tags))


def root_caller(world: World, account: str, key_id: str, region: str, session: Session | None) -> Caller:
    """Return the caller for an account's root user."""
    partition = world.partitions[account]
    principal = Principal("root", account, f"arn:{partition}:iam::{account}:root")
    return Caller(principal, partition, account, key_id, region, None, None, session, {})


def role_caller(world: World, role: Role, session: Session, key_id: str, region: str) -> Caller:
    """Return the caller for a role session. The session's ARN omits the role's path (measured)."""
    partition = world.partitions[role.account]
    arn = f"arn:{partition}:sts::{role.account}:assumed-role/{role.name}/{session.name}"
    principal = Principal("role-session", role.account, arn, issuer_arn=role.arn, unique_id=role.unique_id)
    user_id = f"{role.unique_id}:{session.name}"
    tags = overlay(dict(role.tags), dict(session.tags))
    return Caller(principal, partition, user_id, key_id, region, None, role, session, tags)


def _federated_caller(world: World, user: User | None, session: Session, key_id: str, region: str) -> Caller:
    """Return the caller for a GetFederationToken session of a user; `user` None means the root user."""
    account, partition = session.account, world.partitions[session.account]
    arn = f"arn:{partition}:sts::{account}:federated-user/{session.name}"
    issuer = f"arn:{partition}:iam::{account}:root" if user is None else user.arn
    unique_id = "" if user is None else user.unique_id
    principal = Principal("federated-session", account, arn, issuer_arn=issuer, unique_id=unique_id)
    tags = overlay({} if user is None else dict(user.tags), dict(session.tags))
    return Caller(principal, partition, f"{account}:{session.name}", key_id, region, user, None, session, tags)


def overlay(below: Mapping[str, str], above: Mapping[str, str]) -> dict[str, str]:
    """Return the merged tags. `above` overrides `below`; keys are compared case-insensitively."""
    hidden = {lower_case(key) for key in above}
    return {key: value for key, value in below.items() if lower_case(key) not in hidden} | dict(above)
