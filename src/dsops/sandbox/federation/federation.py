"""STS's unsigned operations: exchange an identity provider's token or assertion for a role session.

These requests have no signature, so only the verified token or assertion identifies the sender. The token is verified
before the role is looked up: AWS reports a bad token even when the role does not exist. AWS returns the same error
for a role whose trust policy denies the caller and for a role that does not exist.
"""

from __future__ import annotations

from typing import Final

from dsops.arn import parse_arn
from dsops.policy import Principal
from dsops.request.context import request_tags, tag_keys
from dsops.request.question import AuthorizationQuestion
from dsops.request.stored_policies import StoredPolicy
from dsops.request.wire.errors import access_denied, denied, refusal, validation
from dsops.request.wire.parameters import check_member
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.authorizer import NO_ROLE, Authorizer
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.federation import web_identity
from dsops.sandbox.federation.issuers import Issuers
from dsops.sandbox.saml import response as saml
from dsops.sandbox.state.sessions import SessionTable
from dsops.sandbox.state.world import Role, World
from dsops.sandbox.sts.assume_role import issue_role_session, role_session
from dsops.sandbox.sts.issuing import HOUR, Issuing
from dsops.sandbox.sts.session_policy import read_policies, read_tags
from dsops.sandbox.sts.verified_identity import IdentityProof

_SAML: Final = "AssumeRoleWithSAML"
_WEB_IDENTITY: Final = "AssumeRoleWithWebIdentity"

UNSIGNED = frozenset({_SAML, _WEB_IDENTITY})
"""The operations of this module. None of them requires a signature."""


class Federation:
    """The unsigned STS operations of one sandbox."""

    def __init__(self, world: World, sessions: SessionTable, judge: Authorizer, issuers: Issuers) -> None:
        self._world = world
        self._judge = judge
        self._issuing = Issuing(world, sessions, judge)
        self._issuers = issuers

    def prove(self, turn: AuthenticatedRequest) -> tuple[AuthenticatedRequest, IdentityProof]:
        """Verify the token or assertion.

        Returns two values: the request, with the verified subject as its caller, and the proof of identity. Raises
        SandboxRefusal.
        """
        return self._by_assertion(turn) if turn.operation == _SAML else self._by_token(turn)

    def _by_token(self, turn: AuthenticatedRequest) -> tuple[AuthenticatedRequest, IdentityProof]:
        if "ProviderId" in turn.parameters:
            # ProviderId names an OAuth 2.0 provider, but only Amazon and Facebook can verify their access tokens.
            raise refusal(
                "IDPCommunicationError", f"The dsops sandbox has no way to the provider {turn.text('ProviderId')}"
            )
        account = account_of_role(turn)
        proof = web_identity.verify(turn.text("WebIdentityToken"), account, self._world, self._issuers, turn.now)
        principal = Principal("web-identity", "", "", federated=proof.provider)
        user_id = f"{proof.issuer}:{proof.audience}:{proof.subject}"
        caller = turn.caller._replace(principal=principal, user_id=user_id, subject=proof.subject)
        return turn._replace(caller=caller), proof

    def _by_assertion(self, turn: AuthenticatedRequest) -> tuple[AuthenticatedRequest, IdentityProof]:
        account, provider_arn = account_of_role(turn), parse_arn(turn.text("PrincipalArn"))
        if provider_arn is None or provider_arn.service != "iam":
            raise validation("Request ARN is invalid")
        # AWS's documentation only shows a provider and a role in the same account, so a provider of another account is
        # refused.
        provider = self._world.saml_provider(str(provider_arn)) if provider_arn.account == account else None
        proof = saml.verify(turn.text("SAMLAssertion"), turn.text("RoleArn"), provider, turn.now)
        principal = Principal("saml", "", "", federated=proof.provider)
        caller = turn.caller._replace(
            principal=principal, user_id=f"{proof.name_qualifier}:{proof.subject}", subject=proof.subject
        )
        from_assertion: dict[str, object] = {
            "RoleSessionName": proof.session_name,
            "SAMLAssertionID": proof.assertion_id,
        }
        if proof.tags:
            from_assertion["PrincipalTags"] = dict(proof.tags)
        if proof.transitive_keys:
            from_assertion["TransitiveTagKeys"] = proof.transitive_keys
        return turn._replace(caller=caller, parameters={**turn.parameters, **from_assertion}), proof

    def assume(self, turn: AuthenticatedRequest, proof: IdentityProof) -> dict[str, Value]:
        """Issue the role session if the role trusts the proven identity, else raise SandboxRefusal."""
        role_arn = turn.text("RoleArn")
        role = self._world.role_at(role_arn)
        account = account_of_role(turn)
        tag_list = [{"Key": key, "Value": value} for key, value in proof.tags]
        check_member("sts", "AssumeRole", "Tags", tag_list)
        if proof.source_identity:
            check_member("sts", "AssumeRole", "SourceIdentity", proof.source_identity)
        passed = {"Tags": tag_list, "TransitiveTagKeys": proof.transitive_keys}
        tags = read_tags(turn._replace(parameters=passed))
        layer = read_policies(turn, self._world, account)
        role = self._authorize(turn, role_arn, role, proof)
        duration = _duration(turn, role, proof)
        session = role_session(
            turn,
            role,
            duration,
            tags,
            source_identity=proof.source_identity,
            policy=layer,
            federation=(("aws:FederatedProvider", (proof.provider,)), *proof.session_keys.items()),
        )
        return _answer(turn.operation, proof) | issue_role_session(self._issuing, turn, role, session)

    def _authorize(self, turn: AuthenticatedRequest, role_arn: str, role: Role | None, proof: IdentityProof) -> Role:
        """Return the role if its trust policy allows the federated user. Raises AccessDenied otherwise."""
        trust = NO_ROLE if role is None else StoredPolicy(f"the trust policy of role {role.name}", role.trust)
        if turn.operation == _SAML and role is not None:
            saml.check_role_may_be_federated(role.name)
        context = {
            **turn.context,
            **proof.session_keys,
            **proof.other_keys,
            **request_tags(proof.tags),
            "aws:FederatedProvider": (proof.provider,),
            "sts:RoleSessionName": (turn.text("RoleSessionName"),),
        }
        actions = [f"sts:{turn.operation}"]
        if proof.source_identity:
            context["sts:SourceIdentity"] = (proof.source_identity,)
            actions.append("sts:SetSourceIdentity")
        if proof.tags:
            actions.append("sts:TagSession")
        if proof.transitive_keys:
            context["sts:TransitiveTagKeys"] = proof.transitive_keys
        if role is not None:
            context |= tag_keys(("aws:ResourceTag", "iam:ResourceTag"), role.tags)
            context["aws:ResourceAccount"] = (role.account,)
        for action in actions:
            question = AuthorizationQuestion(action, role_arn, account_of_role(turn), context, trust)
            decision = self._judge.decide(turn.caller, question, turn.request_id, turn.now)
            if not decision.is_allowed:
                # The IAM User Guide has only one message for SAML, whichever permission is missing.
                if turn.operation == _SAML:
                    raise access_denied(f"Not authorized to perform sts:{_SAML}")
                raise denied(decision)
        if role is None:
            raise access_denied(f"Not authorized to perform sts:{turn.operation}")
        return role


