"""AWS's order of policy evaluation: which policy type decides, and which types still limit."""

from __future__ import annotations

import pytest

from dsops.policy import Decision, Policies, Policy, Principal, parse_policy
from tests.unit.policy.policies import (
    ACCOUNT,
    ALICE,
    ANYBODY,
    APP,
    BOB,
    LAMBDA,
    OTHER,
    ROOT,
    SECRET,
    Json,
    allow,
    ask,
    deny,
    identity,
    policy,
)

ALLOWING = identity(allow())
SILENT = identity(allow("s3:*"))
BOUNDARY = policy("boundary", allow())
NARROW_BOUNDARY = policy("boundary", allow("s3:*"))
SESSION = ((policy("session", allow()),),)
NARROW_SESSION = ((policy("session", allow("s3:*")),),)
SCP = (policy("scp", allow()),)
NARROW_SCP = (policy("scp", allow("s3:*")),)
RCP = (policy("rcp", allow(Principal="*")),)
DENY_RCP = (*RCP, policy("rcp", deny("secretsmanager:*", Principal="*")))


def resource(principal: Json, statement: Json = None) -> Policy:
    """Return a resource policy that allows this principal everything."""
    return policy("resource", (statement or allow()) | {"Principal": principal})


def outcome(decision: Decision) -> tuple[str, str]:
    """Return the effect and the policy type that decided."""
    return decision.effect, decision.decided_by


# --- identity-based policies --------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", [ALICE, APP])
def test_nothing_is_allowed_by_default(caller: Principal) -> None:
    """Without an Allow a request is implicitly denied; with an Allow it is allowed."""
    assert ("ImplicitDeny", "identity-based policy") == outcome(ask(Policies(), caller))
    assert ("ImplicitDeny", "identity-based policy") == outcome(ask(Policies(identity=(SILENT,)), caller))
    assert ("Allow", "identity-based policy") == outcome(ask(Policies(identity=(SILENT, ALLOWING)), caller))


def test_an_explicit_deny_wins_over_any_allow() -> None:
    """An explicit Deny overrides every Allow, and the decision names its statement and line."""
    denying = parse_policy(
        '{"Version": "2012-10-17", "Statement": [\n{"Effect": "Deny", "Sid": "No", "Action": "*", "Resource": "*"}]}',
        "identity",
        name="denying",
    )
    for policies in ((ALLOWING, denying), (denying, ALLOWING)):
        decision = ask(Policies(identity=policies))
        assert ("ExplicitDeny", "identity-based policy") == outcome(decision)
        assert decision.policy is denying
        assert decision.statement is not None
        assert ("No", 2) == (decision.statement.sid, decision.statement.line)


def test_an_allow_names_its_statement() -> None:
    """The decision names the first matching Allow."""
    document = identity(allow("s3:*"), allow("secretsmanager:*", Sid="This"), allow(Sid="AndThis"))
    decision = ask(Policies(identity=(document,)))
    assert decision.policy is document
    assert decision.statement is not None
    assert "This" == decision.statement.sid


def test_a_deny_whose_condition_is_not_met_denies_nothing() -> None:
    """A Deny has no effect if its condition is not met."""
    document = identity(allow(), deny(Condition={"Bool": {"aws:SecureTransport": "false"}}))
    assert ask(Policies(identity=(document,)), aws__SecureTransport="true").is_allowed
    assert not ask(Policies(identity=(document,)), aws__SecureTransport="false").is_allowed


def test_all_conditions_of_a_statement_must_hold() -> None:
    """All condition operators and keys must match; for each key one matching value is enough."""
    conditions = {"StringEquals": {"aws:a": ["1", "2"], "aws:b": "3"}, "Null": {"aws:c": "true"}}
    policies = Policies(identity=(identity(allow(Condition=conditions)),))
    assert ask(policies, aws__a="2", aws__b="3").is_allowed
    assert not ask(policies, aws__a="2", aws__b="4").is_allowed
    assert not ask(policies, aws__a="3", aws__b="3").is_allowed
    assert not ask(policies, aws__a="2", aws__b="3", aws__c="x").is_allowed


