"""Determines the policy questions that AWS evaluates with a role's trust policy for a token or SAML assertion.

The call is not signed. The content of the token or assertion is known only if it was available when the plan was
made.
"""

from __future__ import annotations

from typing import Final

from dsops.arn import Arn, parse_arn
from dsops.explain.questions.assertion import read_told
from dsops.explain.questions.request import NETWORK, OF_THE_NETWORK, Context
from dsops.plan import Step
from dsops.policy import CaseQuestion, PolicySet, Principal, Unread, lower_case
from dsops.policy.language.principals import FEDERATED_NAMES
from dsops.stores.saml import assertion_at_hand
from dsops.stores.web_identity import MOST_SHOWN

_GITHUB: Final = "token.actions.githubusercontent.com"
_SAML: Final = tuple(
    """
    saml:sub saml:sub_type saml:namequalifier saml:edupersonorgdn aws:requesttag/ aws:tagkeys sts:rolesessionname
    sts:sourceidentity
    """.split()
)
"""The condition keys that a SAML assertion sets, except those for issuer and recipient."""
CLAIMS: Final = tuple(
    """
    amr azp email oaud actor environment job_workflow_ref ref repository repository_id repository_owner
    repository_owner_id workflow enterprise
    """.split()
)
"""The token claims that are condition keys, except `sub` and `aud` (IAM User Guide, OIDC federation keys)."""

Unsigned = tuple[CaseQuestion, tuple[Unread, ...]]


def unsigned_questions(step: Step, region: str, provider: str = "") -> list[Unsigned]:
    """Return the policy questions in AWS's order, each with its unread parts.

    Returns [] for a step that assumes no role. `provider` is used if the token's provider is unknown. If `provider` is
    "" too, the principal has no name.
    """
    role = parse_arn(str(step.settings.get("role_arn", "")))
    if role is None or step.proof is None:
        return []
    if step.operation == "AssumeRoleWithSAML":
        return _by_assertion(step, role, region, provider)
    if step.session_action == "CreateSession":
        return _by_certificate(step, role)
    return [_by_token(step, role, region, provider)]


def _by_assertion(step: Step, role: Arn, region: str, provider: str) -> list[Unsigned]:
    named = str(step.settings.get("principal_arn", ""))
    context: Context = {"aws:RequestedRegion": (region,)}
    network = Unread("context", NETWORK, OF_THE_NETWORK)
    response = assertion_at_hand(step.settings)
    if response is not None and response.is_whole:
        asserted = read_told(response, role, named or provider)
        principal = Principal("saml", "", "", federated=asserted.principal_arn)
        context |= asserted.context
        return [
            (CaseQuestion(principal, action, str(role), role.account, context), (network,))
            for action in asserted.actions
        ]
    keys: tuple[str, ...] = _SAML
    if step.proof is not None and step.proof.speaks_of is not None:
        issuer, _, recipient = step.proof.speaks_of
        context["SAML:iss"], context["SAML:aud"] = (issuer,), (recipient,)
    else:
        keys = (*keys, "saml:iss", "saml:aud")
    principal = Principal("saml", "", "", federated=named or provider)
    why = _SEALED if response is not None else _NOT_AT_HAND
    question = CaseQuestion(principal, "sts:AssumeRoleWithSAML", str(role), role.account, context)
    return [(question, (network, Unread("context", why, keys)))]


_NOT_AT_HAND: Final = "the assertion is not at hand: save it, and name the file with `saml_assertion_file`"
_SEALED: Final = "only AWS can read all that the assertion says"


def _by_certificate(step: Step, role: Arn) -> list[Unsigned]:
    """Return the questions for the three actions of IAM Roles Anywhere, which calls STS for a certificate's holder."""
    principal = Principal("service", "", "", federated=f"{step.type.service}.amazonaws.com")
    anchor = str(step.settings["trust_anchor_arn"])
    arn = parse_arn(anchor)
    context: Context = {
        "aws:PrincipalIsAWSService": ("true",),
        "aws:SourceArn": (anchor,),
        **({"aws:SourceAccount": (arn.account,)} if arn is not None else {}),
    }
    if "role_session_name" in step.settings:
        context["sts:RoleSessionName"] = (str(step.settings["role_session_name"]),)
    known = {lower_case(key) for key in context}
    unread = Unread("context", _IN_THE_CERTIFICATE, tuple(key for key in _CERTIFICATE if key not in known))
    return [
        (CaseQuestion(principal, f"sts:{action}", str(role), role.account, context), (unread,))
        for action in ("SetSourceIdentity", "AssumeRole", "TagSession")
    ]


_CERTIFICATE: Final = tuple(
    "aws:principaltag/ aws:requesttag/ aws:tagkeys sts:sourceidentity sts:rolesessionname".split()
)
_IN_THE_CERTIFICATE: Final = "what the certificate says is not looked at"


def _by_token(step: Step, role: Arn, region: str, provider: str) -> Unsigned:
    context: Context = {
        "aws:RequestedRegion": (region,),
        "sts:RoleSessionName": (str(step.settings.get("role_session_name", "")),),
    }
    proof = step.proof
    speaks_of = proof.speaks_of if proof is not None else None
    host = speaks_of[0].removeprefix("https://").rstrip("/") if speaks_of is not None else ""
    if not host and proof is not None and "GitHub" in proof.source:
        host = _GITHUB
    federated = _provider(role, host) if host else provider
    host = host or provider.rpartition(":oidc-provider/")[2]
    claims: tuple[str, ...] = CLAIMS
    for claim, value in zip(("sub", "aud"), speaks_of[1:] if speaks_of is not None else ("", ""), strict=True):
        if 0 < len(value) < MOST_SHOWN:
            context[f"{host}:{claim}"] = (value,)
        else:
            claims = (*claims, claim)
    keys = tuple(lower_case(f"{host}:{claim}") for claim in claims)
    unread = Unread("context", "what else the token says is not looked at", keys)
    principal = Principal("web-identity", "", "", federated=federated)
    question = CaseQuestion(principal, "sts:AssumeRoleWithWebIdentity", str(role), role.account, context)
    return question, (Unread("context", NETWORK, OF_THE_NETWORK), unread)


def _provider(role: Arn, host: str) -> str:
    return host if host in FEDERATED_NAMES else f"arn:{role.partition}:iam::{role.account}:oidc-provider/{host}"


def provider_in(question: CaseQuestion, policies: PolicySet) -> str:
    """Return the only provider of the caller's kind that the trust policy names; "" if it names several or none."""
    kind = ":saml-provider/" if question.principal.kind == "saml" else ":oidc-provider/"
    providers = {
        provider
        for group in policies.get("trust", ())
        for policy in group
        for statement in policy.statements
        if statement.principals is not None
        for provider in statement.principals.providers
        if kind in provider
    }
    return next(iter(providers)) if len(providers) == 1 else ""