def _duration(turn: AuthenticatedRequest, role: Role, proof: IdentityProof) -> int:
    """Return the session duration: the requested duration, limited by the identity provider's maximum.

    Raises ValidationError if the request exceeds the role's MaxSessionDuration.
    """
    requested = turn.number("DurationSeconds", HOUR)
    if requested > role.max_session_duration:
        raise validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return requested if proof.longest_seconds is None else min(requested, proof.longest_seconds)


def _answer(operation: str, proof: IdentityProof) -> dict[str, Value]:
    """Return the response elements that describe the verified token or assertion."""
    if operation == _SAML:
        return {
            "Issuer": proof.issuer,
            "Audience": proof.audience,
            "SubjectType": proof.subject_type,
            "NameQualifier": proof.name_qualifier,
            "Subject": proof.subject,
        }
    return {
        "SubjectFromWebIdentityToken": proof.subject,
        "Audience": proof.audience,
        # AWS was seen to return the provider's ARN, although the API Reference says that it returns the token's `iss`.
        "Provider": proof.provider,
    }


def account_of_role(turn: AuthenticatedRequest) -> str:
    """Return the account of the requested role. Raises ValidationError when RoleArn is not a role's ARN."""
    arn = parse_arn(turn.text("RoleArn"))
    if arn is None or arn.service != "iam" or arn.resource_type != "role":
        raise validation("Request ARN is invalid")
    return arn.account


def unsigned_caller(region: str, partition: str) -> Caller:
    """Return the anonymous caller of an unsigned request."""
    return Caller(Principal("anonymous", "", ""), partition, "", "", region, None, None, None, {})
