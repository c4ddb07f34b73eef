"""The outcome of a simulated case, and its comparison with the expectation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dsops.policy.simulation import (
    CaseQuestion,
    Expected,
    Outcome,
    PolicySet,
    Unread,
    differences,
    read_caller,
    simulate,
)
from tests.unit.policy.policies import ACCOUNT, OTHER_ROLE, ROLE, SECRET, allow, deny, policy, trusting

if TYPE_CHECKING:
    from dsops.policy import Policy
    from dsops.policy.simulation import Place

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234"


def asked(action: str = "sts:AssumeRole", resource: str = ROLE, principal: str = ALICE, **context: str) -> CaseQuestion:
    """Return a question; context keys are written with `__` in place of the colon."""
    case_context = {key.replace("__", ":"): (value,) for key, value in context.items()}
    account = resource.split(":")[4] if resource != "*" else ACCOUNT
    return CaseQuestion(read_caller(principal), action, resource, account or ACCOUNT, case_context)


def given(**found: Policy | None) -> PolicySet:
    """Return a set with one policy in each of these places; None means that no policy exists there."""
    places: dict[Place, tuple[tuple[Policy, ...], ...]] = {}
    for place, value in found.items():
        places[place] = ((value,),) if value is not None else ()  # type: ignore[index]  # names are places here
    return places


def outcome(question: CaseQuestion, found: PolicySet, *unread: Unread) -> Outcome:
    """Return the outcome for the question at noon."""
    return simulate(question, found, unread, NOW)


def identity(*statements: object) -> Policy:
    """Return an identity policy."""
    return policy("identity", *statements)


ALLOWS = identity(allow("sts:*"))
TRUSTS_ACCOUNT = trusting({"AWS": ACCOUNT})
TRUSTS_ALICE = trusting({"AWS": ALICE})


class TestAnswer:
    """Outcomes that `dsops.policy.evaluation.evaluate` decides; the function has its own tests."""

    def test_a_trust_policy_that_names_the_account_leaves_it_to_the_callers_policies(self) -> None:
        """If the trust policy names the account, the caller's policies decide.

        A user that the trust policy names needs no policy (as on AWS).
        """
        assert outcome(asked(), given(trust=TRUSTS_ACCOUNT)).verdict == "implicit-deny"
        assert outcome(asked(), given(trust=TRUSTS_ACCOUNT, identity=ALLOWS)).verdict == "allow"
        assert outcome(asked(), given(trust=TRUSTS_ALICE)).verdict == "allow"

    def test_across_accounts_both_must_allow(self) -> None:
        """Across accounts the trust policy and the caller's policies must both allow."""
        question = asked(resource=OTHER_ROLE)

        assert outcome(question, given(trust=TRUSTS_ALICE)).verdict == "implicit-deny"
        assert outcome(question, given(trust=TRUSTS_ALICE, identity=ALLOWS)).verdict == "allow"
        assert outcome(question, given(trust=trusting({"AWS": "777788889999"}), identity=ALLOWS)).verdict == (
            "implicit-deny"
        )

    @pytest.mark.parametrize("place", ["boundary", "session", "scp"])
    def test_a_limit_must_allow_too(self, place: Place) -> None:
        """A boundary, session policy or organization level must allow as well; a denial of one of them denies."""
        question = asked("secretsmanager:GetSecretValue", SECRET, f"arn:aws:iam::{ACCOUNT}:role/App")
        own = given(identity=identity(allow()))

        assert outcome(question, {**own, place: ((policy(place, allow("secretsmanager:*")),),)}).verdict == "allow"
        assert outcome(question, {**own, place: ((policy(place, allow("s3:*")),),)}).verdict == "implicit-deny"
        assert outcome(question, {**own, place: ((policy(place, allow(), deny()),),)}).verdict == "explicit-deny"

    def test_several_session_policies_of_one_layer_add_up_and_layers_do_not(self) -> None:
        """Session policies passed in one call form a union; those passed in the next call limit the session further."""
        question = asked("secretsmanager:GetSecretValue", SECRET, f"arn:aws:iam::{ACCOUNT}:role/App")
        reads, other = policy("session", allow("secretsmanager:*")), policy("session", allow("s3:*"))
        own = given(identity=identity(allow()))

        assert outcome(question, {**own, "session": ((reads, other),)}).verdict == "allow"
        assert outcome(question, {**own, "session": ((reads,), (other,))}).verdict == "implicit-deny"

    def test_full_access_is_on_every_level_of_resource_control_policies(self) -> None:
        """RCPFullAWSAccess allows on every level and cannot be detached, so resource control policies can only deny."""
        question = asked(resource=ROLE)
        far = policy("rcp", deny("sts:*", Principal="*", Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}))
        policies = {**given(trust=TRUSTS_ALICE), "rcp": ((far,), ())}

        assert outcome(question, policies).verdict == "explicit-deny"
        assert outcome(question._replace(context={"aws:PrincipalOrgID": ("o-1",)}), policies).verdict == "allow"

    def test_resource_control_policies_have_no_say_in_services_without_them(self) -> None:
        """Resource control policies do not apply to services without support for them, such as IAM."""
        denies = policy("rcp", deny(["iam:*", "secretsmanager:*"], Principal="*"))
        policies = {**given(identity=identity(allow()), trust=None), "rcp": ((denies,),)}

        assert outcome(asked("iam:GetRole", ROLE), policies).verdict == "allow"
        assert outcome(asked("secretsmanager:GetSecretValue", SECRET), policies).verdict == "explicit-deny"

    def test_service_control_policies_do_not_bind_who_has_no_account(self) -> None:
        """Service control policies do not apply to callers without an account (services, unauthenticated workflows)."""
        scp = policy("scp", allow("s3:*"))
        trust = trusting({"Service": "ec2.amazonaws.com"})

        assert outcome(asked(principal="ec2.amazonaws.com"), given(trust=trust, scp=scp)).verdict == "allow"
        assert outcome(asked(), given(trust=TRUSTS_ALICE, scp=scp)).verdict == "implicit-deny"

    @pytest.mark.parametrize(
        ("principal", "action", "resource"),
        [
            (f"arn:aws:iam::{ACCOUNT}:root", "sts:AssumeRole", ROLE),
            (f"arn:aws:iam::{ACCOUNT}:role/App", "sts:GetSessionToken", "*"),
            (f"arn:aws:iam::{ACCOUNT}:role/App", "sts:GetFederationToken", "*"),
            (f"arn:aws:sts::{ACCOUNT}:federated-user/bob", "sts:AssumeRole", ROLE),
            (f"arn:aws:sts::{ACCOUNT}:federated-user/bob", "iam:GetUser", "*"),
        ],
    )
    def test_some_callers_are_refused_whatever_policies_say(self, principal: str, action: str, resource: str) -> None:
        """AWS denies some callers whatever their policies allow; it does not deny a user who sends the same request."""
        policy_set = given(identity=identity(allow()), session=policy("session", allow()))
        if resource == ROLE:
            policy_set = {**policy_set, **given(trust=trusting("*"))}
        refused = outcome(asked(action, resource, principal), policy_set)
        allowed = outcome(asked(action, resource), policy_set)

        assert (refused.verdict, bool(refused.refusal)) == ("implicit-deny", True)
        assert (allowed.verdict, allowed.refusal) == ("allow", "")

    def test_a_federated_user_may_ask_who_he_is(self) -> None:
        """A federated user may call GetCallerIdentity, as every caller may."""
        question = asked("sts:GetCallerIdentity", "*", f"arn:aws:sts::{ACCOUNT}:federated-user/bob")

        assert outcome(question, {}).verdict == "allow"


