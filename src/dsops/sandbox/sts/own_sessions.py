"""GetSessionToken and GetFederationToken: issue a session to the calling user, or to a federated user."""

from __future__ import annotations

from dsops.request.context import request_tags
from dsops.request.question import AuthorizationQuestion
from dsops.request.wire.errors import access_denied
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.context import source_ip
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state.sessions import Session
from dsops.sandbox.sts.issuing import HOUR, Issuing, credentials, token_share, token_size
from dsops.sandbox.sts.mfa import check_mfa
from dsops.sandbox.sts.session_policy import packed_size, read_policies, read_tags


def get_session_token(issuing: Issuing, turn: AuthenticatedRequest) -> dict[str, Value]:
    """Issue a session to the calling user. The call needs no permission, and no policy can deny it."""
    caller = turn.caller
    if caller.session is not None:
        raise access_denied("Cannot call GetSessionToken with session credentials")
    mfa_at = check_mfa(issuing.world, turn)
    session = Session(
        "user" if caller.user is not None else "root",
        caller.account,
        caller.unique_id,
        "",
        int(turn.now),
        int(turn.now) + _duration(turn),
        mfa_at,
        source_ip=source_ip(issuing.world, caller),
    )
    issued = issuing.issue(turn, session)
    return {"Credentials": credentials(issued)} | token_size(issued)


def get_federation_token(issuing: Issuing, turn: AuthenticatedRequest) -> dict[str, Value]:
    """Issue a session for a federated user with the name in the request."""
    caller = turn.caller
    if caller.session is not None:
        raise access_denied("Cannot call GetFederationToken with session credentials")
    name = turn.text("Name")
    arn = f"arn:{caller.partition}:sts::{caller.account}:federated-user/{name}"
    layer = read_policies(turn, issuing.world, caller.account)
    tags = read_tags(turn)
    context = {**turn.context, **request_tags(tags.passed)}
    for action in ["sts:GetFederationToken"] + (["sts:TagSession"] if tags.passed else []):
        issuing.require(turn, AuthorizationQuestion(action, arn, caller.account, context))
    is_sized = packed_size(layer, tags.passed) is not None
    session = Session(
        "federated",
        caller.account,
        caller.unique_id,
        name,
        int(turn.now),
        int(turn.now) + _duration(turn),
        None,
        tags.passed,
        (),
        "",
        layer,
        source_ip(issuing.world, caller),
    )
    issued = issuing.issue(turn, session)
    result: dict[str, Value] = {
        "Credentials": credentials(issued),
        "FederatedUser": {"FederatedUserId": f"{caller.account}:{name}", "Arn": arn},
        # Without policies or tags AWS returned 0 here, until PackedPolicySize became an alias of
        # SessionTokenUtilization (recorded).
        "PackedPolicySize": token_share(issued) if is_sized else 0,
    }
    return result | token_size(issued)


def _duration(turn: AuthenticatedRequest) -> int:
    """Return the session duration: up to 36 hours for a user, silently limited to one hour for a root user."""
    if turn.caller.principal.kind == "root":
        return min(turn.number("DurationSeconds", HOUR), HOUR)
    return turn.number("DurationSeconds", 12 * HOUR)
