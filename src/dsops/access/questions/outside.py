"""Find what is reachable from outside of the facts: by anyone, and by accounts that are not among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from dsops.access.facts.encryption_keys import KeyGrant
from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import ANY_OUTSIDE, AccessCaller, callers_beyond, outside_caller
from dsops.access.questions.data_actions import data_requests
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.policy import customer_key, lower_case, read_caller


class OutsideUse(NamedTuple):
    """Something that a caller from outside can do."""

    caller: AccessCaller
    action: str
    resource: str
    """The resource, or the role that the caller can assume."""
    answer: AccessAnswer

    @property
    def needs_external_id(self) -> bool:
        """Whether the request has to contain an external ID."""
        return "sts:externalid" in self.answer.needed


_Test = Callable[[AccessCaller, AccessAnswer | None], bool]
_MOST_NAMED: Final = 5
ANONYMOUS = AccessCaller(read_caller("anonymous"))


def public_uses(evaluator: Evaluator, assumptions: Assumptions) -> tuple[OutsideUse, ...]:
    """Return what anyone can do: without credentials, from any account, or as any customer of a shared provider."""
    uses = [*_role_uses(evaluator, assumptions, is_anyone)]
    for resource in evaluator.world.resources:
        any_account = outside_caller(ANY_OUTSIDE, partition=resource.split(":")[1])
        for action, asked in data_requests(resource):
            topic = Topic(action, asked)
            for caller in (ANONYMOUS, any_account):
                use = _use(evaluator, caller, topic)
                if use is not None:
                    uses.append(use)
                    break  # If callers without credentials can do this, every account can, too
    return tuple(uses)


def external_uses(evaluator: Evaluator, assumptions: Assumptions) -> tuple[OutsideUse, ...]:
    """Return what accounts can do that are not among the facts and that a policy names."""
    uses = [*_role_uses(evaluator, assumptions, _is_named_account)]
    for resource, known in evaluator.world.resources.items():
        policy = known.policy.policy if known.policy is not None else None
        callers = {
            caller.name: caller
            for statement in (policy.statements if policy is not None else ())
            if statement.effect == "Allow"
            for caller in callers_beyond(evaluator.world, statement, resource)
            if _is_named_account(caller, None)
        }
        for action, asked in data_requests(resource):
            topic = Topic(action, asked)
            uses += filter(None, (_use(evaluator, caller, topic) for caller in callers.values()))
    return tuple(sorted(uses, key=lambda use: (use.caller.name, use.resource, use.action)))


def acl_gaps(world: OrganizationFacts, resource: str = "") -> tuple[Gap, ...]:
    """Return the buckets whose access control lists, which dsops does not read, may allow more to other accounts.

    `resource`: only the bucket with this ARN, or that of this object.
    """
    buckets = [known for known in world.resources.values() if known.may_have_acls]
    if resource:
        buckets = [known for known in buckets if known == world.resource(resource)]
    names: dict[str, list[str]] = {}
    for bucket in buckets:
        names.setdefault(bucket.account, []).append(bucket.arn.rpartition(":")[2])
    return tuple(
        Gap(account, "resource", f"the access control lists of {_listed(of_account)}, and of the objects in it")
        for account, of_account in names.items()
    )


def grant_gaps(world: OrganizationFacts, is_wanted: Callable[[KeyGrant], bool], key: str = "") -> tuple[Gap, ...]:
    """Return the wanted grants of KMS keys, which no answer considers; `key`: only those of the key with this ARN."""
    known = world.resources.get(key)
    resources = world.resources.values() if not key else [known] if known is not None else []
    return tuple(
        Gap(resource.account, "resource", grant.text, resource.arn)
        for resource in resources
        for grant in resource.grants
        if is_wanted(grant)
    )


def foreign_grants(world: OrganizationFacts) -> tuple[Gap, ...]:
    """Return the grants to principals of accounts that are not among the facts, and those that are unknown."""
    return grant_gaps(world, lambda grant: not any(f":{account}:" in grant.grantee for account in world.accounts))


def _listed(buckets: list[str]) -> str:
    more = len(buckets) - _MOST_NAMED
    return f"bucket {', '.join(buckets[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"


def _role_uses(evaluator: Evaluator, assumptions: Assumptions, is_wanted: _Test) -> Iterator[OutsideUse]:
    for identity in evaluator.world.identities.values():
        if identity.kind == "role":
            for assumption in assumptions.from_beyond(identity):
                if is_wanted(assumption.caller, assumption.answer):
                    yield OutsideUse(assumption.caller, assumption.action, identity.arn, assumption.answer)


def _use(evaluator: Evaluator, caller: AccessCaller, topic: Topic) -> OutsideUse | None:
    answer = evaluator.ask(caller, topic)
    return None if answer.verdict == "no" else OutsideUse(caller, topic.action, topic.resource, answer)


def _is_named_account(caller: AccessCaller, _answer: AccessAnswer | None) -> bool:
    return caller.outside not in ("", ANY_OUTSIDE)


def is_anyone(caller: AccessCaller, answer: AccessAnswer | None) -> bool:
    """Whether the caller is any account, or any customer of an identity provider that many customers share."""
    if caller.outside == ANY_OUTSIDE:
        return True
    key = customer_key(caller.principal.federated) if caller.principal.kind == "web-identity" else ""
    if not key or answer is None:
        return False
    return key not in {lower_case(opened.condition.key) for opened in answer.open if opened.effect == "Allow"}