class TestNotGiven:
    """Policies that every resource has are unknown if the case does not give them; they do not count as missing."""

    def test_a_role_without_a_trust_policy_gives_no_answer(self) -> None:
        """If the case gives no trust policy for the role, the outcome is unknown, unless other policies deny."""
        assert outcome(asked(), given(identity=ALLOWS)).verdict == "unknown"
        assert outcome(asked(), given(identity=identity(deny("sts:*")))).verdict == "explicit-deny"
        assert outcome(asked(), given(identity=ALLOWS, trust=None)).verdict == "implicit-deny"

    def test_a_key_has_a_policy_and_an_alias_has_none(self) -> None:
        """If the case gives no policy for a KMS key, the outcome is unknown; an alias has no policy."""
        policies = given(identity=identity(allow("kms:*")))

        assert outcome(asked("kms:Decrypt", KEY), policies).verdict == "unknown"
        assert outcome(asked("kms:Decrypt", KEY), {**policies, "resource": ()}).verdict == "implicit-deny"
        assert outcome(asked("kms:ListKeys", "*"), policies).verdict == "allow"

    def test_any_other_resource_without_a_policy_has_none(self) -> None:
        """If the case gives no policy for a resource of another kind, the resource counts as having no policy."""
        question = asked("secretsmanager:GetSecretValue", SECRET)

        assert outcome(question, given(identity=identity(allow()))).verdict == "allow"


