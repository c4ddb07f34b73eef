"""GetDelegatedAccessToken: exchange a trade-in token for the delegating principal's credentials.

On AWS a user accepts a partner's delegation request, and IAM sends the partner the token (IAM User Guide, "Temporary
delegation"). The sandbox has no console: `/_sandbox/trade-in-token` issues tokens, and this module redeems them.
"""

from __future__ import annotations

from typing import NamedTuple

from dsops.request.wire.errors import refusal, validation
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state.sessions import PolicyLayer, Session
from dsops.sandbox.state.world import World
from dsops.sandbox.sts.issuing import HOUR, Issuing, credentials
from dsops.sandbox.sts.sealed_tokens import Seal
from dsops.sandbox.sts.session_policy import check_token_size

DURATIONS = range(300, 43_201)
"""Allowed durations of a delegated session in seconds (IAM API Reference, CreateDelegationRequest)."""


class _Giver(NamedTuple):
    """The session of the principal that delegated access, and this principal's ARN."""

    session: Session
    arn: str


def get_delegated_access_token(issuing: Issuing, seal: Seal, turn: AuthenticatedRequest) -> dict[str, Value]:
    """Redeem the request's trade-in token for credentials. Raises SandboxRefusal if AWS would refuse the request."""
    issuing.require_action(turn, "sts:GetDelegatedAccessToken")
    opened = seal.open("trade-in", turn.text("TradeInToken"))
    if opened is None:
        raise validation("The trade-in token is not valid.")
    if opened.expires_at <= turn.now:
        raise refusal("ExpiredTradeInTokenException", "The trade-in token has expired.")
    content = opened.content
    giver = _giver(issuing.world, str(content["principal"]), int(turn.now))
    if giver is None:
        raise validation("The trade-in token is not valid: the principal that gave it does not exist any more.")
    policy = str(content.get("policy", ""))
    session = giver.session._replace(
        expires_at=int(turn.now) + int(content.get("duration_seconds", HOUR)),
        policy=PolicyLayer(policy, ()) if policy else None,
    )
    check_token_size(session)
    issued = issuing.issue(turn, session)
    return {"Credentials": credentials(issued), "AssumedPrincipal": giver.arn}


def has_giver(world: World, arn: str) -> bool:
    """Whether the ARN names a user or role that exists in this sandbox."""
    return _giver(world, arn, 0) is not None


def _giver(world: World, arn: str, now: int) -> _Giver | None:
    role = world.role_at(arn)
    if role is not None:
        session = Session("role", role.account, role.unique_id, "delegated-access", now, now)
        partition = world.partitions[role.account]
        return _Giver(session, f"arn:{partition}:sts::{role.account}:assumed-role/{role.name}/{session.name}")
    user = world.user_at(arn)
    return None if user is None else _Giver(Session("user", user.account, user.unique_id, "", now, now), user.arn)