# --- boundary and session -----------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", [ALICE, APP])
def test_a_boundary_must_allow_as_well(caller: Principal) -> None:
    """A permissions boundary must allow in addition to the identity policy, and never allows by itself."""
    assert ask(Policies(identity=(ALLOWING,), boundary=BOUNDARY), caller).is_allowed
    refused = ask(Policies(identity=(ALLOWING,), boundary=NARROW_BOUNDARY), caller)
    assert ("ImplicitDeny", "permissions boundary") == outcome(refused)
    assert ("ImplicitDeny", "identity-based policy") == outcome(ask(Policies(boundary=BOUNDARY), caller))
    denied = ask(Policies(identity=(ALLOWING,), boundary=policy("boundary", allow(), deny())), caller)
    assert ("ExplicitDeny", "permissions boundary") == outcome(denied)


def test_a_session_policy_limits_and_never_adds() -> None:
    """A session policy must also allow the request, and never allows it by itself.

    A session policy with only Deny statements allows nothing.
    """
    assert ask(Policies(identity=(ALLOWING,)), APP).is_allowed
    assert ask(Policies(identity=(ALLOWING,), session=SESSION), APP).is_allowed
    refused = ask(Policies(identity=(ALLOWING,), session=NARROW_SESSION), APP)
    assert ("ImplicitDeny", "session policy") == outcome(refused)
    assert ("ImplicitDeny", "identity-based policy") == outcome(ask(Policies(session=SESSION), APP))
    only_deny = ((policy("session", deny(["iam:*", "sts:*"])),),)
    assert ("ImplicitDeny", "session policy") == outcome(ask(Policies(identity=(ALLOWING,), session=only_deny), APP))


def test_every_layer_of_session_policies_must_allow_one_policy_of_a_layer_is_enough() -> None:
    """The session policies of one call form a union, and the union of each call must allow the request."""
    union = (policy("session", allow("s3:*")), policy("session", allow("secretsmanager:*")))
    assert ask(Policies(identity=(ALLOWING,), session=(union,)), APP).is_allowed
    assert ask(Policies(identity=(ALLOWING,), session=(union, *SESSION)), APP).is_allowed
    assert not ask(Policies(identity=(ALLOWING,), session=(union, *NARROW_SESSION)), APP).is_allowed
    assert not ask(Policies(identity=(ALLOWING,), session=(*SESSION, ())), APP).is_allowed


def test_a_federated_session_without_a_session_policy_may_do_nothing_of_its_users() -> None:
    """A federated session without a session policy has none of its user's permissions (GetFederationToken)."""
    refused = ask(Policies(identity=(ALLOWING,)), BOB)
    assert ("ImplicitDeny", "session policy") == outcome(refused)
    assert ask(Policies(identity=(ALLOWING,), session=SESSION), BOB).is_allowed
    assert not ask(Policies(identity=(SILENT,), session=SESSION), BOB).is_allowed
    assert ask(Policies(resource=resource({"AWS": BOB.arn})), BOB).is_allowed


# --- resource-based policies, same account ------------------------------------------------------------------

LIMITS = {
    "nothing": Policies(),
    "identity": Policies(identity=(ALLOWING,)),
    "boundary": Policies(identity=(ALLOWING,), boundary=NARROW_BOUNDARY),
    "session": Policies(identity=(ALLOWING,), session=NARROW_SESSION),
}


@pytest.mark.parametrize(
    ("caller", "principal", "allowed_under"),
    [
        (ALICE, ALICE.arn, {"nothing", "identity", "boundary", "session"}),
        (ALICE, ALICE.unique_id, {"nothing", "identity", "boundary", "session"}),
        (ALICE, "*", {"nothing", "identity", "boundary", "session"}),
        (ALICE, ACCOUNT, {"identity"}),
        (ALICE, f"arn:aws:iam::{ACCOUNT}:root", {"identity"}),
        (ALICE, APP.issuer_arn, {"identity"}),
        (APP, APP.arn, {"nothing", "identity", "boundary", "session"}),
        (APP, APP.issuer_arn, {"nothing", "identity"}),
        (APP, APP.unique_id, {"nothing", "identity"}),
        (APP, "*", {"nothing", "identity", "boundary", "session"}),
        (APP, ACCOUNT, {"identity"}),
        (BOB, BOB.arn, {"nothing", "identity", "boundary", "session"}),
        (BOB, BOB.issuer_arn, set()),
        (BOB, ACCOUNT, set()),
    ],
)
def test_how_the_resource_names_the_caller_decides_what_still_limits(
    caller: Principal, principal: str, allowed_under: set[str]
) -> None:
    """The way in which a resource policy names the caller decides which other policies limit it (AWS's table)."""
    named = resource({"AWS": principal})
    allowed_limits = {
        name for name, limits in LIMITS.items() if ask(limits._replace(resource=named), caller).is_allowed
    }
    assert allowed_under == allowed_limits


