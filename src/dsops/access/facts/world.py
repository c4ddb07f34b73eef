"""The accounts of an organization with their users, roles, resources and policies.

A reader of `facts` makes these values, and nothing changes them later. A fact that could not be read is a `Gap`, and is
never treated as absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeVar

from dsops.access.facts.encryption_keys import KeyGrant
from dsops.access.facts.mentions import Mentions, mentions_in, mentions_of
from dsops.document import parse_json
from dsops.errors import PolicyInvalid
from dsops.policy import ParsedPolicy, Place, Policy, PolicyKind, check_policy

IdentityKind = Literal["user", "role"]
_ANY_RESOURCE: Final = (("*",), False)
"""The texts of a Resource element for all resources, and that it is not negated."""


class AboutAction(NamedTuple):
    """What a policy says about one action."""

    policy: Policy
    """The policy with only its statements about the action; without any if the document has a problem."""
    problem: str
    is_of_any_resource: bool
    """Whether none of these statements is limited to some resources."""


class PolicyDocument:
    """A policy as a file contains it. It is parsed at its first use, because most questions need few policies."""

    __slots__ = ("_about", "_content", "_mentions", "_parsed", "kind", "name")

    def __init__(self, name: str, kind: PolicyKind, content: object) -> None:
        """`content` is a JSON text, or the value of one, which no code may change."""
        self.name = name
        """A managed policy's ARN, or an inline policy's name with its owner's ARN."""
        self.kind = kind
        self._content = content
        self._parsed: ParsedPolicy | None = None
        self._mentions: Mentions | None = None
        self._about: tuple[str, AboutAction] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PolicyDocument):
            return NotImplemented
        if self is other:
            return True
        if self.text and other.text:
            return (self.kind, self.name, self.text) == (other.kind, other.name, other.text)
        return self.policy is not None and other.policy is not None and _words(self.policy) == _words(other.policy)

    def __hash__(self) -> int:
        return hash((self.kind, self.name))

    def __repr__(self) -> str:
        return f"PolicyDocument({self.name!r}, {self.kind!r})"

    @classmethod
    def of(cls, policy: Policy) -> PolicyDocument:
        """Return the document of a policy that is parsed already."""
        document = cls(policy.name, policy.kind, "")
        document._parsed = ParsedPolicy(policy, (), "")
        return document

    @property
    def text(self) -> str:
        """The policy in JSON."""
        if not isinstance(self._content, str):
            try:
                self._content = json.dumps(self._content, separators=(",", ":"), ensure_ascii=False)
            except RecursionError:
                self._content = '"nested too deeply"'
        return self._content

    @property
    def policy(self) -> Policy | None:
        """The parsed policy; None for a document that AWS would refuse."""
        return self._checked().policy

    @property
    def problem(self) -> str:
        """Why the document can't be used; "" if it can."""
        checked = self._checked()
        return f"{self.name} can't be used: {checked.problems[0].message}" if checked.policy is None else ""

    def mentions(self, action: str) -> bool:
        """Whether a statement of the policy can be about the action, which is passed in lower case."""
        return self.actions.has(action)

    @property
    def actions(self) -> Mentions:
        """The actions in the statements of the policy."""
        if self._mentions is None:
            parsed = self._parsed.policy if self._parsed is not None else None
            self._mentions = mentions_in(parsed) if parsed is not None else mentions_of(self._content)
        return self._mentions

    def about(self, action: str) -> AboutAction:
        """Return what the policy says about an action, which is passed in lower case. The last answer is kept."""
        if self._about is None or self._about[0] != action:
            self._about = action, self._of_action(action)
        return self._about[1]

    def _of_action(self, action: str) -> AboutAction:
        policy = self.policy if self.mentions(action) else Policy(self.name, self.kind, "2012-10-17", ())
        if policy is None:
            return AboutAction(Policy(self.name, self.kind, "2012-10-17", ()), self.problem, is_of_any_resource=True)
        statements = tuple(each for each in policy.statements if each.actions.matches(action))
        is_of_any = all(each.resources is None or each.resources[:2] == _ANY_RESOURCE for each in statements)
        return AboutAction(policy._replace(statements=statements), "", is_of_any_resource=is_of_any)

    def _checked(self) -> ParsedPolicy:
        if self._parsed is None:
            policy = _policy_of(self.text, self.kind)
            self._parsed = (
                ParsedPolicy(policy._replace(name=self.name), (), "")
                if policy is not None
                else check_policy(parse_json(self.text, self.name), self.kind, name=self.name)
            )
        return self._parsed


@lru_cache(maxsize=4096)
def _policy_of(text: str, kind: PolicyKind) -> Policy | None:
    """Return a policy without its name; None if it has problems. Many policies have the same text, and share it."""
    try:
        return check_policy(parse_json(text, ""), kind).policy
    except PolicyInvalid:
        return None


