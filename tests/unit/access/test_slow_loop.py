"""The answer of who-can equals that of a plain loop over the policy engine, on random worlds.

The loop knows nothing of indexes, filters and best ways: it asks the engine about every user and role with all their
policies, and about every pair of a principal and a role, and repeats this until nothing is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings

from dsops.access.facts.world import IamIdentity, MemberAccount, OrganizationFacts, PolicyDocument
from dsops.policy import CaseQuestion, Place, Policy, managed_key_policy, read_caller, simulate
from tests.groups import examples
from tests.unit.access.random_seeds import seeds
from tests.unit.access.worlds import NOW, READ, SECRET, ask, world_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def can_read(world: OrganizationFacts, identity: IamIdentity) -> bool:
    """Whether the identity may read the secret and use its key."""
    key = world.resources[SECRET].kms_key
    assert key is not None
    _, _, _, region, account, name = key.split(":", 5)
    context = {
        "aws:ViaAWSService": ("true",),
        "kms:CallerAccount": (identity.account,),
        "kms:EncryptionContext:SecretARN": (SECRET,),
        "kms:EncryptionContextKeys": ("SecretARN", "SecretVersionId"),
        "kms:ViaService": (f"secretsmanager.{region}.amazonaws.com",),
    }
    policy: PolicyDocument | None = None
    if name.startswith("alias/"):
        key = key.replace(":alias/", ":key/")
        policy = PolicyDocument("AWS's key", "resource", managed_key_policy(account, region, "secretsmanager", "aws"))
    may_decrypt = is_allowed(world, identity, "kms:Decrypt", key, context, policy)
    return may_decrypt and is_allowed(world, identity, READ, SECRET)


def is_allowed(
    world: OrganizationFacts,
    identity: IamIdentity,
    action: str,
    resource: str,
    context: Mapping[str, tuple[str, ...]] | None = None,
    own_policy: PolicyDocument | None = None,
) -> bool:
    """Ask the engine with all policies that apply, unfiltered. `own_policy` is the resource's, if no fact has it."""
    account = resource.split(":")[4]
    role, secret = world.identities.get(resource), world.resources.get(resource)
    of_resource = role.trust if role is not None else secret.policy if secret is not None else own_policy
    policies: dict[Place, tuple[tuple[Policy, ...], ...]] = {
        "identity": (_parsed(identity.policies),),
        "boundary": (_parsed([identity.boundary]),) if identity.boundary is not None else (),
        "scp": tuple(_parsed(level) for level in _of(world, identity.account).service_control),
        "rcp": tuple(_parsed(level) for level in _of(world, account).resource_control),
        "trust" if role is not None else "resource": (_parsed([of_resource]),) if of_resource is not None else (),
    }
    caller = read_caller(identity.arn, unique_id=identity.unique_id)
    return simulate(
        CaseQuestion(caller, action, resource, account, context or {}), policies, (), NOW
    ).decision.is_allowed


def _of(world: OrganizationFacts, account: str) -> MemberAccount:
    return world.accounts[account]


def _parsed(documents: list[PolicyDocument] | tuple[PolicyDocument, ...]) -> tuple[Policy, ...]:
    return tuple(document.policy for document in documents if document.policy is not None)


def slow_who_can(world: OrganizationFacts) -> set[str]:
    """Return everyone who reaches the secret."""
    able = {arn for arn, identity in world.identities.items() if can_read(world, identity)}
    while True:
        more = {
            arn
            for arn, identity in world.identities.items()
            if arn not in able
            and any(
                is_allowed(world, identity, "sts:AssumeRole", role) for role in able if ":role/" in role and role != arn
            )
        }
        if not more:
            return able
        able |= more


@settings(max_examples=examples(200), deadline=None)
@given(seeds())
def test_the_answer_is_that_of_a_plain_loop(seed: dict[str, Any]) -> None:
    """The principals of the answer are those that the loop finds; no answer is uncertain without conditions."""
    world = world_of(**seed)
    answer = ask(world)

    inside = {way.caller.name for way in answer.ways if not way.caller.outside}
    assert slow_who_can(world) == inside
    assert {"yes"} >= {way.verdict for way in answer.ways if not way.caller.outside}
