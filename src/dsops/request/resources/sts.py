"""Determine the authorization checks of STS, for a caller whose requests are not performed here.

The sandbox has its own checks, which also depend on trust policies.
"""

from __future__ import annotations

from collections.abc import Iterator

from dsops.arn import is_account_id, parse_arn
from dsops.policy import ANY_TEXT
from dsops.request.context import request_tags
from dsops.request.parameter_values import Parameters, key_if_given, listed_tags, many, text, texts
from dsops.request.question import AuthorizationQuestion, CallerView, Context

_FURTHER = (
    ("Tags", "sts:TagSession"),
    ("SourceIdentity", "sts:SetSourceIdentity"),
    ("ProvidedContexts", "sts:SetContext"),
)
"""Parameter of AssumeRole -> the further action that it needs."""


class StsResources:
    """Yields the authorization checks of STS."""

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an STS operation."""
        context = _context(parameters)
        arn = _resource(operation, parameters, caller)
        parts = parse_arn(arn)
        account = caller.account if parts is None else parts.account
        yield AuthorizationQuestion(f"sts:{operation}", arn, account, context)
        if operation in {"AssumeRole", "GetFederationToken"}:
            for name, action in _FURTHER:
                if parameters.get(name):
                    yield AuthorizationQuestion(action, arn, account, context)


def _resource(operation: str, parameters: Parameters, caller: CallerView) -> str:
    if operation == "AssumeRole":
        role = text(parameters, "RoleArn")
        parts = parse_arn(role)
        return role if parts is not None and parts.service == "iam" else ANY_TEXT
    if operation == "AssumeRoot":
        target = text(parameters, "TargetPrincipal")
        return f"arn:{caller.partition}:iam::{target}:root" if is_account_id(target) else target or ANY_TEXT
    if operation == "GetFederationToken":
        name = text(parameters, "Name")
        return f"arn:{caller.partition}:sts::{caller.account}:federated-user/{name}"
    return "*"


def _context(parameters: Parameters) -> Context:
    context: Context = request_tags(listed_tags(parameters.get("Tags")))
    for name, key in (
        ("ExternalId", "sts:ExternalId"),
        ("RoleSessionName", "sts:RoleSessionName"),
        ("SourceIdentity", "sts:SourceIdentity"),
    ):
        context |= key_if_given(key, parameters, name)
    if "TransitiveTagKeys" in parameters:
        context["sts:TransitiveTagKeys"] = texts(parameters, "TransitiveTagKeys")
    providers = tuple(text(entry, "ProviderArn") for entry in many(parameters, "ProvidedContexts"))
    if providers:
        context["sts:RequestContextProviders"] = providers
    task = parameters.get("TaskPolicyArn")
    if isinstance(task, dict):
        context["sts:TaskPolicyArn"] = (text(task, "arn"),)
    return context