def test_a_federated_session_named_by_its_user_is_limited_by_its_session_policy() -> None:
    """If the resource policy names a federated session's user, only the session policy must also allow."""
    named = resource({"AWS": BOB.issuer_arn})
    assert ask(Policies(resource=named, session=SESSION), BOB).is_allowed
    assert not ask(Policies(resource=named, session=NARROW_SESSION), BOB).is_allowed


def test_the_closest_naming_statement_of_several_counts() -> None:
    """If several statements name the caller, the most specific one decides, whatever the order of the statements."""
    document = policy("resource", allow(Principal={"AWS": ACCOUNT}), allow(Principal={"AWS": ALICE.arn}))
    decision = ask(Policies(resource=document))
    assert ("Allow", "resource-based policy") == outcome(decision)
    assert decision.statement is document.statements[1]


def test_a_resource_policy_that_says_nothing_leaves_it_to_the_identity() -> None:
    """In the same account an identity policy suffices if the resource policy does not mention the caller."""
    silent = resource({"AWS": f"arn:aws:iam::{OTHER}:root"})
    assert ask(Policies(identity=(ALLOWING,), resource=silent)).is_allowed
    assert ("ImplicitDeny", "identity-based policy") == outcome(ask(Policies(resource=silent)))


def test_a_key_that_must_allow_by_itself_is_not_opened_by_identity_policies() -> None:
    """Identity policies apply to a KMS key only if the key's policy names the account."""
    silent = Policies(identity=(ALLOWING,), must_resource_allow=True)
    assert ("ImplicitDeny", "resource-based policy") == outcome(ask(silent))
    opened = silent._replace(resource=resource({"AWS": ACCOUNT}))
    assert ("Allow", "identity-based policy") == outcome(ask(opened))


def test_the_first_of_equally_close_statements_is_named() -> None:
    """If several statements name the caller equally closely, the decision reports the first one."""
    document = policy("resource", allow(Principal="*"), allow(Principal={"AWS": ALICE.arn}))
    assert ask(Policies(resource=document)).statement is document.statements[0]


def test_a_deny_with_not_principal_spares_who_is_fully_named() -> None:
    """A Deny with NotPrincipal exempts a user only if user and account are both listed."""
    named = {"AWS": [ALICE.arn, ACCOUNT]}
    document = policy("resource", allow(Principal="*"), deny(NotPrincipal=named))
    assert ask(Policies(resource=document), ALICE).is_allowed
    assert "ExplicitDeny" == ask(Policies(resource=document), APP).effect
    half = policy("resource", allow(Principal="*"), deny(NotPrincipal={"AWS": ALICE.arn}))
    assert "ExplicitDeny" == ask(Policies(resource=half), ALICE).effect


def test_a_deny_with_not_principal_spares_no_caller_with_a_boundary() -> None:
    """A Deny with NotPrincipal applies to every user with a boundary; it does not apply to a root user."""
    named = {"AWS": [ALICE.arn, f"arn:aws:iam::{ACCOUNT}:root"]}
    document = policy("resource", allow(Principal="*"), deny(NotPrincipal=named))
    assert ask(Policies(resource=document)).is_allowed
    decision = ask(Policies(resource=document, boundary=BOUNDARY))
    assert ("ExplicitDeny", "resource-based policy") == outcome(decision)
    assert [1] == [len(reason.matched) - 1 for reason in decision.reasons if reason.effect == "ExplicitDeny"]
    assert ask(Policies(resource=document, boundary=BOUNDARY), ROOT).is_allowed


def test_an_allow_with_not_principal_lets_everyone_else_in() -> None:
    """An Allow with NotPrincipal allows every caller that it does not list, including anonymous ones."""
    document = policy("resource", allow(NotPrincipal={"AWS": ACCOUNT}))
    assert ask(Policies(resource=document), ANYBODY).is_allowed
    assert not ask(Policies(resource=document), ALICE).is_allowed


