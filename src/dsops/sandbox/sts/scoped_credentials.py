"""GetScopedCredentials: reissue the calling session with fewer permissions or an earlier expiry.

STS API Reference, GetScopedCredentials (2026). The Service Authorization Reference lists no action for this operation,
so in the sandbox the call requires no permission and no policy can deny it.
"""

from __future__ import annotations

from dsops.request.wire.errors import access_denied, refusal, validation
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.sts.issuing import Issuing, credentials, refuse_global_endpoint, token_size
from dsops.sandbox.sts.session_policy import check_token_size, read_policies

_MOST_SCOPES = 3


def get_scoped_credentials(issuing: Issuing, turn: AuthenticatedRequest) -> dict[str, Value]:
    """Reissue the caller's session with a further policy, an earlier end, or both. Raises SandboxRefusal."""
    refuse_global_endpoint(turn)
    caller, session = turn.caller, turn.caller.session
    if session is None:
        raise refusal(
            "InvalidSubjectCredentials", "GetScopedCredentials must be called with temporary security credentials."
        )
    if "Policy" not in turn.parameters and "DurationSeconds" not in turn.parameters:
        raise validation("At least one of Policy or DurationSeconds must be specified.")
    layer = read_policies(turn, issuing.world, caller.account)
    if layer is not None and len(session.scopes) == _MOST_SCOPES:
        raise access_denied(f"The session already has {_MOST_SCOPES} scope down policies, and can't have another one.")
    expires_at = int(session.expires_at)
    if "DurationSeconds" in turn.parameters:
        expires_at = int(turn.now) + turn.number("DurationSeconds", 0)
        if expires_at > session.expires_at:
            raise refusal(
                "InsufficientSessionLifetime",
                "The requested DurationSeconds is greater than the remaining lifetime of the calling session.",
            )
    scopes = session.scopes if layer is None else (*session.scopes, layer)
    # Keep `issued_at`: otherwise a session that is revoked by aws:TokenIssueTime would seem newer and be valid again.
    scoped = session._replace(expires_at=expires_at, scopes=scopes)
    check_token_size(scoped)
    issued = issuing.issue(turn, scoped)
    result: dict[str, Value] = {
        "Credentials": credentials(issued),
        "SessionInfo": {"ScopedSessionId": caller.user_id, "Arn": caller.arn},
        **token_size(issued),
        "ScopedPoliciesCount": len(scopes),
    }
    if session.source_identity:
        result["SourceIdentity"] = session.source_identity
    return result
