"""What a principal could become by a rule, before its requests are checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from dsops.access.escalations.gains import EVERYTHING, Gains, is_protected
from dsops.access.escalations.made_up import is_of_type
from dsops.access.escalations.rules import RESOURCE_TYPES, Rule
from dsops.access.facts.world import IamIdentity, Resource, UserGroup
from dsops.access.questions.assuming import ASSUME
from dsops.access.questions.caller import AccessCaller, provider_caller
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic

_NEEDS_PROFILE: Final = "ec2.amazonaws.com"


class Option(NamedTuple):
    """What a principal can become by a rule, and the resources of the requests."""

    target: str
    becomes: IamIdentity
    is_changed: bool
    resources: Mapping[str, Sequence[str]]
    """Maps the kinds of resources of the rule's needs to ARNs, of which one is enough."""
    boundary: str = ""
    """The ARN of the boundary of the identity that the requests are about; "" if it has none."""
    through: str = ""


class Options:
    """The identities, groups and resources of a world, by account."""

    def __init__(self, evaluator: Evaluator, gains: Gains) -> None:
        self._evaluator = evaluator
        self._world = evaluator.world
        self._gains = gains
        self._identities: dict[str, list[IamIdentity]] = {}
        self._groups: dict[str, list[UserGroup]] = {}
        self._resources: dict[tuple[str, str], list[Resource]] = {}
        self._with_policies: set[tuple[str, str]] = set()
        self._trusting: dict[tuple[str, str], list[IamIdentity]] = {}
        for identity in self._world.identities.values():
            self._identities.setdefault(identity.account, []).append(identity)
        for group in self._world.groups.values():
            self._groups.setdefault(group.account, []).append(group)
        for resource in self._world.resources.values():
            for kind in _types_of(resource.arn) if resource.role else ():
                self._resources.setdefault((resource.account, kind), []).append(resource)
                if resource.policy is not None:
                    self._with_policies.add((resource.account, kind))

    def resource_types(self) -> AbstractSet[str]:
        """Return the types of the known resources that have a role."""
        return {kind for _, kind in self._resources}

    def have_policies(self, account: str, rule: Rule) -> bool:
        """Whether a policy of an existing resource can allow what the rule needs."""
        return (account, rule.resource_type) in self._with_policies

    def of(self, identity: IamIdentity, rule: Rule) -> Iterator[Option]:
        """Yield what the identity could become by the rule."""
        if rule.target == "self":
            return self._own(identity, rule)
        if rule.target in {"user", "role"}:
            return self._others(identity, rule)
        if rule.target == "group":
            return self._joined(identity)
        if rule.target == "passed":
            return (_unchanged(role, "role") for role in self._passable(identity.account, rule.service))
        if rule.target == "resource":
            return self._running(identity, rule)
        return (_unchanged(role, "role") for role in self._gains.assumable(identity.arn))

    def _others(self, identity: IamIdentity, rule: Rule) -> Iterator[Option]:
        for other in self._identities[identity.account]:
            if other.kind == rule.target and other.arn != identity.arn and not is_protected(other.arn):
                yield from _about(other, rule)

    def _running(self, identity: IamIdentity, rule: Rule) -> Iterator[Option]:
        for resource in self._resources.get((identity.account, rule.resource_type), ()):
            role = self._world.identities.get(resource.role)
            if role is not None and role.arn != identity.arn:
                yield Option(role.arn, role, False, {"resource": (resource.arn,)}, through=resource.arn)

    def _own(self, identity: IamIdentity, rule: Rule) -> Iterator[Option]:
        need = rule.needs[0]
        if is_protected(identity.arn):
            return
        if need.on == "policy":
            arns = _own_policies(identity)
        elif need.on == "group":
            arns = [group.arn for group in self._groups_of(identity)]
        else:
            arns = [identity.arn] if identity.kind.title() in need.action else []
        if arns:
            yield Option(identity.arn, _rewritten(identity), True, {need.on: arns}, _boundary_of(identity))

    def _groups_of(self, identity: IamIdentity) -> Iterator[UserGroup]:
        for group in self._groups.get(identity.account, ()) if identity.groups else ():
            if group.arn.rpartition("/")[2] in identity.groups:
                yield group

    def _joined(self, identity: IamIdentity) -> Iterator[Option]:
        for group in self._groups.get(identity.account, ()) if identity.kind == "user" else ():
            if group.arn.rpartition("/")[2] not in identity.groups:
                member = identity._replace(policies=(*identity.policies, *group.policies))
                yield Option(group.arn, member, True, {"group": (group.arn,)})

    def _passable(self, account: str, service: str) -> list[IamIdentity]:
        """Return the roles of the account that a service may assume."""
        known = self._trusting.get((account, service))
        if known is None:
            caller = provider_caller(service)
            roles = [role for role in self._identities[account] if role.kind == "role"]
            if service == _NEEDS_PROFILE and any(role.instance_profiles for role in roles):
                roles = [role for role in roles if role.instance_profiles]
            known = self._trusting[account, service] = [role for role in roles if self._trusts(role, caller)]
        return known

    def _trusts(self, role: IamIdentity, caller: AccessCaller) -> bool:
        topic = Topic(ASSUME, role.arn)
        return self._evaluator.may_allow(caller, topic) and self._evaluator.decide(caller, topic).verdict != "no"


def _unchanged(role: IamIdentity, kind: str) -> Option:
    return Option(role.arn, role, False, {kind: (role.arn,)})


def _about(other: IamIdentity, rule: Rule) -> Iterator[Option]:
    """Yield what a rule makes of another user or role."""
    resources: dict[str, Sequence[str]] = {other.kind: (other.arn,)}
    if any(need.on == "policy" for need in rule.needs):
        resources["policy"] = _own_policies(other)
        if not resources["policy"]:
            return
    becomes = _rewritten(other) if rule.is_written else other
    yield Option(other.arn, becomes, rule.is_written, resources, _boundary_of(other))


def _rewritten(identity: IamIdentity) -> IamIdentity:
    return identity._replace(policies=(EVERYTHING,))


def _boundary_of(identity: IamIdentity) -> str:
    return identity.boundary.name if identity.boundary is not None else ""


def _own_policies(identity: IamIdentity) -> list[str]:
    """Return the ARNs of the customer managed policies of an identity."""
    prefix = f"arn:{identity.arn.split(':')[1]}:iam::{identity.account}:policy/"
    return [document.name for document in identity.policies if document.name.startswith(prefix)]


def _types_of(arn: str) -> Iterator[str]:
    return (kind for kind in RESOURCE_TYPES if is_of_type(arn, kind))
