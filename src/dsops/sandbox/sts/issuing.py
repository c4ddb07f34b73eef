"""Code shared by the STS operations that issue credentials: authorization, sessions, token size."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from dsops.request.question import AuthorizationQuestion
from dsops.request.wire.errors import access_denied, refusal
from dsops.request.wire.responses import Moment, Value
from dsops.sandbox.authorization.authorizer import Authorizer
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state.sessions import MAX_TOKEN, Issued, Session, SessionTable
from dsops.sandbox.state.world import World

HOUR = 3600
GLOBAL_HOST = "sts.amazonaws.com"


class Issuing(NamedTuple):
    """Authorizer and session table of one sandbox."""

    world: World
    sessions: SessionTable
    judge: Authorizer

    def require(self, turn: AuthenticatedRequest, question: AuthorizationQuestion) -> None:
        """Raise AccessDenied unless the caller's policies allow the action on the resource in `question`."""
        self.judge.require(turn.caller, question, turn.request_id, turn.now)

    def require_action(self, turn: AuthenticatedRequest, action: str) -> None:
        """Raise AccessDenied unless the caller's policies allow an action that has no resource."""
        self.require(turn, AuthorizationQuestion(action, "*", turn.caller.account, turn.context))

    def refuse(self, turn: AuthenticatedRequest, action: str, resource: str = "") -> NoReturn:
        """Raise AccessDenied with a message that states no reason."""
        where = f" on resource: {resource}" if resource else ""
        raise access_denied(f"User: {turn.caller.arn} is not authorized to perform: {action}{where}")

    def refuse_restricted(self, turn: AuthenticatedRequest) -> None:
        """Raise AccessDenied for GetSessionToken and federated sessions, which can call only a few STS operations."""
        session = turn.caller.session
        if session is not None and session.kind != "role":
            self.refuse(turn, f"sts:{turn.operation}")

    def issue(self, turn: AuthenticatedRequest, session: Session) -> Issued:
        """Issue credentials for the session.

        Raises RegionDisabledException if the account of the new credentials has deactivated STS in the request's
        region (IAM User Guide, "Manage AWS STS in an AWS Region").
        """
        check_region(self.world, session.account, turn.caller.region)
        return self.sessions.issue(session, turn.number("MinimumSessionTokenSize", 0))


def check_region(world: World, account: str, region: str) -> None:
    """Raise RegionDisabledException if the account has deactivated STS in the region."""
    if region in world.closed_sts_regions.get(account, ()):
        raise refusal(
            "RegionDisabledException",
            f"STS is not activated in this region for account:{account}. "
            "Your account administrator can activate STS in this region using the IAM Console.",
            403,
        )


def refuse_global_endpoint(turn: AuthenticatedRequest) -> None:
    """Raise InvalidAction for a request to the endpoint sts.amazonaws.com, which lacks the operation."""
    if turn.host.partition(":")[0].lower() == GLOBAL_HOST:
        raise refusal("InvalidAction", f"Could not find operation {turn.operation} for version 2011-06-15")


def credentials(issued: Issued) -> dict[str, Value]:
    """Return the `Credentials` element of a response."""
    return {
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret_access_key,
        "SessionToken": issued.session_token,
        "Expiration": Moment(issued.expires_at),
    }


def token_share(issued: Issued) -> int:
    """Return the session token's length as a percentage of the maximum."""
    return -(-100 * len(issued.session_token) // MAX_TOKEN)


def token_size(issued: Issued) -> dict[str, Value]:
    """Return the response elements that state the session token's size."""
    return {"SessionTokenUtilization": token_share(issued), "SessionTokenSize": len(issued.session_token)}