def _words(policy: Policy) -> tuple[object, ...]:
    """Return what a policy says, without the compiled tests, which are never equal.

    A source can read a boundary as an identity policy, so the kind does not count.
    """
    return (
        policy.version,
        *(
            (
                statement.sid,
                statement.effect,
                statement.principals,
                statement.actions[:2],
                statement.resources[:2] if statement.resources is not None else None,
                tuple((condition.operator, condition.key, condition.values) for condition in statement.conditions),
            )
            for statement in policy.statements
        ),
    )


Levels = tuple[tuple[PolicyDocument, ...], ...]
"""The control policies of an account, from the root of its organization down to the account."""


class Gap(NamedTuple):
    """A fact that could not be read, and the answers that it can change."""

    account: str
    """The account to which the fact belongs; "" for the organization."""
    place: Place | Literal["context", "identities", "resources"]
    """The policies that are missing; `context` for condition keys, `identities` and `resources` for whole lists."""
    why: str
    arn: str = ""
    """The user, role or resource whose fact is missing; "" for all of the account."""
    keys: tuple[str, ...] = ()
    """For `context`: the condition keys in lower case. A key that ends in `/` stands for all keys with that prefix."""
    service: str = ""
    """For `resources`: the service whose resources are missing, such as `s3`; "" for all services."""
    known_services: tuple[str, ...] = ()
    """For `resources` of all services: the services of which no resource is missing."""


class IamIdentity(NamedTuple):
    """A user or a role with its policies."""

    arn: str
    kind: IdentityKind
    account: str
    unique_id: str = ""
    tags: Mapping[str, str] = {}
    policies: tuple[PolicyDocument, ...] = ()
    """Its inline and managed policies, including those of a user's groups."""
    boundary: PolicyDocument | None = None
    trust: PolicyDocument | None = None
    """A role's trust policy; None for a user."""
    instance_profiles: tuple[str, ...] = ()
    """The ARNs of the instance profiles that contain the role."""
    groups: tuple[str, ...] = ()
    """The names of a user's groups."""

    @property
    def name(self) -> str:
        """The name without the path."""
        return self.arn.rpartition("/")[2]


class Resource(NamedTuple):
    """A resource with a policy of its own, such as a secret, a key or a bucket. Its content is never collected."""

    arn: str
    account: str
    policy: PolicyDocument | None = None
    tags: Mapping[str, str] = {}
    role: str = ""
    """The ARN of the role with which the resource runs code, such as a function's; "" if there is none."""
    kms_key: str | None = None
    """The ARN of the KMS key that encrypts the content, or of the key's alias. For a bucket, it is the default key.

    "" if no key of KMS encrypts it, None if that is unknown.
    """
    aliases: tuple[str, ...] = ()
    """The ARNs of the aliases of a KMS key."""
    restricts_public: bool | None = None
    """For a bucket: whether S3 Block Public Access limits a public policy to its account; None if unknown."""
    grants: tuple[KeyGrant, ...] = ()
    """For a KMS key: its grants, which no answer considers; the answers that they can change name them."""
    has_tag_control: bool | None = None
    """For a bucket: whether S3 compares its tags with conditions (attribute-based access control); None if unknown."""
    may_have_acls: bool = False
    """For a bucket: whether access control lists of the bucket or of its objects may allow something."""


class UserGroup(NamedTuple):
    """A group of users with its own policies."""

    arn: str
    account: str
    policies: tuple[PolicyDocument, ...] = ()


class MemberAccount(NamedTuple):
    """An account and its position in the organization."""

    identifier: str
    name: str = ""
    partition: str = "aws"
    organization_id: str | None = ""
    """The id of its organization; "" for an account in none, None if it is unknown."""
    path: str = ""
    """The path as in `aws:PrincipalOrgPaths`, `o-.../r-.../ou-.../`; "" if there is none or it is unknown."""
    is_management: bool = False
    service_control: Levels = ()
    resource_control: Levels = ()


class Assignment(NamedTuple):
    """A user or group of Identity Center who may use a permission set in an account."""

    kind: Literal["USER", "GROUP"]
    name: str
    """The display name of the group, or the name of the user."""
    permission_set: str
    account: str


class OrganizationFacts(NamedTuple):
    """All facts from one or several sources."""

    accounts: Mapping[str, MemberAccount]
    """Maps account ids to accounts."""
    identities: Mapping[str, IamIdentity]
    """Maps ARNs to users and roles."""
    resources: Mapping[str, Resource]
    """Maps ARNs to resources."""
    groups: Mapping[str, UserGroup] = {}
    """Maps ARNs to groups of users. The policies of a group are also in `Identity.policies` of its users."""
    providers: frozenset[str] = frozenset()
    """The ARNs of the identity providers (OIDC and SAML)."""
    assignments: tuple[Assignment, ...] = ()
    gaps: tuple[Gap, ...] = ()
    sources: tuple[str, ...] = ()
    """The names of the files and folders from which the facts come."""

    def resource(self, arn: str) -> Resource | None:
        """Return the facts about a resource; for an object of S3, those about its bucket. None if there are none."""
        bucket = arn.partition("/")[0] if ":s3:::" in arn else arn
        return self.resources.get(arn) or self.resources.get(bucket)


