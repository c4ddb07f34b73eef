"""Unknown policies and context keys make an outcome unknown exactly if they could change it."""

from __future__ import annotations

from dsops.policy.simulation import PolicySet, Unread, read_caller
from tests.unit.policy.policies import ACCOUNT, OTHER_ROLE, SECRET, allow, deny, policy, trusting
from tests.unit.policy.simulation.test_outcome import (
    ALLOWS,
    TRUSTS_ACCOUNT,
    TRUSTS_ALICE,
    asked,
    given,
    identity,
    outcome,
)

READ = asked("secretsmanager:GetSecretValue", SECRET)
NOTHING: PolicySet = given(identity=None)


def verdict(found: PolicySet, *unread: str) -> str:
    """Return the verdict on alice's request to read a secret."""
    return outcome(READ, found, *[Unread(place, "denied") for place in unread]).verdict  # type: ignore[arg-type]


def test_what_is_unread_may_allow_or_deny() -> None:
    """An unread identity policy may allow or deny, so only an explicit deny is certain."""
    allows, denies = given(identity=identity(allow())), given(identity=identity(deny()))

    assert verdict(NOTHING, "identity") == "unknown"
    assert verdict(allows, "identity") == "unknown"
    assert verdict(denies, "identity") == "explicit-deny"
    assert verdict(allows) == "allow"


def test_at_best_what_is_unread_is_in_the_callers_favour() -> None:
    """`at_best` is the outcome if every unread policy favours the caller."""
    denies = given(identity=identity(deny()))
    unread = Unread("identity", "denied"), Unread("boundary", "denied")

    assert outcome(READ, NOTHING, *unread).at_best.is_allowed
    assert not outcome(READ, denies, *unread).at_best.is_allowed
    assert not outcome(READ, NOTHING).at_best.is_allowed


def test_limits_only_take_away() -> None:
    """An unread boundary, SCP or RCP can only deny: if no policy allows, the answer is a denial."""
    allows = given(identity=identity(allow()))
    for place in ("boundary", "scp", "rcp"):
        assert verdict(allows, place) == "unknown"
        assert verdict(NOTHING, place) == "deny"


def test_a_session_policy_that_is_unread_limits_a_session() -> None:
    """If a session policy could not be read, the verdict is unknown, because that policy may deny the request."""
    for caller in (f"arn:aws:iam::{ACCOUNT}:role/App", f"arn:aws:sts::{ACCOUNT}:federated-user/bob"):
        question = READ._replace(principal=read_caller(caller))

        assert outcome(question, given(identity=identity(allow())), Unread("session", "?")).verdict == "unknown"
        assert outcome(question, given(identity=identity(deny())), Unread("session", "?")).verdict == "explicit-deny"


def test_the_policy_of_a_resource_may_name_the_caller() -> None:
    """An unread resource policy may name the caller, so that only an explicit deny is certain."""
    assert verdict(NOTHING, "resource") == "unknown"
    assert verdict(given(identity=identity(allow())), "resource") == "unknown"
    assert verdict(given(identity=identity(deny())), "resource") == "explicit-deny"


def test_an_unread_trust_policy_of_another_account_does_not_help_who_may_not_call() -> None:
    """If a caller has no permission, an unread trust policy of another account cannot change the denial."""
    question = asked(resource=OTHER_ROLE)

    assert outcome(question, given(identity=None), Unread("trust", "?")).verdict == "deny"
    assert outcome(question, given(identity=ALLOWS), Unread("trust", "?")).verdict == "unknown"


def test_whether_there_is_a_boundary_is_open_too() -> None:
    """An unread boundary matters to a Deny with NotPrincipal, which applies to every user with a boundary."""
    resource = policy("resource", deny(NotPrincipal={"AWS": [ACCOUNT, READ.principal.arn]}))
    policies = given(identity=identity(allow()), resource=resource)

    assert verdict(policies) == "allow"
    assert verdict(policies, "boundary") == "unknown"
    assert verdict({**policies, "boundary": ((policy("boundary", allow()),),)}) == "explicit-deny"