def test_a_resource_policys_deny_binds_the_principals_it_names() -> None:
    """A Deny in a resource policy applies to the principals that it names, including the root user."""
    document = policy("resource", allow(Principal="*"), deny(Principal={"AWS": ACCOUNT}))
    for caller in (ALICE, APP, ROOT):
        decision = ask(Policies(identity=(ALLOWING,), resource=document), caller)
        assert ("ExplicitDeny", "resource-based policy") == outcome(decision)
    assert ask(Policies(resource=document), LAMBDA).is_allowed


# --- cross account ------------------------------------------------------------------------------------------

FOREIGN = SECRET.replace(ACCOUNT, OTHER)


@pytest.mark.parametrize("principal", [ACCOUNT, ALICE.arn, "*"])
def test_across_accounts_both_sides_must_allow(principal: str) -> None:
    """Across accounts both sides must allow, however the resource policy names the caller."""
    named = resource({"AWS": principal})
    both = Policies(identity=(ALLOWING,), resource=named)
    assert ask(both, resource=FOREIGN, account=OTHER).is_allowed
    only_there = ask(Policies(resource=named), resource=FOREIGN, account=OTHER)
    assert ("ImplicitDeny", "identity-based policy") == outcome(only_there)
    only_here = ask(Policies(identity=(ALLOWING,)), resource=FOREIGN, account=OTHER)
    assert ("ImplicitDeny", "resource-based policy") == outcome(only_here)
    limited = ask(both._replace(boundary=NARROW_BOUNDARY), resource=FOREIGN, account=OTHER)
    assert ("ImplicitDeny", "permissions boundary") == outcome(limited)


def test_across_accounts_a_named_session_is_still_limited_by_its_policy() -> None:
    """Across accounts a session that is named by its ARN must still be allowed by its session policy."""
    named = Policies(identity=(ALLOWING,), resource=resource({"AWS": APP.arn}), session=NARROW_SESSION)
    assert ask(named, APP).is_allowed
    refused = ask(named, APP, resource=FOREIGN, account=OTHER)
    assert ("ImplicitDeny", "session policy") == outcome(refused)


# --- root, services, anonymous ------------------------------------------------------------------------------


def test_identity_policies_and_boundaries_do_not_bind_the_root_user() -> None:
    """Identity policies and boundaries do not apply to the root user; control and resource policies do."""
    bound = Policies(identity=(identity(deny()),), boundary=policy("boundary", deny()))
    assert ("Allow", "no policy") == outcome(ask(bound, ROOT))
    assert not ask(bound._replace(service_control=(NARROW_SCP,)), ROOT).is_allowed
    foreign = ask(bound, ROOT, resource=FOREIGN, account=OTHER)
    assert ("ImplicitDeny", "resource-based policy") == outcome(foreign)
    named = bound._replace(resource=resource({"AWS": ACCOUNT}))
    assert ask(named, ROOT, resource=FOREIGN, account=OTHER).is_allowed


def test_a_root_session_is_limited_by_its_task_policy() -> None:
    """A root session (AssumeRoot) is limited by its task policy."""
    assert ask(Policies(session=SESSION), ROOT).is_allowed
    assert ("ImplicitDeny", "session policy") == outcome(ask(Policies(session=NARROW_SESSION), ROOT))


@pytest.mark.parametrize(("caller", "principal"), [(ANYBODY, "*"), (LAMBDA, {"Service": "lambda.amazonaws.com"})])
def test_who_has_no_account_is_let_in_by_the_resource_alone(caller: Principal, principal: Json) -> None:
    """The resource policy alone decides on a caller without an account; identity policies are ignored."""
    assert ask(Policies(resource=resource(principal)), caller).is_allowed
    refused = ask(Policies(identity=(ALLOWING,)), caller)
    assert ("ImplicitDeny", "resource-based policy") == outcome(refused)
    other = resource({"AWS": ACCOUNT})
    assert not ask(Policies(identity=(ALLOWING,), resource=other), caller).is_allowed


# --- organisation -------------------------------------------------------------------------------------------


