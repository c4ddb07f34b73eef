"""Trust policies, evaluated as live AWS evaluates them."""

from __future__ import annotations

import pytest

from dsops.policy import Policies, Principal, denial_sentence
from tests.unit.policy.policies import (
    ACCOUNT,
    ALICE,
    APP,
    GITHUB,
    LAMBDA,
    OTHER,
    OTHER_ROLE,
    ROLE,
    ROOT,
    WORKFLOW,
    Json,
    allow,
    ask,
    assume,
    deny,
    identity,
    policy,
    trust,
    trusting,
)

MAY_ASSUME = identity(allow("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/*"))
MAY_ASSUME_THERE = identity(allow("sts:AssumeRole", f"arn:aws:iam::{OTHER}:role/*"))


@pytest.mark.parametrize(
    ("caller", "principal"),
    [(ALICE, ALICE.arn), (ALICE, ALICE.unique_id), (APP, APP.issuer_arn), (APP, APP.arn), (ALICE, "*")],
)
def test_in_its_own_account_a_named_caller_needs_no_permission(caller: Principal, principal: str) -> None:
    """In the role's account a caller named in the trust policy needs no permission (measured on live AWS).

    Measured with users and chained roles whose own policies allow nothing.
    """
    decision = assume(Policies(resource=trusting({"AWS": principal})), caller)
    assert decision.is_allowed
    assert "role trust policy" == decision.decided_by


