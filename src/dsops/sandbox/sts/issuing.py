"""What every operation of STS that hands out credentials needs: the judge, the sessions, the token's size."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from dsops.sandbox.authorization.authorize import AuthorizationQuestion, Judge
from dsops.sandbox.authorization.request import StsRequest
from dsops.sandbox.state.sessions import MAX_TOKEN, Issued, Session, SessionTable
from dsops.sandbox.state.world import World
from dsops.sandbox.wire.errors import access_denied, refusal
from dsops.sandbox.wire.responses import Moment, Value

HOUR = 3600
GLOBAL_HOST = "sts.amazonaws.com"


class Issuing(NamedTuple):
    """Over one world."""

    world: World
    sessions: SessionTable
    judge: Judge

    def require(self, turn: StsRequest, question: AuthorizationQuestion) -> None:
        """Raises AccessDenied unless the caller may."""
        self.judge.require(turn.caller, question, turn.request_id, turn.now)

    def require_action(self, turn: StsRequest, action: str) -> None:
        """The same for an action without a resource."""
        self.require(turn, AuthorizationQuestion(action, "*", turn.caller.account, turn.context))

    def refuse(self, turn: StsRequest, action: str, resource: str = "") -> NoReturn:
        """AccessDenied without a reason."""
        where = f" on resource: {resource}" if resource else ""
        raise access_denied(f"User: {turn.caller.arn} is not authorized to perform: {action}{where}")

    def refuse_restricted(self, turn: StsRequest) -> None:
        """A GetSessionToken session may call little of STS, a federated user's even less."""
        session = turn.caller.session
        if session is not None and session.kind != "role":
            self.refuse(turn, f"sts:{turn.operation}")

    def issue(self, turn: StsRequest, session: Session) -> Issued:
        """Credentials of that session, when its account has STS switched on where the request went.

        IAM User Guide, "Manage AWS STS in an AWS Region": the account that is looked at owns the new credentials.
        """
        check_region(self.world, session.account, turn.caller.region)
        return self.sessions.issue(session, turn.number("MinimumSessionTokenSize", 0))


def check_region(world: World, account: str, region: str) -> None:
    """Raises RegionDisabledException where the account has switched STS off."""
    if region in world.closed_sts_regions.get(account, ()):
        raise refusal(
            "RegionDisabledException",
            f"STS is not activated in this region for account:{account}. "
            "Your account administrator can activate STS in this region using the IAM Console.",
            403,
        )


def refuse_global_endpoint(turn: StsRequest) -> None:
    """Some operations are not on sts.amazonaws.com. Through AWS_ENDPOINT_URL every request counts as regional."""
    if turn.host.partition(":")[0].lower() == GLOBAL_HOST:
        raise refusal("InvalidAction", f"Could not find operation {turn.operation} for version 2011-06-15")


def credentials(issued: Issued) -> dict[str, Value]:
    """`Credentials` of an answer."""
    return {
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret_access_key,
        "SessionToken": issued.session_token,
        "Expiration": Moment(issued.expires_at),
    }


def token_share(issued: Issued) -> int:
    """The percentage of the longest session token that this one is."""
    return -(-100 * len(issued.session_token) // MAX_TOKEN)


def token_size(issued: Issued) -> dict[str, Value]:
    """What an answer tells of the session token's size."""
    return {"SessionTokenUtilization": token_share(issued), "SessionTokenSize": len(issued.session_token)}
