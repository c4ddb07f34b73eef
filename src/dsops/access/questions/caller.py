"""Callers of requests, and what is known of their condition keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from dsops.access.facts.world import IamIdentity, OrganizationFacts, PolicyDocument
from dsops.arn import is_account_id, parse_arn
from dsops.policy import Principal, Statement, lower_case, read_caller

Context = dict[str, tuple[str, ...]]

_FOR_SERVICES: Final = frozenset(
    {"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths", "aws:principalservicename"}
)
"""Keys that only requests of AWS services contain (AWS IAM User Guide, global condition keys)."""

ANY_OUTSIDE: Final = "*"
_NO_ACCOUNT: Final = "000000000000"
_EVERYTHING: Final = PolicyDocument(
    "all permissions of its own account",
    "identity",
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
)
_OF_CALLER: Final = ("aws:PrincipalArn", "aws:userid", "aws:username", "aws:PrincipalType")
_OF_SESSIONS: Final = frozenset(
    """
    codebuild:buildarn codebuild:projectarn ec2:instancesourceprivateipv4 ec2:instancesourcevpc ec2:roledelivery
    ec2:sourceinstancearn glue:credentialissuingservice glue:roleassumedby identitystore:userid
    lambda:sourcefunctionarn ssm:sourceinstancearn
    """.split()
)
"""Keys of a service that the sessions of its roles have in requests to other services, too.

Source: AWS IAM User Guide, global condition keys, properties of the role session.
"""
_MFA: Final = "aws:MultiFactorAuthPresent"


class AccessCaller(NamedTuple):
    """A principal that makes requests, and the user or role behind it."""

    principal: Principal
    identity: IamIdentity | None = None
    """The user or role; None for a provider, a service and an anonymous caller."""
    outside: str = ""
    """For a caller of an account that is not among the facts: the account's id, or `*` for any account.

    Such a caller is assumed to have all permissions in its own account.
    """
    group: str = ""
    """For a caller who signs in with Identity Center: the name of the user or group."""

    @property
    def name(self) -> str:
        """The ARN of the user or role, the provider's ARN, or the name of the service."""
        if self.group:
            return self.group
        if self.outside:
            return "any account of AWS" if self.outside == ANY_OUTSIDE else self.outside
        if self.identity is not None:
            return self.identity.arn
        return self.principal.federated or self.principal.issuer_arn or self.principal.arn or self.principal.kind


def caller_of(identity: IamIdentity) -> AccessCaller:
    """Return a user as a caller, or a session of a role."""
    return AccessCaller(read_caller(identity.arn, unique_id=identity.unique_id), identity)


def provider_caller(provider: str) -> AccessCaller:
    """Return someone with a token or assertion of an identity provider, given by its ARN or name."""
    return AccessCaller(read_caller(provider))


def outside_caller(account: str, arn: str = "") -> AccessCaller:
    """Return a caller of an account that is not among the facts: the given user or role, or any of them."""
    identifier = _NO_ACCOUNT if account == ANY_OUTSIDE else account
    identity = IamIdentity(arn or f"arn:aws:iam::{identifier}:user/anyone", "user", identifier, policies=(_EVERYTHING,))
    if ":role/" in identity.arn:
        identity = identity._replace(kind="role")
    return AccessCaller(read_caller(identity.arn), identity, outside=arn or account)


def callers_beyond(world: OrganizationFacts, statement: Statement) -> Iterator[AccessCaller]:
    """Yield the callers without an account of this world that a statement names.

    These are other accounts, providers, services and, for `*`, anyone.
    """
    if statement.principals is None:
        return
    for kind, text in statement.principals.written:
        if kind in ("Federated", "Service"):
            yield provider_caller(text)
        elif text == "*":
            yield outside_caller(ANY_OUTSIDE)
        elif kind == "AWS":
            arn = parse_arn(text)
            account = text if is_account_id(text) else arn.account if arn is not None else ""
            if account and account not in world.accounts:
                yield outside_caller(account, text if arn is not None and arn.resource != "root" else "")


