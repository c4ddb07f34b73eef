"""Describe the caller of a request as CloudTrail's `userIdentity` element.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.request.context import iso_time
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.state.sessions import Session

_PRINCIPAL_TYPES = {
    "user": "IAMUser",
    "root": "Root",
    "role-session": "AssumedRole",
    "federated-session": "FederatedUser",
    "service": "AWSService",
    "web-identity": "WebIdentityUser",
    "saml": "SAMLUser",
    "anonymous": "Unknown",
}


def identity_of(caller: Caller) -> dict[str, object]:
    """Return the `userIdentity` element for the caller."""
    if caller.principal.kind == "anonymous":
        return {"type": _PRINCIPAL_TYPES["anonymous"]}
    if caller.principal.kind in ("web-identity", "saml"):
        # For SAML, `identityProvider` is the name qualifier in the principal id, not an ARN (CloudTrail User Guide).
        qualifier = caller.user_id.partition(":")[0]
        return {
            "type": _PRINCIPAL_TYPES[caller.principal.kind],
            "principalId": caller.user_id,
            "userName": caller.subject,
            "identityProvider": qualifier if caller.principal.kind == "saml" else caller.principal.federated,
        }
    if caller.principal.kind == "service":
        return {"type": _PRINCIPAL_TYPES["service"], "invokedBy": caller.principal.federated}
    identity: dict[str, object] = {
        "type": _PRINCIPAL_TYPES[caller.principal.kind],
        "principalId": caller.user_id,
        "arn": caller.arn,
        "accountId": caller.account,
        "accessKeyId": caller.key_id,
    }
    session = caller.session
    if caller.user is not None and caller.principal.kind == "user":
        identity["userName"] = caller.user.name
    if session is not None:
        context: dict[str, object] = {
            "attributes": {
                "mfaAuthenticated": str(session.mfa_at is not None).lower(),
                "creationDate": iso_time(session.issued_at),
            }
        }
        issuer = _issuer(caller)
        if issuer is not None:
            context["sessionIssuer"] = issuer
        if session.source_identity:
            context["sourceIdentity"] = session.source_identity
        if any(key == "aws:FederatedProvider" for key, _ in session.federation):
            context["webIdFederationData"] = _web_federation(dict(session.federation))
        if session.kind == "assumed-root":
            context["assumedRoot"] = "true"
        identity["sessionContext"] = context
        identity |= _person(session)
    return identity


def _person(session: Session) -> dict[str, object]:
    """Return the `onBehalfOf` element if the session is an IAM Identity Center user's, else {}."""
    if session.on_behalf_of is None:
        return {}
    user_id, store_arn = session.on_behalf_of
    return {"onBehalfOf": {"userId": user_id, "identityStoreArn": store_arn}}


def _web_federation(keys: Mapping[str, tuple[str, ...]]) -> dict[str, object]:
    """Return the `webIdFederationData` element with the token's provider and claims; {} for SAML.

    Claims are included only for the built-in providers that every account has, as observed on AWS.
    """
    provider = keys["aws:FederatedProvider"][0]
    if "saml:sub" in keys:
        return {}
    claims = {key: ",".join(value) for key, value in keys.items() if key.startswith(f"{provider}:")}
    return {"federatedProvider": provider, "attributes": claims}


def _issuer(caller: Caller) -> dict[str, object] | None:
    """Return the session's issuer: the role, or the user who called GetFederationToken.

    Returns None for all other callers.
    """
    if caller.role is not None:
        issuer = caller.role
        return {
            "type": "Role",
            "principalId": issuer.unique_id,
            "arn": issuer.arn,
            "accountId": issuer.account,
            "userName": issuer.name,
        }
    if caller.principal.kind != "federated-session":
        return None
    arn, account = caller.principal.issuer_arn, caller.account
    if caller.user is None:
        return {"type": "Root", "principalId": account, "arn": arn, "accountId": account}
    return {
        "type": "IAMUser",
        "principalId": caller.user.unique_id,
        "arn": arn,
        "accountId": account,
        "userName": caller.user.name,
    }
