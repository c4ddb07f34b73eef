"""Determines the caller of a session that was opened with a token, SAML assertion, certificate or login.

No credentials sign the request for such a session, so it inherits nothing. The provider sets its tags and source
identity. Source: IAM User Guide, "Available keys for AWS STS federation", for the keys that the session keeps.
"""

from __future__ import annotations

from typing import Final

from dsops.arn import parse_arn
from dsops.aws.apis.sts import CallerIdentity
from dsops.explain.questions.assertion import read_told
from dsops.explain.questions.federated_questions import CLAIMS, unsigned_questions
from dsops.explain.questions.request import OF_AN_ISSUER, PASSED_ON, ChainCaller, Context, session_caller
from dsops.plan import Step
from dsops.policy import Unread, lower_case
from dsops.stores.saml import assertion_at_hand

_REQUEST_TAG: Final = "aws:RequestTag/"
_KEPT: Final = ("aws:FederatedProvider", "SAML:sub", "SAML:sub_type", "SAML:namequalifier")
"""The condition keys that a session keeps from a SAML assertion.

The assertion's other keys are only in the context in which the trust policy is evaluated.
"""
_OF_SAML: Final = ("saml:sub", "saml:sub_type", "saml:namequalifier")
_OF_A_LOGIN: Final = (*_OF_SAML, "identitystore:userid")
_OF_THE_ASSERTION: Final = "what the session has by its assertion is not known here"
_OF_THE_PROOF: Final = "what the session has by its token is not known here"
_OF_THE_CERTIFICATE: Final = "what the session has by its certificate is not known here"
_OF_THE_LOGIN: Final = "what IAM Identity Center gives the session is not known here"


def is_opened(step: Step) -> bool:
    """Whether the step opens its session with a token, assertion or login, and not with credentials."""
    return step.proof is not None


def opened_caller(step: Step, identity: CallerIdentity) -> ChainCaller | None:
    """Return the session that the step opens, as a caller; None if policies can't name it."""
    caller = session_caller(step, identity, None)
    if caller is None:
        return None
    if step.operation == "AssumeRoleWithSAML":
        context, unread = _by_assertion(step)
    elif step.operation == "AssumeRoleWithWebIdentity":
        context, unread = _by_token(step)
    elif step.session_action == "CreateSession":
        context, unread = {}, Unread("context", _OF_THE_CERTIFICATE, OF_AN_ISSUER)
    else:
        context, unread = {}, Unread("context", _OF_THE_LOGIN, (*OF_AN_ISSUER, *_OF_A_LOGIN))
    return caller._replace(context={**caller.context, **context}, unread=(*caller.unread, unread))


def _by_assertion(step: Step) -> tuple[Context, Unread]:
    """Return the context from a SAML response, and the unknown keys.

    The context is empty if the response can't be read or is encrypted.
    """
    role = parse_arn(str(step.settings.get("role_arn", "")))
    response = assertion_at_hand(step.settings)
    if role is None or response is None or not response.is_whole:
        return {}, Unread("context", _OF_THE_ASSERTION, (*OF_AN_ISSUER, *_OF_SAML))
    sent = read_told(response, role, str(step.settings.get("principal_arn", ""))).context
    context: Context = {key: sent[key] for key in _KEPT if key in sent}
    transitive = {lower_case(key) for key in sent.get("sts:TransitiveTagKeys", ())}
    for key, values in sent.items():
        name = key.removeprefix(_REQUEST_TAG)
        if name != key:
            context[f"aws:PrincipalTag/{name}"] = values
            if lower_case(name) in transitive:
                context[f"{PASSED_ON}{name}"] = values
    if "sts:SourceIdentity" in sent:
        context["aws:SourceIdentity"] = sent["sts:SourceIdentity"]
    missing = () if "aws:FederatedProvider" in context else ("aws:federatedprovider", "saml:namequalifier")
    return context, Unread("context", _OF_THE_ASSERTION, missing)


def _by_token(step: Step) -> tuple[Context, Unread]:
    """Return provider, subject and audience of an available token, and the keys that stay unknown.

    Tags that the token may set stay unknown.
    """
    context: Context = {}
    host = ""
    for question, _ in unsigned_questions(step, step.region):
        provider = question.principal.federated
        host = provider.rpartition(":oidc-provider/")[2]
        claims_in_token = {
            key: question.context[key] for key in (f"{host}:sub", f"{host}:aud") if key in question.context
        }
        context = {**({"aws:FederatedProvider": (provider,)} if provider else {}), **claims_in_token}
    claims = tuple(lower_case(f"{host}:{claim}") for claim in ("sub", "aud", *CLAIMS))
    known_keys = {lower_case(key) for key in context}
    return context, Unread(
        "context", _OF_THE_PROOF, tuple(key for key in (*OF_AN_ISSUER, *claims) if key not in known_keys)
    )