def test_what_is_not_consulted_is_not_told_of() -> None:
    """Unread policies that AWS does not evaluate are not listed.

    AWS evaluates no identity policy or boundary for a root user, and no policy for GetCallerIdentity.
    """
    root = asked("s3:ListAllMyBuckets", "*", f"arn:aws:iam::{ACCOUNT}:root")
    unread = [Unread("identity", "denied"), Unread("boundary", "denied")]

    assert outcome(root, {}, *unread).unread == ()
    assert outcome(root, {}, *unread).verdict == "allow"
    assert outcome(asked("sts:GetCallerIdentity", "*"), {}, *unread).verdict == "allow"


class TestContext:
    """Context keys whose values are unknown."""

    TAGS = Unread("context", "GetUser was denied", ("aws:principaltag/", "aws:userid"))

    def test_a_condition_on_an_unknown_key_leaves_both_answers_open(self) -> None:
        """A condition on an unknown key makes Allow and Deny uncertain; a condition on a known key decides."""
        team = {"StringEquals": {"aws:PrincipalTag/team": "core"}}
        expected_values = {**team, "Bool": {"aws:SecureTransport": "false"}}
        allows = given(trust=trusting({"AWS": ACCOUNT}, Condition=team), identity=ALLOWS)
        never = given(trust=trusting({"AWS": ACCOUNT}, Condition=expected_values), identity=ALLOWS)
        denies = given(trust=TRUSTS_ALICE, identity=identity(deny("sts:*", Condition=team)))

        assert outcome(asked(), allows, self.TAGS).verdict == "unknown"
        assert outcome(asked(), never, self.TAGS).verdict == "implicit-deny"
        assert outcome(asked(), denies, self.TAGS).verdict == "unknown"

    def test_a_key_that_the_author_says_is_known(self) -> None:
        """A context key that the case gives is known, whether in upper or lower case."""
        team = {"StringEquals": {"aws:PrincipalTag/team": "core"}}
        policies = given(trust=trusting({"AWS": ACCOUNT}, Condition=team), identity=ALLOWS)
        question = asked()._replace(context={"AWS:PrincipalTag/Team": ("core",)})

        assert outcome(question, policies, self.TAGS).verdict == "allow"

    def test_a_variable_needs_a_value_too(self) -> None:
        """A policy variable is certain only if its value is known, in a resource and in a condition's value."""
        own = identity(allow("secretsmanager:*", "arn:aws:secretsmanager:*:*:secret:${aws:userid}"))
        resource = given(identity=own)
        value = {"StringEquals": {"sts:RoleSessionName": "${aws:PrincipalTag/name}"}}
        condition = given(trust=trusting({"AWS": ACCOUNT}, Condition=value), identity=ALLOWS)

        assert outcome(READ, resource, self.TAGS).verdict == "unknown"
        assert outcome(READ, resource).verdict == "implicit-deny"
        assert outcome(asked(sts__RoleSessionName="x"), condition, self.TAGS).verdict == "unknown"

    def test_keys_that_no_statement_looks_at_are_not_told_of(self) -> None:
        """Unknown keys that no statement reads are not listed and do not change the outcome."""
        answer = outcome(asked(), given(trust=TRUSTS_ACCOUNT, identity=ALLOWS), self.TAGS)

        assert (answer.verdict, answer.unread) == ("allow", ())

    def test_a_statement_about_another_action_does_not_matter(self) -> None:
        """An unknown key in a statement on another action does not change the outcome."""
        other = identity(allow("sts:*"), deny("s3:*", Condition={"Null": {"aws:PrincipalTag/team": "true"}}))

        assert outcome(asked(), given(trust=TRUSTS_ACCOUNT, identity=other), self.TAGS).verdict == "allow"
