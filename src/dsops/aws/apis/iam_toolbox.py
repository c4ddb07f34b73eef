"""IAM Toolbox (preview): look up how AWS evaluated a denied request, by the authorization id in its error.

Source: botocore's service model `iam-toolbox` 2018-05-10. Members with an unknown format are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from dsops.aws.http.answer import lacks, object_in, objects_in, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_rest, quote
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound

_MOST_PAGES = 20


class IamToolbox(NamedTuple):
    """Client, credentials and endpoint for calls to the IAM Toolbox."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint


class MatchedStatement(NamedTuple):
    """A policy statement that matched the request."""

    sid: str
    """The Sid in the statement, or a Sid that AWS generated for the statement."""
    is_deny: bool


class MatchedPolicy(NamedTuple):
    """A policy with its matching statements."""

    uri: str
    statements: tuple[MatchedStatement, ...]


class ToolboxCheck(NamedTuple):
    """One check of the evaluation and its effect. The values of `effect` and `kind` are AWS's own."""

    kind: str
    effect: str
    target_arn: str
    """The ARN of the root, unit or account whose control policies were checked; "" for other checks."""
    policy_kinds: tuple[str, ...]
    matched: tuple[MatchedPolicy, ...]


class Evaluation(NamedTuple):
    """How AWS evaluated one action on one resource."""

    action: str
    resource: str
    context: Mapping[str, object]
    effect: str
    checks: tuple[ToolboxCheck, ...] | None
    """The checks; None when AWS leaves them out, as it does for another organization's checks."""
    matched: tuple[MatchedPolicy, ...]


class ListedPolicy(NamedTuple):
    """A policy that AWS evaluated, whether or not one of its statements matched."""

    kind: str
    is_inline: bool
    uri: str
    attached_to: tuple[str, ...]


class AuthorizationDetails(NamedTuple):
    """AWS's record of a denied request: its context, evaluations and policies."""

    context: Mapping[str, object]
    evaluations: tuple[Evaluation, ...]
    policies: tuple[ListedPolicy, ...]


async def get_request_authorization_details(api: IamToolbox, authorization_id: str) -> AuthorizationDetails:
    """Return the record of a denied request.

    Raises AccessDenied or EntityNotFound. EntityNotFound can also mean that AWS has not written the record yet.
    """
    action, doing = "GetRequestAuthorizationDetails", f"look up the refusal {authorization_id}"
    evaluations: list[Evaluation] = []
    content: Mapping[str, object] = {}
    token = ""
    for _ in range(_MOST_PAGES):
        more = f"?nextToken={quote(token)}" if token else ""
        page = await _ask(api, action, f"/authorization-details/{quote(authorization_id)}{more}", doing)
        content = content or page
        evaluations += map(_evaluation, objects_in(page, "evaluations"))
        token = text_in(page, "nextToken")
        if not token:
            break
    policies = tuple(
        ListedPolicy(
            text_in(each, "type"),
            each.get("inline") is True,
            text_in(each, "uri"),
            tuple(text_in(target, "arn") for target in objects_in(each, "attachedTo")),
        )
        for each in objects_in(content, "policies")
    )
    return AuthorizationDetails(object_in(content, "requestContext"), tuple(evaluations), policies)


async def get_request_authorization_policy(api: IamToolbox, authorization_id: str, uri: str) -> str:
    """Return a policy as it was when the request was denied, as JSON. Raises EntityNotFound and AccessDenied."""
    action, doing = "GetRequestAuthorizationPolicy", f"read {uri} as the refusal {authorization_id} has it"
    path = f"/authorization-details/{quote(authorization_id)}/policy?policyUri={quote(uri)}"
    content = await _ask(api, action, path, doing)
    document = content.get("policyDocument")
    if not isinstance(document, dict):
        raise lacks(api.endpoint, action, "policyDocument")
    return json.dumps(document)


async def _ask(api: IamToolbox, action: str, path: str, doing: str) -> dict[str, object]:
    call = Call(api.endpoint, api.credentials, action, doing, _refused, method="GET", path=path)
    return await call_rest(api.client, call)


def _refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    if answer.code != "ResourceNotFoundException":
        return None
    hint = "records are kept for 24 hours, in the region of the refusal and for the account or organization refused"
    message = f"could not {doing}: AWS has no record of the refusal"
    return EntityNotFound(message, why=answer.message, hint=hint, aws=answer)


def _evaluation(content: Mapping[str, object]) -> Evaluation:
    checks = content.get("checks")
    return Evaluation(
        text_in(content, "action"),
        text_in(content, "resource"),
        object_in(content, "context"),
        text_in(content, "evaluatedEffect"),
        tuple(map(_check, objects_in(content, "checks"))) if isinstance(checks, list) else None,
        _matched(content),
    )


def _check(content: Mapping[str, object]) -> ToolboxCheck:
    kinds = content.get("relevantPolicyTypes")
    return ToolboxCheck(
        text_in(content, "checkType"),
        text_in(content, "evaluatedEffect"),
        text_in(content, "targetArn"),
        tuple(str(kind) for kind in kinds) if isinstance(kinds, list) else (),
        _matched(content),
    )


def _matched(content: Mapping[str, object]) -> tuple[MatchedPolicy, ...]:
    return tuple(
        MatchedPolicy(
            text_in(matched_policy, "uri"),
            tuple(
                MatchedStatement(text_in(statement, "sid"), text_in(statement, "evaluatedEffect") == "DENY")
                for statement in objects_in(matched_policy, "matchedStatements")
            ),
        )
        for matched_policy in objects_in(content, "matchedPolicies")
    )
