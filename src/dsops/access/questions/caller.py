"""Callers of requests, and what is known of their condition keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
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
_NOT_OF_USERS: Final = (
    "aws:assumedroot",
    "aws:chatbotsourcearn",
    "aws:ec2instancesourceprivateipv4",
    "aws:ec2instancesourcevpc",
    "aws:federatedprovider",
    "aws:sourceidentity",
)
"""Global keys that only sessions of roles have (AWS IAM User Guide, global condition keys)."""
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
    session: str = ""
    """The name of a role's session, if a policy names this session; "" for any session."""

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


def caller_of(identity: IamIdentity, session_arn: str = "") -> AccessCaller:
    """Return a user as a caller, or a session of a role: the one with the given ARN, or any session."""
    if not session_arn:
        return AccessCaller(read_caller(identity.arn, unique_id=identity.unique_id), identity)
    principal = read_caller(session_arn, role_arn=identity.arn, unique_id=identity.unique_id)
    return AccessCaller(principal, identity, session=session_arn.rpartition("/")[2])


def provider_caller(provider: str) -> AccessCaller:
    """Return someone with a token or assertion of an identity provider, given by its ARN or name."""
    return AccessCaller(read_caller(provider))


@lru_cache(maxsize=4096)
def outside_caller(account: str, arn: str = "", partition: str = "aws") -> AccessCaller:
    """Return a caller of an account that is not among the facts: the given user or role, or any of them."""
    identifier = _NO_ACCOUNT if account == ANY_OUTSIDE else account
    any_user = f"arn:{partition}:iam::{identifier}:user/anyone"
    identity = IamIdentity(arn or any_user, "user", identifier, policies=(_EVERYTHING,))
    if ":role/" in identity.arn or ":assumed-role/" in identity.arn:
        identity = identity._replace(kind="role")
    return AccessCaller(read_caller(identity.arn), identity, outside=arn or account)


def callers_beyond(world: OrganizationFacts, statement: Statement, resource: str) -> Iterator[AccessCaller]:
    """Yield the callers without an account of this world that a statement in the resource's policy names.

    These are other accounts, providers, services and, for `*` or a NotPrincipal, anyone.
    """
    principals = statement.principals
    if principals is None:
        return
    partition = resource.partition(":")[2].partition(":")[0] or "aws"
    if principals.is_negated:
        yield outside_caller(ANY_OUTSIDE, partition=partition)
        return
    for kind, text in principals.written:
        arn = parse_arn(text)
        if kind in ("Federated", "Service"):
            if arn is None or is_account_id(arn.account):
                yield provider_caller(text)
        elif text == "*":
            yield outside_caller(ANY_OUTSIDE, partition=partition)
            yield from map(provider_caller, _named_services(statement))
        elif kind == "AWS":
            yield from _of_account(world, text, arn.partition if arn is not None else partition)


def _named_services(statement: Statement) -> Iterator[str]:
    """Yield the services that the conditions of a statement for everyone name."""
    for condition in statement.conditions:
        if lower_case(condition.key) == "aws:principalservicename":
            yield from (value for value in condition.values if not any(mark in value for mark in "*?$"))


def _of_account(world: OrganizationFacts, text: str, partition: str) -> Iterator[AccessCaller]:
    """Yield the caller that an entry of type AWS names, unless it is a user or role of this world."""
    arn = parse_arn(text)
    account = arn.account if arn is not None else text
    if not is_account_id(account):
        return
    if account not in world.accounts:
        yield outside_caller(account, text if arn is not None and arn.resource != "root" else "", partition)
    elif arn is not None and arn.resource_type == "federated-user":
        yield AccessCaller(read_caller(text))


RolesByName = Mapping[tuple[str, str], Sequence[IamIdentity]]
"""Maps accounts and names without paths to roles."""


def named_sessions(roles: RolesByName, statement: Statement) -> Iterator[AccessCaller]:
    """Yield the sessions of this world's roles that a statement names by their ARNs, which lack the roles' paths."""
    principals = statement.principals
    for kind, text in principals.written if principals is not None else ():
        arn = parse_arn(text) if kind == "AWS" and ":assumed-role/" in text else None
        for role in roles.get((arn.account, arn.resource.split("/")[1]), ()) if arn is not None else ():
            yield caller_of(role, text)


class KnownKeys(NamedTuple):
    """What is known of the condition keys in the requests of one caller on one resource."""

    context: Context
    """The keys with known values. A key with () is known to be absent, or is left open."""
    absent: tuple[str, ...]
    """Keys that are known to be absent, in lower case. A key that ends in `/` stands for all keys with that prefix."""

    service: str = ""
    """The service of the action, in lower case. A request has no condition keys of other services."""
    is_session: bool = True
    """Whether the caller may be a session, whose requests have the keys of services and of identity providers."""

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
        # The condition keys of an OIDC provider begin with its host name.
        if prefix == "saml" or "." in prefix or key in _OF_SESSIONS:
            return self.is_session or prefix == self.service
        return prefix in ("aws", self.service) or self.service.startswith(f"{prefix}-")


def known_keys(world: OrganizationFacts, caller: AccessCaller, action: str, resource: str, account: str) -> KnownKeys:
    """Return the condition keys that are known before a request is made.

    The policy engine adds the keys that follow from the caller's ARN and from the time.
    """
    # These keys may have any value: users and roles call with or without MFA, and any caller may call through an AWS
    # service.
    context: Context = {_MFA: (), "aws:ViaAWSService": ()}
    absent: list[str] = [] if caller.principal.kind == "service" else [*_FOR_SERVICES]
    _learn_organization(context, absent, world, caller.principal.account, "aws:PrincipalOrg")
    _learn_organization(context, absent, world, account, "aws:ResourceOrg")
    identity = caller.identity
    is_user = caller.principal.kind == "user" and not caller.outside
    absent += _NOT_OF_USERS if is_user else ()
    absent += ["aws:username"] if caller.principal.kind == "role-session" and not caller.outside else []
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
    if lower_case(action).startswith("kms:") and caller.principal.account and caller.outside != ANY_OUTSIDE:
        context["kms:CallerAccount"] = (caller.principal.account,)
    if lower_case(action).startswith("secretsmanager:") and ":secret:" in resource:
        context["secretsmanager:SecretId"] = (resource,)
    return KnownKeys(context, tuple(absent), lower_case(action.partition(":")[0]), is_session=not is_user)


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
    """Return the tags of a resource or role that requests about it contain; None if they are unknown.

    S3 uses the tags of a bucket, also for its objects, only if that is switched on for the bucket (Amazon S3 User
    Guide, "Enabling ABAC in general purpose buckets").
    """
    known = world.resource(resource)
    if known is not None and ":s3:::" in resource:
        return None if known.has_tag_control is None else known.tags if known.has_tag_control else {}
    owner = known or world.identities.get(resource)
    return owner.tags if owner is not None else None
