"""Determine the authorization checks of Parameter Store.

A request can refer to parameters, to a path of parameters, or to secrets in Secrets Manager.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from dsops.arn import parse_arn
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import SecretLocation, SecretLookup
from dsops.request.parameter_values import Parameters, listed_tags, texts
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.resources.secretsmanager import SecretResources


class ParameterResources:
    """Yields the authorization checks of Parameter Store in one sandbox."""

    def __init__(self, secret_lookup: SecretLookup, secrets: SecretResources) -> None:
        self._secret_lookup = secret_lookup
        self._secrets = secrets

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of a Parameter Store operation."""
        action = f"ssm:{operation}"
        names = _parameter_names(operation, with_plain_names(parameters, caller))
        context: Context = dict(request_tags(listed_tags(parameters.get("Tags"))))
        for flag in ("Overwrite", "Recursive"):
            if flag in parameters:
                context[f"ssm:{flag}"] = (str(parameters[flag]).lower(),)
        if operation == "DescribeParameters":
            yield AuthorizationQuestion(action, self._parameter_arn("*", caller, kind=""), caller.account, context)
        elif not names:
            yield AuthorizationQuestion(action, "*", caller.account, context)
        for name in names:
            yield self._of_parameter(action, name, caller, context)
            if operation == "PutParameter" and parameters.get("Tags"):
                yield self._of_parameter("ssm:AddTagsToResource", name, caller, context)
            if name.startswith(SECRETS_BEHIND_SSM):
                yield self._secrets.of_secret("secretsmanager:GetSecretValue", secret_behind(name), caller, {})

    def _of_parameter(self, action: str, name: str, caller: CallerView, context: Context) -> AuthorizationQuestion:
        arn = parse_arn(name)
        if arn is not None and arn.service == "ssm":
            # Parameters have no resource policy in the sandbox, so access to another account's parameter is never
            # allowed.
            return AuthorizationQuestion(action, name, arn.account, context)
        bare = name.partition(":")[0]
        place = SecretLocation(caller.account, caller.region)
        # A reference to a secret is not a parameter and has no tags, but moto would fetch the secret to look for tags.
        tags = () if bare.startswith(SECRETS_BEHIND_SSM) else self._secret_lookup.parameter_tags(place, bare)
        own = tag_keys(("aws:ResourceTag", "ssm:resourceTag"), tags)
        return AuthorizationQuestion(
            action, self._parameter_arn(bare.removeprefix("/"), caller), caller.account, context | own
        )

    def _parameter_arn(self, name: str, caller: CallerView, kind: str = "parameter/") -> str:
        return f"arn:{caller.partition}:ssm:{caller.region}:{caller.account}:{kind}{name}"


def with_plain_names(parameters: Parameters, caller: CallerView) -> dict[str, object]:
    """Replace parameter ARNs with parameter names if they belong to the caller's account and region.

    moto parses ARNs less strictly: it strips any prefix that looks like the prefix of a parameter ARN. The name
    identifies the same parameter tags and the same secret as the ARN.
    """
    plain = dict(parameters)
    for key in {"Name", "ResourceId"} & plain.keys():
        plain[key] = _plain_name(str(plain[key]), caller)
    if "Names" in plain:
        plain["Names"] = [_plain_name(name, caller) for name in texts(plain, "Names")]
    return plain


def _plain_name(name: str, caller: CallerView) -> str:
    """Return the parameter name in an ARN of the caller's account and region; return other text unchanged.

    The name keeps its version or label.
    """
    arn = parse_arn(name)
    own = (caller.partition, "ssm", caller.region, caller.account)
    if arn is None or arn[:4] != own or not arn.resource.startswith("parameter"):
        return name
    return f"/{arn.resource.removeprefix('parameter').removeprefix('/')}"


SECRETS_BEHIND_SSM = "/aws/reference/secretsmanager/"
"""The prefix of parameter names that refer to a secret in Secrets Manager."""


def secret_behind(name: str) -> str:
    """Return the id of the secret that a parameter name refers to, without a version or label."""
    secret_id = name.removeprefix(SECRETS_BEHIND_SSM)
    return secret_id if secret_id.startswith("arn:") else secret_id.partition(":")[0]


_SINGLE_NAMES = frozenset(
    """
    GetParameter GetParameterHistory PutParameter DeleteParameter LabelParameterVersion UnlabelParameterVersion
    """.split()
)
_MANY_NAMES = frozenset({"GetParameters", "DeleteParameters"})
_TAGGING = frozenset({"AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"})


def _parameter_names(operation: str, parameters: Parameters) -> Sequence[str]:
    if operation in _SINGLE_NAMES:
        return (str(parameters["Name"]),)
    if operation in _MANY_NAMES:
        return cast("Sequence[str]", parameters["Names"])
    if operation == "GetParametersByPath":
        return (str(parameters["Path"]),)
    if operation in _TAGGING and parameters.get("ResourceType") == "Parameter":
        return (str(parameters["ResourceId"]),)
    return ()