@pytest.mark.parametrize("principal", [ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"])
def test_trusting_the_account_leaves_it_to_the_callers_policies(principal: str) -> None:
    """If the trust policy names the account, identity policies decide: a caller without permission is denied."""
    trusted = trusting({"AWS": principal})
    assert assume(Policies(resource=trusted, identity=(MAY_ASSUME,))).is_allowed
    refused = assume(Policies(resource=trusted))
    assert ("ImplicitDeny", "identity-based policy") == (refused.effect, refused.decided_by)


@pytest.mark.parametrize("principal", [ACCOUNT, ALICE.arn, "*"])
def test_across_accounts_trust_and_permission_are_both_needed(principal: str) -> None:
    """Across accounts trust and permission are both required, even with a wildcard principal (measured)."""
    trusted = trusting({"AWS": principal})
    assert assume(Policies(resource=trusted, identity=(MAY_ASSUME_THERE,)), role=OTHER_ROLE).is_allowed
    assert not assume(Policies(resource=trusted), role=OTHER_ROLE).is_allowed
    assert not assume(Policies(identity=(MAY_ASSUME_THERE,)), role=OTHER_ROLE).is_allowed


def test_permission_without_trust_is_not_enough() -> None:
    """A role admits only callers that its trust policy names, whatever their own policies allow."""
    everything = identity(allow())
    somebody = trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"})
    refused = assume(Policies(resource=somebody, identity=(everything,)))
    assert ("ImplicitDeny", "role trust policy") == (refused.effect, refused.decided_by)
    assert not assume(Policies(identity=(everything,))).is_allowed
    assert not assume(Policies(identity=(everything,)), ROOT).is_allowed


def test_a_caller_named_by_role_is_limited_by_boundary_and_session_policy() -> None:
    """Boundary and session policy limit a caller that is named by its role, but not one named by its session."""
    by_role = Policies(resource=trusting({"AWS": APP.issuer_arn}))
    limits = ({"boundary": policy("boundary", allow("s3:*"))}, {"session": ((policy("session", allow("s3:*")),),)})
    for limit in limits:
        assert not assume(by_role._replace(**limit), APP).is_allowed
        by_session = Policies(resource=trusting({"AWS": APP.arn}), **limit)
        assert assume(by_session, APP).is_allowed


def test_a_namesake_with_another_id_is_not_trusted() -> None:
    """A trust policy with a deleted user's ID does not admit a new user of the same name."""
    trusted = Policies(resource=trusting({"AWS": "AIDADELETEDALICE00001"}), identity=(MAY_ASSUME,))
    assert not assume(trusted).is_allowed
    assert assume(Policies(resource=trusting({"AWS": ALICE.unique_id}))).is_allowed


@pytest.mark.parametrize(
    ("condition", "hit", "miss"),
    [
        ({"StringEquals": {"sts:ExternalId": "id-1"}}, {"sts__ExternalId": "id-1"}, {"sts__ExternalId": "ID-1"}),
        ({"StringEquals": {"sts:ExternalId": "id-1"}}, {"sts__ExternalId": "id-1"}, {}),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {"aws__MultiFactorAuthPresent": "true"}, {}),
        (
            {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
            {"aws__SourceIp": "203.0.113.5"},
            {"aws__SourceIp": "198.51.100.5"},
        ),
        (
            {"StringLike": {"sts:RoleSessionName": "${aws:username}"}},
            {"sts__RoleSessionName": "alice", "aws__username": "alice"},
            {"sts__RoleSessionName": "mallory", "aws__username": "alice"},
        ),
    ],
)
def test_a_trust_policys_conditions_are_asked(condition: Json, hit: dict[str, str], miss: dict[str, str]) -> None:
    """If the request does not meet a condition on external ID, MFA, address or session name, AssumeRole is denied."""
    trusted = Policies(resource=trusting({"AWS": ALICE.arn}, Condition=condition), identity=(MAY_ASSUME,))
    assert assume(trusted, **hit).is_allowed
    assert not assume(trusted, **miss).is_allowed


def test_long_lived_keys_slip_through_bool_but_not_bool_if_exists() -> None:
    """Requests with long-term keys lack aws:MultiFactorAuthPresent.

    A Deny with `Bool` does not apply to these requests, but a Deny with `BoolIfExists` does.
    """
    for operator, allowed in (("Bool", True), ("BoolIfExists", False)):
        guarded = trust(
            allow("sts:AssumeRole", None, Principal={"AWS": ALICE.arn}),
            deny("sts:*", None, Principal="*", Condition={operator: {"aws:MultiFactorAuthPresent": "false"}}),
        )
        assert allowed is assume(Policies(resource=guarded)).is_allowed


def test_a_deny_in_the_trust_policy_wins() -> None:
    """An explicit Deny in the trust policy overrides every Allow.

    Within one account, the error message says that a role trust policy denies.
    """
    guarded = trust(
        allow("sts:AssumeRole", None, Principal={"AWS": ALICE.arn}), deny("sts:*", None, Principal={"AWS": ACCOUNT})
    )
    decision = assume(Policies(resource=guarded, identity=(MAY_ASSUME,)))
    assert ("ExplicitDeny", "role trust policy") == (decision.effect, decision.decided_by)
    assert denial_sentence(decision.request, decision).endswith(" with an explicit deny in a role trust policy")


@pytest.mark.parametrize("action", ["sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"])
def test_tagging_and_source_identity_are_permissions_of_their_own(action: str) -> None:
    """The trust policy must allow sts:TagSession and sts:SetSourceIdentity in addition to sts:AssumeRole."""
    only_assume = Policies(resource=trusting({"AWS": ALICE.arn}), identity=(identity(allow()),))
    assert not ask(only_assume, action=action, resource=ROLE).is_allowed
    with_it = trust(allow(["sts:AssumeRole", action], None, Principal={"AWS": ALICE.arn}))
    assert ask(Policies(resource=with_it), action=action, resource=ROLE).is_allowed


def test_web_identity_is_let_in_by_its_provider_alone() -> None:
    """Only the Federated principal and the token's claims decide on AssumeRoleWithWebIdentity, which is unsigned."""
    trusted = trust(
        allow(
            "sts:AssumeRoleWithWebIdentity",
            None,
            Principal={"Federated": GITHUB},
            Condition={"StringLike": {"token.actions.githubusercontent.com:sub": "repo:org/repo:*"}},
        )
    )
    for subject, allowed in (("repo:org/repo:ref:refs/heads/main", True), ("repo:evil/repo:pull_request", False)):
        context: dict[str, str] = {"token.actions.githubusercontent.com__sub": subject}
        action = "sts:AssumeRoleWithWebIdentity"
        decision = ask(Policies(resource=trusted), WORKFLOW, action, ROLE, ACCOUNT, **context)
        assert allowed is decision.is_allowed
        with_account = WORKFLOW._replace(account=OTHER)
        assert allowed is ask(Policies(resource=trusted), with_account, action, ROLE, ACCOUNT, **context).is_allowed
    by_account = trust(allow("sts:*", None, Principal={"AWS": ACCOUNT}))
    assert not ask(Policies(resource=by_account), WORKFLOW, "sts:AssumeRoleWithWebIdentity", ROLE).is_allowed


def test_a_service_is_let_in_by_name() -> None:
    """A service that the trust policy names may assume the role; any other service may not."""
    trusted = Policies(resource=trusting({"Service": "lambda.amazonaws.com"}))
    assert assume(trusted, LAMBDA).is_allowed
    assert not assume(trusted, LAMBDA._replace(federated="ec2.amazonaws.com")).is_allowed
    assert not assume(trusted, ALICE).is_allowed
