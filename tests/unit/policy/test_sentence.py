"""Denial messages in AWS's wording."""

from __future__ import annotations

import pytest

from dsops.policy import Policies, Principal, denial_sentence
from tests.unit.policy.policies import (
    ALICE,
    ANYBODY,
    APP,
    LAMBDA,
    OTHER,
    OTHER_ROLE,
    ROLE,
    SECRET,
    WORKFLOW,
    allow,
    ask,
    deny,
    identity,
    policy,
)

READ = "secretsmanager:GetSecretValue"
ALLOWING = identity(allow())
REFUSED = f"User: {APP.arn} is not authorized to perform: {READ} on resource: {SECRET}"
DENY_SCP = policy("scp", deny(), name="arn:aws:organizations::1:policy/o-1/service_control_policy/p-1")


@pytest.mark.parametrize(
    ("policies", "ending"),
    [
        (Policies(), f" because no identity-based policy allows the {READ} action"),
        (
            Policies(identity=(ALLOWING,), boundary=policy("boundary", allow("s3:*"))),
            f" because no permissions boundary allows the {READ} action",
        ),
        (
            Policies(identity=(ALLOWING,), session=((policy("session", allow("s3:*")),),)),
            f" because no session policy allows the {READ} action",
        ),
        (
            Policies(identity=(ALLOWING,), must_resource_allow=True),
            f" because no resource-based policy allows the {READ} action",
        ),
        (Policies(identity=(identity(deny()),)), " with an explicit deny in an identity-based policy"),
        (
            Policies(resource=policy("resource", deny(Principal="*"))),
            " with an explicit deny in a resource-based policy",
        ),
        (
            Policies(boundary=policy("boundary", deny(), name="arn:aws:iam::1:policy/b")),
            " with an explicit deny in a permissions boundary: arn:aws:iam::1:policy/b",
        ),
        (
            Policies(service_control=((DENY_SCP,),)),
            f" with an explicit deny in a service control policy: {DENY_SCP.name}",
        ),
        (Policies(service_control=((),)), " with an explicit deny in a service control policy"),
        (
            Policies(resource_control=((policy("rcp", deny("secretsmanager:*", Principal="*")),),)),
            " with an explicit deny in a resource control policy",
        ),
        (
            Policies(resource=policy("resource", deny(Principal="*"), name="arn:aws:iam::1:policy/b")),
            " with an explicit deny in a resource-based policy",
        ),
    ],
)
def test_the_sentence_names_the_type_that_refused(policies: Policies, ending: str) -> None:
    """The message names the denying policy type, and the ARN of a policy that denies explicitly.

    For an SCP the message always says "explicit deny".
    """
    decision = ask(policies, APP)
    assert not decision.is_allowed
    assert REFUSED + ending == denial_sentence(decision.request, decision)


def test_there_is_no_sentence_for_what_is_allowed() -> None:
    """An allowed request has no denial message."""
    decision = ask(Policies(identity=(ALLOWING,)))
    assert "" == denial_sentence(decision.request, decision)


def test_an_action_without_resources_names_none() -> None:
    """The message for an action without resources names no resource (as on AWS for s3:ListAllMyBuckets)."""
    decision = ask(Policies(), action="s3:ListAllMyBuckets", resource="*")
    assert (
        f"User: {ALICE.arn} is not authorized to perform: s3:ListAllMyBuckets"
        " because no identity-based policy allows the s3:ListAllMyBuckets action"
    ) == denial_sentence(decision.request, decision)


@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])
@pytest.mark.parametrize("role", [ROLE, OTHER_ROLE])
def test_a_refused_role_is_told_without_a_reason(action: str, role: str) -> None:
    """The message for a denied AssumeRole gives no reason, whatever is missing (measured).

    Missing trust, a missing permission, an unmet condition and a missing role give the same message.
    """
    decision = ask(Policies(), action=action, resource=role, account=role.split(":")[4])
    assert f"User: {ALICE.arn} is not authorized to perform: {action} on resource: {role}" == denial_sentence(
        decision.request, decision
    )


def test_across_accounts_no_reason_is_given() -> None:
    """Across accounts the message gives no reason, not even for an explicit deny."""
    denied = Policies(identity=(identity(deny()),))
    decision = ask(denied, APP, resource=SECRET, account=OTHER)
    assert "ExplicitDeny" == decision.effect
    assert REFUSED == denial_sentence(decision.request, decision)


@pytest.mark.parametrize(
    ("caller", "action", "sentence"),
    [
        (WORKFLOW, "sts:AssumeRoleWithWebIdentity", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
        (WORKFLOW._replace(kind="saml"), "sts:AssumeRoleWithSAML", "Not authorized to perform sts:AssumeRoleWithSAML"),
        (
            LAMBDA,
            "sts:AssumeRole",
            f"User: lambda.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: {ROLE}",
        ),
        (
            ANYBODY,
            "sts:AssumeRole",
            f"User: anonymous is not authorized to perform: sts:AssumeRole on resource: {ROLE}",
        ),
    ],
)
def test_callers_without_an_arn_are_told_too(caller: Principal, action: str, sentence: str) -> None:
    """AWS's denial message for a caller without an ARN names no ARN and no role."""
    decision = ask(Policies(), caller, action, ROLE)
    assert sentence == denial_sentence(decision.request, decision)
