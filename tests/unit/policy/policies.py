"""Helpers that write policies, callers and requests briefly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dsops.policy import Decision, Policies, Policy, Principal, Request, evaluate, parse_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsops.policy import PolicyKind

ACCOUNT = "111122223333"
OTHER = "444455556666"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:prod/db-AbCdEf"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Target"
OTHER_ROLE = f"arn:aws:iam::{OTHER}:role/Target"

ALICE = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/team/alice", unique_id="AIDAEXAMPLEALICE00001")
APP = Principal(
    "role-session",
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/App/run-1",
    issuer_arn=f"arn:aws:iam::{ACCOUNT}:role/service/App",
    unique_id="AROAEXAMPLEAPP0000001",
)
BOB = Principal(
    "federated-session",
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    issuer_arn=ALICE.arn,
    unique_id=ALICE.unique_id,
)
ROOT = Principal("root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
ANYBODY = Principal("anonymous", "", "")
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
WORKFLOW = Principal("web-identity", "", "", federated=GITHUB)
LAMBDA = Principal("service", "", "", federated="lambda.amazonaws.com")

Json = Any  # a JSON document, as accepted by `json.dumps`


def allow(action: Json = "*", resource: Json = "*", **elements: Json) -> dict[str, Json]:
    """Return an Allow statement; with `resource=None` it has no Resource."""
    return _statement("Allow", action, resource, elements)


def deny(action: Json = "*", resource: Json = "*", **elements: Json) -> dict[str, Json]:
    """Return a Deny statement."""
    return _statement("Deny", action, resource, elements)


def _statement(effect: str, action: Json, resource: Json, elements: dict[str, Json]) -> dict[str, Json]:
    statement: dict[str, Json] = {"Effect": effect}
    if action is not None:
        statement["Action"] = action
    if resource is not None:
        statement["Resource"] = resource
    return statement | elements


def text(*statements: Json, version: str = "2012-10-17") -> str:
    """Return a policy document of these statements as JSON text."""
    return json.dumps({"Version": version, "Statement": list(statements)})


def identity(*statements: Json, version: str = "2012-10-17", name: str = "") -> Policy:
    """Return an identity-based policy."""
    return policy("identity", *statements, version=version, name=name)


def policy(kind: PolicyKind, *statements: Json, version: str = "2012-10-17", name: str = "") -> Policy:
    """Return a policy of this kind."""
    return parse_policy(text(*statements, version=version), kind, name=name)


def trust(*statements: Json) -> Policy:
    """Return a role's trust policy; its statements have no Resource."""
    return policy("trust", *statements)


def trusting(principal: Json, **elements: Json) -> Policy:
    """Return a trust policy that lets this principal assume the role."""
    return trust(allow("sts:AssumeRole", None, Principal=principal, **elements))


def ask(
    policies: Policies,
    principal: Principal = ALICE,
    /,
    action: str = "secretsmanager:GetSecretValue",
    resource: str = SECRET,
    account: str = ACCOUNT,
    **context: str | tuple[str, ...],
) -> Decision:
    """Return the decision on a request; context keys are written with `__` in place of the colon."""
    values = {key.replace("__", ":"): value if isinstance(value, tuple) else (value,) for key, value in context.items()}
    return evaluate(Request(principal, action, resource, account, values), policies)


def assume(policies: Policies, principal: Principal = ALICE, /, role: str = ROLE, **context: str) -> Decision:
    """Return the decision on sts:AssumeRole."""
    return ask(policies, principal, "sts:AssumeRole", role, role.split(":")[4], **context)


def condition_holds(
    operator: str,
    key: str,
    values: Json,
    context: Mapping[str, str | tuple[str, ...]],
    *,
    version: str = "2012-10-17",
    effect: str = "Allow",
) -> bool:
    """Whether a statement with only this condition applies to a request with this context."""
    condition = {operator: {key: values}}
    statement = allow(Condition=condition) if effect == "Allow" else deny(Condition=condition)
    document = (
        identity(allow(), statement, version=version) if effect == "Deny" else identity(statement, version=version)
    )
    folded = {name: value if isinstance(value, tuple) else (value,) for name, value in context.items()}
    request = Request(ALICE, "s3:GetObject", "arn:aws:s3:::bucket/key", ACCOUNT, folded)
    decision = evaluate(request, Policies(identity=(document,)))
    return decision.is_allowed if effect == "Allow" else decision.effect == "ExplicitDeny"