def merge_worlds(worlds: Iterable[OrganizationFacts]) -> OrganizationFacts:
    """Return the facts of several sources as one world. What one source lacks of a fact comes from another.

    Raises PolicyInvalid if two sources describe the same account, user, role or resource differently.
    """
    accounts: dict[str, MemberAccount] = {}
    identities: dict[str, IamIdentity] = {}
    resources: dict[str, Resource] = {}
    groups: dict[str, UserGroup] = {}
    providers: set[str] = set()
    assignments: list[Assignment] = []
    sources: list[str] = []
    read = [*worlds]
    for world in read:
        source = ", ".join(world.sources)
        add_facts(accounts, world.accounts, source)
        add_facts(identities, world.identities, source)
        add_facts(resources, world.resources, source)
        add_facts(groups, world.groups, source)
        providers |= world.providers
        assignments += world.assignments
        sources += world.sources
    gaps = [gap for world in read for gap in world.gaps if not _is_filled(gap, world, accounts)]
    return OrganizationFacts(
        accounts, identities, resources, groups, frozenset(providers), tuple(assignments), tuple(gaps), tuple(sources)
    )


def _is_filled(gap: Gap, world: OrganizationFacts, accounts: Mapping[str, MemberAccount]) -> bool:
    """Whether another source has the control policies that all accounts of a source, such as a dump, lack."""
    own = world.accounts
    lacks_all = bool(own) and all(account.organization_id is None for account in own.values())
    is_known = all(accounts[identifier].organization_id is not None for identifier in own)
    return gap.place in ("scp", "rcp") and not gap.account and lacks_all and is_known


def overlaid(base: OrganizationFacts, top: OrganizationFacts) -> OrganizationFacts:
    """Return the facts of `base`, with those of `top` in the place of older ones about the same principal or resource.

    An account of `base` keeps its control policies, because a template does not contain them.
    """
    return OrganizationFacts(
        {**top.accounts, **base.accounts},
        {**base.identities, **top.identities},
        {**base.resources, **top.resources},
        {**base.groups, **top.groups},
        base.providers | top.providers,
        (*base.assignments, *top.assignments),
        (*base.gaps, *(gap for gap in top.gaps if gap.arn or not base.accounts)),
        (*base.sources, *top.sources),
    )


_Fact = TypeVar("_Fact", MemberAccount, IamIdentity, Resource, UserGroup)
_UNKNOWN: Final[Mapping[str, object]] = {
    "aliases": (),
    "grants": (),
    "groups": (),
    "has_tag_control": None,
    "instance_profiles": (),
    "kms_key": None,
    "may_have_acls": False,
    "name": "",
    "organization_id": None,
    "path": "",
    "resource_control": (),
    "restricts_public": None,
    "role": "",
    "service_control": (),
    "unique_id": "",
}
"""The values with which a source says that it does not contain a fact."""

_OF_POSITION: Final = ("is_management", "organization_id", "path", "resource_control", "service_control")
"""What a source knows of an account only if it knows the account's organization."""


def add_facts(known: dict[str, _Fact], new: Mapping[str, _Fact], source: str) -> None:
    """Add facts. A fact that one source lacks comes from the other.

    Raises PolicyInvalid if both sources have it, and disagree.
    """
    for key, fact in new.items():
        known[key] = _completed(known[key], fact, source, key) if key in known else fact


def _completed(known: _Fact, new: _Fact, source: str, key: str) -> _Fact:
    """Return a fact with what either of two sources knows."""
    if known == new:
        return known
    if getattr(known, "organization_id", "") is None:
        # The source that knows the account's position in the organization must also provide the account's control
        # policies.
        known, new = new, known
    is_position_known = getattr(new, "organization_id", "") is not None
    values: dict[str, Any] = {}  # the values of a fact have various types
    differing: list[str] = []
    for field in known._fields:
        one, other = getattr(known, field), getattr(new, field)
        is_missing = field in _UNKNOWN and one == _UNKNOWN[field] and is_position_known
        values[field] = other if is_missing else one
        is_given = field not in _UNKNOWN or (other != _UNKNOWN[field] and is_position_known)
        if one != other and is_given and not is_missing and not (field in _OF_POSITION and not is_position_known):
            differing.append(field.replace("_", " "))
    if differing:
        raise PolicyInvalid(
            f"{key} is described twice, with differences",
            why=f"{source} and an earlier description differ in: {', '.join(differing)}",
            hint="remove one of the two descriptions, or compare two files with `dsops access diff`",
        )
    return known._replace(**values)
