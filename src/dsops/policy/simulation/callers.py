"""Return the condition keys that a caller's requests contain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from dsops.policy.language.conditions import fold_context
from dsops.policy.language.letters import lower_case
from dsops.policy.language.principals import Principal
from dsops.policy.language.values import read_moment
from dsops.policy.simulation.case import CaseQuestion

Context = dict[str, tuple[str, ...]]


_TYPES: Final = {
    "user": "User",
    "role-session": "AssumedRole",
    "federated-session": "FederatedUser",
    "root": "Account",
    "anonymous": "Anonymous",
}


def known_context(question: CaseQuestion, now: datetime) -> Context:
    """Return the condition keys that AWS sets for the caller at time `now`.

    Keys that the case's author sets take precedence. Keys for the caller's address, region, MFA and tags are left out,
    because their values are unknown.
    """
    context = _of_time(question.context, now) | _of_caller(question.principal, now)
    context["aws:SecureTransport"] = ("true",)
    context["aws:ViaAWSService"] = ("false",)
    if question.resource_account:
        context["aws:ResourceAccount"] = (question.resource_account,)
    given_keys = {lower_case(key) for key in question.context}
    own_keys = {key: values for key, values in context.items() if lower_case(key) not in given_keys}
    return own_keys | {key: values for key, values in question.context.items() if values}


def _of_time(given_context: Mapping[str, tuple[str, ...]], now: datetime) -> Context:
    """Return the two time keys. If the author sets aws:CurrentTime, both keys use that time."""
    given_times = fold_context(given_context).get("aws:currenttime", ())
    moment = read_moment(given_times[0]) if len(given_times) == 1 else None
    seconds = moment[0] if moment else int(now.timestamp())
    return {"aws:CurrentTime": (_iso(seconds),), "aws:EpochTime": (str(seconds),)}


@lru_cache(maxsize=16)
def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_caller(principal: Principal, now: datetime) -> Context:
    context: Context = {"aws:PrincipalIsAWSService": ("true" if principal.kind == "service" else "false",)}
    if principal.kind == "service":
        context["aws:PrincipalServiceName"] = (principal.federated,)
    if principal.kind in _TYPES:
        context["aws:PrincipalType"] = (_TYPES[principal.kind],)
    if not principal.account:
        return context
    name = principal.arn.rpartition("/")[2]
    is_role = principal.kind == "role-session"
    context["aws:PrincipalAccount"] = (principal.account,)
    # For a role session this key has the role's ARN with its path, never the session's ARN (measured on live AWS).
    context["aws:PrincipalArn"] = (principal.issuer_arn if is_role else principal.arn,)
    user_id = {
        "user": principal.unique_id,
        "role-session": f"{principal.unique_id}:{name}" if principal.unique_id else "",
        "federated-session": f"{principal.account}:{name}",
        "root": principal.account,
    }[principal.kind]
    if user_id:
        context["aws:userid"] = (user_id,)
    if principal.kind == "user":
        context["aws:username"] = (name,)
    if principal.kind in ("role-session", "federated-session"):
        # Requests with long-term keys lack this key. In sessions it is "false" unless the session was created with MFA.
        context["aws:MultiFactorAuthPresent"] = ("false",)
        context["aws:TokenIssueTime"] = (_iso(int(now.timestamp())),)
    return context