class KnownKeys(NamedTuple):
    """What is known of the condition keys in the requests of one caller on one resource."""

    context: Context
    """The keys with known values. A key with () is known to be absent, or is left open."""
    absent: tuple[str, ...]
    """Keys that are known to be absent, in lower case. A key that ends in `/` stands for all keys with that prefix."""

    service: str = ""
    """The service of the action, in lower case. A request has no condition keys of other services."""

    def extended(self, context: Mapping[str, tuple[str, ...]]) -> KnownKeys:
        """Return these keys with more known values. A key with () is absent."""
        absent = tuple(lower_case(key) for key, values in context.items() if not values)
        return self._replace(context={**self.context, **context}, absent=(*self.absent, *absent)) if context else self

    def is_open(self, key: str) -> bool:
        """Whether the value of a key, in lower case, is up to the request."""
        return self.are_open((key,))[0]

    def are_open(self, keys: Iterable[str]) -> tuple[bool, ...]:
        """Whether the value of each key, in lower case, is up to the request."""
        known = {lower_case(key) for key, values in self.context.items() if values}.union(self.absent)
        prefixes = tuple(prefix for prefix in self.absent if prefix.endswith("/"))
        return tuple(self._can_have(key) and key not in known and not key.startswith(prefixes) for key in keys)

    def _can_have(self, key: str) -> bool:
        prefix = key.partition(":")[0]
        is_of_service = prefix in ("aws", "saml", self.service) or self.service.startswith(f"{prefix}-")
        # The keys of an OIDC provider begin with its host.
        return is_of_service or "." in prefix or key in _OF_SESSIONS


def known_keys(world: OrganizationFacts, caller: AccessCaller, action: str, resource: str, account: str) -> KnownKeys:
    """Return the condition keys that are known before a request is made.

    The policy engine adds the keys that follow from the caller's ARN and from the time.
    """
    # A user and a role may call with or without MFA, and any caller may call through a service.
    context: Context = {_MFA: (), "aws:ViaAWSService": ()}
    absent: list[str] = [] if caller.principal.kind == "service" else [*_FOR_SERVICES]
    _learn_organization(context, absent, world, caller.principal.account, "aws:PrincipalOrg")
    _learn_organization(context, absent, world, account, "aws:ResourceOrg")
    identity = caller.identity
    if caller.outside:
        is_named = caller.outside not in (ANY_OUTSIDE, caller.principal.account)
        context |= {} if is_named else dict.fromkeys(_OF_CALLER, ())
        context |= {"aws:PrincipalAccount": ()} if caller.outside == ANY_OUTSIDE else {}
    elif identity is not None:
        context |= {f"aws:PrincipalTag/{key}": (value,) for key, value in identity.tags.items()}
        if not _takes_session_tags(identity):
            absent.append("aws:principaltag/")
        else:
            context |= {f"aws:PrincipalTag/{key}": () for key in identity.tags}
    tags = _tags_of(world, resource)
    if tags is not None:
        prefixes = {"aws", lower_case(action.partition(":")[0])}
        context |= {f"{prefix}:ResourceTag/{key}": (value,) for prefix in prefixes for key, value in tags.items()}
        absent += [f"{prefix}:resourcetag/" for prefix in prefixes]
    if lower_case(action).startswith("secretsmanager:") and ":secret:" in resource:
        context["secretsmanager:SecretId"] = (resource,)
    return KnownKeys(context, tuple(absent), lower_case(action.partition(":")[0]))


def _learn_organization(
    context: Context, absent: list[str], world: OrganizationFacts, account: str, prefix: str
) -> None:
    known = world.accounts.get(account)
    if known is None:
        return
    if known.organization_id == "":
        absent += [lower_case(f"{prefix}ID"), lower_case(f"{prefix}Paths")]
    elif known.organization_id is not None:
        context[f"{prefix}ID"] = (known.organization_id,)
    if known.path:
        context[f"{prefix}Paths"] = (known.path,)


def _takes_session_tags(identity: IamIdentity) -> bool:
    """Whether a session of the role may have tags that replace the role's own (IAM User Guide, session tags)."""
    return identity.trust is not None and identity.trust.mentions("sts:tagsession")


def _tags_of(world: OrganizationFacts, resource: str) -> Mapping[str, str] | None:
    """Return the tags of a resource or role; None if they are unknown."""
    known = world.resources.get(resource) or world.identities.get(resource)
    return known.tags if known is not None else None