def test_each_level_of_service_control_policies_must_allow() -> None:
    """Each SCP level must allow, whatever the resource policy allows; an empty level allows nothing."""
    base = Policies(identity=(ALLOWING,), resource=resource("*"))
    assert ask(base._replace(service_control=(SCP, SCP))).is_allowed
    for levels in ((SCP, NARROW_SCP), (NARROW_SCP, SCP), (SCP, ())):
        refused = ask(base._replace(service_control=levels))
        assert ("ImplicitDeny", "service control policy") == outcome(refused)
    assert ask(base._replace(service_control=((*NARROW_SCP, *SCP),))).is_allowed
    assert not ask(Policies(service_control=(SCP,))).is_allowed


def test_resource_control_policies_deny_by_resource() -> None:
    """An RCP denies access to the resources that it lists; RCPFullAWSAccess allows all other access."""
    base = Policies(identity=(ALLOWING,))
    assert ask(base._replace(resource_control=(RCP,))).is_allowed
    denied = ask(base._replace(resource_control=(RCP, DENY_RCP)))
    assert ("ExplicitDeny", "resource control policy") == outcome(denied)


def test_control_policies_do_not_bind_service_linked_roles() -> None:
    """Control policies do not apply to service-linked roles (path /aws-service-role/)."""
    linked = APP._replace(issuer_arn=f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/App")
    bound = Policies(identity=(ALLOWING,), service_control=(NARROW_SCP,), resource_control=(DENY_RCP,))
    assert ask(bound, linked).is_allowed
    assert not ask(bound, APP).is_allowed


@pytest.mark.parametrize("owner", ["role/x:role/aws-service-role/y/App", "user/x:role/aws-service-role/y/App"])
def test_control_policies_bind_a_role_whose_path_only_holds_that_text(owner: str) -> None:
    """A role whose path merely contains `:role/aws-service-role/` is no service-linked role.

    IAM accepts colons in a path, so an administrator can create one.
    """
    disguised = APP._replace(issuer_arn=f"arn:aws:iam::{ACCOUNT}:{owner}")
    assert not ask(Policies(identity=(ALLOWING,), service_control=(NARROW_SCP,)), disguised).is_allowed


def test_the_first_type_in_awss_order_is_named() -> None:
    """If several policy types deny, the decision names the first one in AWS's order.

    Explicit denies come before implicit denies.
    """
    refusing = Policies(
        identity=(SILENT,),
        boundary=NARROW_BOUNDARY,
        session=NARROW_SESSION,
        service_control=(NARROW_SCP,),
        resource_control=((),),
    )
    assert "resource control policy" == ask(refusing, APP).decided_by
    refusing = refusing._replace(resource_control=())
    assert "service control policy" == ask(refusing, APP).decided_by
    refusing = refusing._replace(service_control=())
    assert "identity-based policy" == ask(refusing, APP).decided_by
    refusing = refusing._replace(identity=(ALLOWING,))
    assert "permissions boundary" == ask(refusing, APP).decided_by
    refusing = refusing._replace(boundary=None)
    assert "session policy" == ask(refusing, APP).decided_by
    late_deny = refusing._replace(service_control=(NARROW_SCP,), session=((policy("session", deny()),),))
    assert ("ExplicitDeny", "session policy") == outcome(ask(late_deny, APP))


# --- calls that need no permission --------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["sts:GetCallerIdentity", "sts:GetSessionToken", "STS:getcalleridentity"])
def test_some_calls_need_no_permission_and_no_policy_denies_them(action: str) -> None:
    """GetCallerIdentity succeeds despite an explicit Deny, and a Deny of GetSessionToken by name has no effect."""
    denied = Policies(identity=(identity(deny()),))
    assert ("Allow", "no policy") == outcome(ask(denied, action=action, resource="*"))
    assert not ask(denied, action="sts:GetFederationToken", resource="*").is_allowed


def test_a_request_or_decision_does_not_print_its_context() -> None:
    """The repr of requests and decisions shows context keys without values, since a value may be an external ID."""
    decision = ask(Policies(identity=(ALLOWING,)), sts__ExternalId="hush")
    for printed in (repr(decision), repr(decision.request), str(decision)):
        assert "hush" not in printed
        assert "sts:ExternalId" in printed
