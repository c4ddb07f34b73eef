"""Names of principals and resources as people read them, and the search for a resource by its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.caller import ANY_OUTSIDE, AccessCaller
from dsops.arn import is_account_id, parse_arn
from dsops.errors import UsageError, nearest

_KINDS: Final = {"oidc-provider": "tokens of", "saml-provider": "SAML assertions of"}
_WORDS: Final = {
    ("secretsmanager", "secret"): "secret",
    ("ssm", "parameter"): "parameter",
    ("kms", "key"): "key",
    ("s3", ""): "bucket",
    ("sqs", ""): "queue",
    ("sns", ""): "topic",
    ("lambda", "function"): "function",
    ("dynamodb", "table"): "table",
}
"""Service and type of a resource (any type if "") -> the word for it."""
_MOST_LISTED: Final = 5


def caller_text(world: OrganizationFacts, caller: AccessCaller) -> str:
    """Return a caller in words: `role Deploy of 111122223333 (production)`."""
    if caller.group:
        return caller.group
    if caller.outside == ANY_OUTSIDE:
        return "any AWS account"
    if is_account_id(caller.outside):
        return f"account {caller.outside}, which is not among the facts"
    kind = caller.principal.kind
    if kind == "service":
        return f"service {caller.principal.federated}"
    if kind == "anonymous":
        return "anyone, without credentials"
    text = arn_text(world, caller.name)
    return f"{text}, which is not among the facts" if caller.outside else text


def arn_text(world: OrganizationFacts, arn: str) -> str:
    """Return an ARN in words: `secret prod/db of 111122223333`; the ARN itself for other types of resources."""
    parsed = parse_arn(arn)
    if parsed is None:
        return arn if arn == "*" else f"tokens of {arn}"
    if parsed.service != "iam":
        word = _WORDS.get((parsed.service, parsed.resource_type)) or _WORDS.get((parsed.service, ""))
        known = world.resources.get(arn)
        account = parsed.account or (known.account if known is not None else "")
        name = _names(arn)[2] if ":secret:" in arn else _names(arn)[1]
        return f"{word} {name}{f' of {account_text(world, account)}' if account else ''}" if word else arn
    kind, _, name = parsed.resource.partition("/")
    if kind == "oidc-provider":
        return f"{_KINDS[kind]} {name} in {account_text(world, parsed.account)}"
    return f"{_KINDS.get(kind, kind)} {name.rpartition('/')[2]} of {account_text(world, parsed.account)}"


def account_text(world: OrganizationFacts, identifier: str) -> str:
    """Return an account's id, with its name if the name is known."""
    account = world.accounts.get(identifier)
    return f"{identifier} ({account.name})" if account is not None and account.name else identifier


def find_resource(world: OrganizationFacts, text: str) -> str:
    """Return the ARN of the resource that the text names: an ARN, `*`, or the name of a known resource or role.

    Raises UsageError if no resource has the name, or if several have it.
    """
    if text == "*" or parse_arn(text) is not None:
        return text
    hint = "write the resource's ARN, or `*` for an action without resources"
    return _only((*world.resources, *world.identities), text, "resource", hint)


def find_principal(world: OrganizationFacts, text: str) -> str:
    """Return the ARN of the user or role that the text names: an ARN, a name, or `role/Name`.

    Raises UsageError if no user or role has the name, or if several have it.
    """
    hint = "write the ARN of a user or role of the facts"
    if text in world.identities:
        return text
    return _only(tuple(world.identities), text, "user or role", hint)


def _only(arns: Iterable[str], text: str, kind: str, hint: str) -> str:
    """Return the only ARN with that name."""
    known = [*arns]
    found = sorted(arn for arn in known if text in _names(arn))
    if len(found) == 1:
        return found[0]
    if found:
        more = f" and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
        raise UsageError(
            f"`{text}` is the name of {len(found)} {kind.replace(' or ', 's and ')}s",
            why=f"{', '.join(found[:_MOST_LISTED])}{more}",
            hint="write the ARN of one of them",
        )
    near = nearest(text, [name for arn in known for name in _names(arn)])
    raise UsageError(f"no {kind} `{text}` was found", hint=f"did you mean `{near}`?" if near else hint)


def _names(arn: str) -> tuple[str, ...]:
    """Return the names of a resource: the last part of its ARN, without the type and a secret's random suffix."""
    resource = arn.split(":", 5)[5]
    last = resource.rpartition(":")[2]
    without_type = resource.partition("/")[2] if "/" in resource and ":secret:" not in arn else last
    is_secret = ":secret:" in arn and last[-7:-6] == "-"
    return resource, without_type, last[:-7] if is_secret else last, without_type.rpartition("/")[2]