class TestDifferences:
    """Comparison of an outcome with the expectation."""

    def test_each_expectation_is_met_by_its_answer_only(self) -> None:
        """`deny` accepts implicit, explicit and undetermined denials; no expectation accepts `unknown`."""
        allowed = outcome(asked(), given(trust=TRUSTS_ALICE))
        implicit = outcome(asked(), given(trust=TRUSTS_ACCOUNT))
        explicit = outcome(asked(), given(trust=TRUSTS_ALICE, identity=identity(deny())))
        either = outcome(asked(), given(trust=TRUSTS_ACCOUNT, identity=None), Unread("scp", "nobody may"))
        unknown = outcome(asked(), given(identity=ALLOWS))

        met = {
            name: {
                word
                for word in ("allow", "deny", "explicit-deny", "implicit-deny")
                if not differences(value, Expected(word))
            }
            for name, value in {
                "allow": allowed,
                "implicit": implicit,
                "explicit": explicit,
                "either": either,
                "unknown": unknown,
            }.items()
        }
        assert met == {
            "allow": {"allow"},
            "implicit": {"deny", "implicit-deny"},
            "explicit": {"deny", "explicit-deny"},
            "either": {"deny"},
            "unknown": set(),
        }

    def test_each_of_several_policies_that_had_to_allow_decides(self) -> None:
        """If several policies have to allow, `decided_by` accepts each of them, by kind and Sid."""
        trust = trusting({"AWS": ACCOUNT}, Sid="Partner")
        answer = outcome(asked(resource=OTHER_ROLE), given(trust=trust, identity=identity(allow("sts:*", Sid="Mine"))))

        assert differences(answer, Expected("allow", "role trust policy", "Partner")) == ()
        assert differences(answer, Expected("allow", "identity-based policy", "Mine", 1)) == ()
        assert differences(answer, Expected("allow", sid="Partner")) == ()
        assert differences(answer, Expected("allow", "identity-based policy", "Partner")) == (
            "expected the statement `Partner` to decide, the one on line 1 (`Mine`) did",
        )
        assert differences(answer, Expected("allow", "session policy")) == (
            "expected to be decided by the session policy, was by the role trust policy and the identity-based policy",
        )

    def test_what_need_not_allow_does_not_decide(self) -> None:
        """`decided_by` rejects a policy that did not have to allow, such as the policy of a trusted user."""
        answer = outcome(asked(), given(trust=TRUSTS_ALICE, identity=ALLOWS))

        assert differences(answer, Expected("allow", "role trust policy")) == ()
        assert differences(answer, Expected("allow", "identity-based policy")) != ()

    def test_of_a_denial_the_denying_statement_is_told(self) -> None:
        """For a denial `decided_by` accepts only the statement that denies; for an implicit denial it accepts none."""
        denied = outcome(
            asked(), given(trust=TRUSTS_ALICE, identity=identity(allow("sts:*", Sid="Yes"), deny("sts:*", Sid="No")))
        )
        missing = outcome(asked(), given(trust=TRUSTS_ACCOUNT))

        assert differences(denied, Expected("deny", "identity-based policy", "No")) == ()
        assert differences(denied, Expected("deny", sid="Yes")) == (
            "expected the statement `Yes` to decide, the one on line 1 (`No`) did",
        )
        assert differences(missing, Expected("deny", "identity-based policy")) == ()
        assert differences(missing, Expected("deny", statement_line=3)) == (
            "expected the statement on line 3 to decide, none did",
        )
