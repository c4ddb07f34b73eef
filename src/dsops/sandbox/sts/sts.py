"""AWS STS: the signed operations. Every operation of more than a few lines has a module of its own.

https://docs.aws.amazon.com/STS/latest/APIReference/. The unsigned operations are in `federation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from dsops.policy import Principal
from dsops.request.question import AuthorizationQuestion
from dsops.request.stored_policies import StoredPolicy
from dsops.request.wire.errors import denied, refusal, validation
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.authorizer import Authorizer
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.messages import Messages
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state import identifiers
from dsops.sandbox.state.sessions import Issued, SessionTable
from dsops.sandbox.state.world import Role, World
from dsops.sandbox.sts.assume_role import AssumeRole, assume_context, role_answer, role_session, session_duration
from dsops.sandbox.sts.assume_root import assume_root
from dsops.sandbox.sts.delegated_access import get_delegated_access_token
from dsops.sandbox.sts.issuing import Issuing
from dsops.sandbox.sts.outbound import Outbound
from dsops.sandbox.sts.own_sessions import get_federation_token, get_session_token
from dsops.sandbox.sts.scoped_credentials import get_scoped_credentials
from dsops.sandbox.sts.sealed_tokens import Seal
from dsops.sandbox.sts.session_policy import packed_size, read_policies, read_tags


class StsService:
    """The signed STS operations of one sandbox."""

    def __init__(self, world: World, sessions: SessionTable, judge: Authorizer) -> None:
        self._issuing = issuing = Issuing(world, sessions, judge)
        self.messages = Messages()
        """Encodes the authorization messages of denied requests, which DecodeAuthorizationMessage decodes."""
        self.seal = Seal()
        """Encrypts trade-in tokens and context assertions."""
        self.outbound = Outbound(issuing)
        self._operations: dict[str, Callable[[AuthenticatedRequest], dict[str, Value]]] = {
            "AssumeRole": AssumeRole(issuing, self.seal).perform,
            "AssumeRoot": partial(assume_root, issuing),
            "DecodeAuthorizationMessage": self._decode_authorization_message,
            "GetAccessKeyInfo": self._get_access_key_info,
            "GetCallerIdentity": self._get_caller_identity,
            "GetDelegatedAccessToken": partial(get_delegated_access_token, issuing, self.seal),
            "GetFederationToken": partial(get_federation_token, issuing),
            "GetScopedCredentials": partial(get_scoped_credentials, issuing),
            "GetSessionToken": partial(get_session_token, issuing),
            "GetWebIdentityToken": self.outbound.get_web_identity_token,
        }

    @property
    def operations(self) -> frozenset[str]:
        """The names of the implemented operations."""
        return frozenset(self._operations)

    def perform(self, turn: AuthenticatedRequest) -> dict[str, Value]:
        """Perform the operation. Raises SandboxRefusal if AWS would refuse the request."""
        return self._operations[turn.operation](turn)

    def _get_caller_identity(self, turn: AuthenticatedRequest) -> dict[str, Value]:
        """Return the caller's identity. The call needs no permission, and no policy can deny it."""
        caller = turn.caller
        return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}

    def _get_access_key_info(self, turn: AuthenticatedRequest) -> dict[str, Value]:
        self._issuing.refuse_restricted(turn)
        self._issuing.require_action(turn, "sts:GetAccessKeyInfo")
        key_id = turn.text("AccessKeyId")
        long_term_key = self._issuing.world.long_term_key(key_id)
        account = identifiers.account_of_key(key_id) if long_term_key is None else long_term_key.user.account
        if account is None:
            raise validation(f"{key_id} is not a valid access key id")
        return {"Account": account}

    def _decode_authorization_message(self, turn: AuthenticatedRequest) -> dict[str, Value]:
        """Return the decoded authorization message, if it was issued in the caller's own account; see `messages`."""
        self._issuing.refuse_restricted(turn)
        self._issuing.require_action(turn, "sts:DecodeAuthorizationMessage")
        decoded = self.messages.decode(turn.text("EncodedMessage"), turn.caller.account)
        if decoded is None:
            raise refusal("InvalidAuthorizationMessageException", "The message could not be decoded.")
        return {"DecodedMessage": decoded}

    def service_caller(self, role: Role, service: str, region: str) -> Caller:
        """Return the service as the caller that makes an AssumeRole call for this role."""
        principal = Principal("service", "", "", federated=service)
        return Caller(principal, self._issuing.world.partitions[role.account], "", "", region, None, None, None, {})

    def issue_to_service(
        self, turn: AuthenticatedRequest, role: Role, session_keys: Mapping[str, tuple[str, ...]]
    ) -> tuple[Issued, dict[str, Value]]:
        """Issue a role session to an AWS service that the role trusts. Raises SandboxRefusal."""
        trust = StoredPolicy(f"the trust policy of role {role.name}", role.trust)
        tags, source_identity = read_tags(turn), turn.text("SourceIdentity")
        layer = read_policies(turn, self._issuing.world, role.account)
        context = assume_context(turn, role, tags, source_identity, None)
        actions = ["sts:SetSourceIdentity"] if source_identity else []
        for action in (*actions, "sts:AssumeRole", *(("sts:TagSession",) if tags.all else ())):
            question = AuthorizationQuestion(action, role.arn, role.account, context, trust)
            decision = self._issuing.judge.decide(turn.caller, question, turn.request_id, turn.now)
            if not decision.is_allowed:
                raise denied(decision)
        session = role_session(
            turn,
            role,
            session_duration(turn, role),
            tags,
            source_identity=source_identity,
            policy=layer,
            federation=tuple(session_keys.items()),
        )
        packed = packed_size(layer, tags.all)
        issued = self._issuing.issue(turn, session)
        result = role_answer(self._issuing.world, role, session, issued)
        if packed is not None:
            result["PackedPolicySize"] = packed
        if source_identity:
            result["SourceIdentity"] = source_identity
        return issued, result
