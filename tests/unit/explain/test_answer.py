"""What the policies say -> the first broken place, its cause, how sure that is, and the cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dsops.errors import AssumeRoleDenied, SecretAccessDenied, Where
from dsops.explain.findings.answer import distinct, findings_of
from dsops.explain.questions.about import About
from dsops.explain.questions.sentence import Said
from dsops.policy.simulation import CaseQuestion, Unread, full_access, read_caller, simulate
from tests.fakes import NOON
from tests.plans import plan_of
from tests.unit.policy.policies import ACCOUNT, ALICE, APP, OTHER, SECRET, allow, deny, policy, trust, trusting

if TYPE_CHECKING:
    from dsops.explain.finding import RefusalFinding
    from dsops.policy import Policy, Principal
    from dsops.policy.simulation import Place, PolicySet

COMPANY = f"arn:aws:iam::{ACCOUNT}:saml-provider/company"
ASSERTION = read_caller(COMPANY)
TARGET = f"arn:aws:iam::{ACCOUNT}:role/Target"
ELSEWHERE = f"arn:aws:iam::{OTHER}:role/Target"
CONFIG = """\
secretStores:
  app: {type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/service/App", session_policy: '{}'}
  target:
    type: aws.sts
    role_arn: arn:aws:iam::111122223333:role/Target
    credentials_from: app
"""
ALL = policy("identity", allow("sts:*"))
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
READ = "secretsmanager:GetSecretValue"


def edit_at(store: str, key: str) -> Where:
    """Where a key of a store stands, or would."""
    return Where(f"{store}.{key}", 1)


def findings(
    principal: Principal = ALICE,
    action: str = "sts:AssumeRole",
    resource: str = TARGET,
    *unread: Unread,
    said: Said | None = None,
    context: dict[str, str] | None = None,
    actions: tuple[str, ...] = (),
    **given: Any,
) -> list[RefusalFinding]:
    """Those of a call with these policies; a policy that is not given is none."""
    places: dict[Place, tuple[tuple[Policy, ...], ...]] = {"scp": (), "rcp": (), "session": (), "resource": ()}
    missing = {each.place for each in unread}
    for place in ("identity", "boundary"):
        if place not in missing:
            places[place] = ()
    for place, each in given.items():
        places[place] = ((each,),) if each is not None else ()  # type: ignore[index]  # names are places here
    asked = CaseQuestion(
        principal, action, resource, resource.split(":")[4], {k: (v,) for k, v in (context or {}).items()}
    )
    kept = {place: each for place, each in places.items() if place not in missing or place in given}
    outcome = simulate(asked, kept, unread, NOON)
    step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
    about = About(outcome.decision.request, step, 2, edit_at, actions=actions)
    error = AssumeRoleDenied("no", hint="check the trust policy", where=Where("dsops.yaml", 5))
    return findings_of(outcome, said or Said(), about, error)


ANY = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


class TestCause:
    """One word for each way to be refused."""

    @pytest.mark.parametrize(
        ("given", "context", "cause"),
        [
            (trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "a"}}), {}, "external-id-missing"),
            (
                trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "a"}}),
                {"sts:ExternalId": "A"},
                "external-id-different",
            ),
            (
                trusting(ROOT, Condition={"Null": {"sts:ExternalId": "true"}}),
                {"sts:ExternalId": "A"},
                "external-id-unwanted",
            ),
            (trusting(ROOT, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}), {}, "mfa-missing"),
            (
                trust(
                    allow("sts:AssumeRole", None, Principal=ROOT),
                    deny("*", None, Principal="*", Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}),
                ),
                {"aws:MultiFactorAuthPresent": "false"},
                "mfa-missing",
            ),
            (
                trusting(ROOT, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
                {"aws:SourceIp": "203.0.113.7"},
                "source-address",
            ),
            (trusting(ROOT, Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}), {}, "network"),
            (trusting(ROOT, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), {}, "organization"),
            (trusting(ROOT, Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}}), {}, "principal-tag"),
            (trusting(ROOT, Condition={"StringEquals": {"aws:RequestTag/team": "a"}}), {}, "session-tags"),
            (trusting(ROOT, Condition={"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}), {}, "time"),
            (
                trusting(ROOT, Condition={"StringLike": {"sts:RoleSessionName": "ci-*"}}),
                {"sts:RoleSessionName": "ada"},
                "session-name",
            ),
            (trusting(ROOT, Condition={"StringEquals": {"sts:SourceIdentity": "ada"}}), {}, "source-identity"),
            (
                trusting(ROOT, Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
                {"aws:MultiFactorAuthPresent": "true"},
                "condition",
            ),
            (
                trusting(ROOT, Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "60"}}),
                {"aws:MultiFactorAuthAge": "61"},
                "mfa-missing",
            ),
            (trusting(ROOT, Condition={"StringEquals": {"aws:SomethingNew": "a"}}), {}, "condition"),
            (trusting({"AWS": OTHER}), {}, "trust-principal"),
            (trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}), {}, "trust-user"),
            (trusting({"AWS": "AIDAOFSOMEBODYDELETED1"}), {}, "trust-deleted"),
            (trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"}), {}, "trust-path"),
            (trusting({"Service": "ec2.amazonaws.com"}), {}, "trust-principal"),
            (trust(deny("sts:*", None, Principal="*")), {}, "trust-policy"),
        ],
    )
    def test_a_trust_policy_refuses_for_a_reason(self, given: Policy, context: dict[str, str], cause: str) -> None:
        """Everything is read, so it is proven."""
        found = findings(identity=ALL, trust=given, context=context)

        assert [(cause, "proven", "role trust policy")] == [
            (each.cause, each.certainty, each.place.policy_type) for each in found
        ]

    @pytest.mark.parametrize(
        ("given", "cause", "policy_type"),
        [
            ({}, "identity-policy", "identity-based policy"),
            ({"identity": ALL, "boundary": policy("boundary", allow("s3:*"))}, "boundary", "permissions boundary"),
            (
                {"identity": policy("identity", allow("sts:*"), deny("sts:AssumeRole"))},
                "identity-policy",
                "identity-based policy",
            ),
            (
                {"identity": ALL, "scp": policy("scp", deny("sts:*"))},
                "service-control-policy",
                "service control policy",
            ),
        ],
    )
    def test_the_callers_side_refuses(self, given: dict[str, Any], cause: str, policy_type: str) -> None:
        """The trust policy names the account, so the caller's own policies decide."""
        found = findings(trust=trusting(ROOT), **given)

        assert (cause, "proven", policy_type) == (found[0].cause, found[0].certainty, found[0].place.policy_type)

    def test_a_session_policy_is_that_of_the_store_that_issued_the_session(self) -> None:
        """The place is the hop before, where the policy is written."""
        found = findings(APP, identity=ALL, trust=trusting(ROOT), session=policy("session", allow("s3:*")))

        assert ("session-policy", "app", Where("app.session_policy", 1)) == (
            found[0].cause,
            found[0].place.store,
            found[0].remedy.where,
        )

    @pytest.mark.parametrize(
        ("action", "cause"),
        [
            ("sts:TagSession", "tag-session"),
            ("sts:SetSourceIdentity", "set-source-identity"),
            ("sts:SetContext", "set-context"),
        ],
    )
    def test_an_action_besides_assume_role_is_missing(self, action: str, cause: str) -> None:
        """Where the trust policy allows sts:AssumeRole to that caller."""
        found = findings(action=action, actions=("sts:AssumeRole", action), identity=ALL, trust=trusting(ROOT))

        assert (cause, "proven") == (found[0].cause, found[0].certainty)
        assert found[0].remedy.statement is not None
        assert ["sts:AssumeRole", action] == found[0].remedy.statement["Action"]

    def test_what_is_allowed_is_no_reason(self) -> None:
        """AWS said no, and all that was read says yes: then nothing is claimed."""
        found = findings(identity=ALL, trust=trusting(ROOT))

        assert [("not-read", "missing")] == [(each.cause, each.certainty) for each in found]

    @pytest.mark.parametrize("is_by_files", [True, False])
    def test_files_that_allow_what_aws_refuses_may_be_others_than_what_is_there(self, *, is_by_files: bool) -> None:
        """A template that is not deployed, or details of yesterday."""
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        asked = CaseQuestion(ALICE, "sts:AssumeRole", TARGET, ACCOUNT, {})
        places: PolicySet = {"trust": ((trusting(ROOT),),), "identity": ((ALL,),), "scp": (), "rcp": ()}
        outcome = simulate(asked, places, (), NOON)
        about = About(outcome.decision.request, step, 1, edit_at, is_by_files=is_by_files)

        (found,) = findings_of(outcome, Said(), about, AssumeRoleDenied("no"))

        assert ("not-read", is_by_files) == (found.cause, found.remedy.text.startswith("compare the files"))


class TestNearest:
    """Which statement is named."""

    def test_the_statement_that_names_the_caller_is_nearer(self) -> None:
        """Than one that only names somebody else."""
        given = trust(
            allow("sts:AssumeRole", None, Principal={"AWS": OTHER}, Sid="Others"),
            allow(
                "sts:AssumeRole",
                None,
                Principal=ROOT,
                Sid="Ours",
                Condition={"StringEquals": {"sts:ExternalId": "a", "aws:PrincipalOrgID": "o-1"}},
            ),
        )

        found = findings(identity=ALL, trust=given)

        assert ("external-id-missing", 2, "Ours") == (found[0].cause, found[0].place.statement, found[0].place.sid)

    def test_a_statement_about_another_service_is_not_near(self) -> None:
        """Nobody wants to hear of S3 where sts:AssumeRole is not allowed."""
        found = findings(identity=policy("identity", allow("s3:*")), trust=trusting(ROOT))

        assert (0, ()) == (found[0].place.statement, found[0].mismatches)


class TestCertainty:
    """Proven only where nothing unread could change it."""

    def test_a_refusal_that_stands_whatever_is_unread_is_proven(self) -> None:
        """The trust policy is read and does not name the caller."""
        unread = (Unread("identity", "denied"), Unread("scp", "denied"), Unread("boundary", "denied"))

        found = findings(ALICE, "sts:AssumeRole", TARGET, *unread, trust=trusting({"AWS": OTHER}))

        assert [("trust-principal", "proven", ())] == [(each.cause, each.certainty, each.facts) for each in found]

    def test_policies_that_are_half_read_are_likely(self) -> None:
        """What was read does not allow; what was not might."""
        unread = Unread("identity", "not allowed to read policy B")
        half = policy("identity", allow("sts:AssumeRole", f"{TARGET}2"))

        found = findings(ALICE, "sts:AssumeRole", TARGET, unread, identity=half, trust=trusting(ROOT))

        assert ("identity-policy", "likely") == (found[0].cause, found[0].certainty)
        assert ["the policies of user alice"] == [fact.what for fact in found[0].facts]

    def test_nothing_is_claimed_of_policies_that_nobody_may_read(self) -> None:
        """Neither trust policy nor the caller's: each is a fact that is missing, with who can look it up."""
        unread = (Unread("trust", "denied"), Unread("identity", "denied"))

        found = findings(ALICE, "sts:AssumeRole", TARGET, *unread)

        assert [("trust-policy", "missing")] == [(each.cause, each.certainty) for each in found]
        assert [f"an administrator of account {ACCOUNT}"] * 2 == [fact.who for fact in found[0].facts]
        assert all(fact.command for fact in found[0].facts)

    def test_what_is_left_is_likely(self) -> None:
        """The caller's own policies allow it, so the other account's trust policy does not."""
        found = findings(ALICE, "sts:AssumeRole", ELSEWHERE, Unread("trust", "another account"), identity=ALL)

        assert [("trust-policy", "likely")] == [(each.cause, each.certainty) for each in found]

    def test_what_is_allowed_under_a_condition_that_nobody_can_judge_is_not_told_as_allowed(self) -> None:
        """Then the trust policy that nobody may read is not all that is left."""
        condition = {"StringEquals": {"aws:ResourceOrgID": "o-1"}}
        unread = (
            Unread("trust", "another account"),
            Unread("context", "not allowed to ask", ("aws:resourceorgid", "aws:resourceorgpaths")),
        )
        given = policy("identity", allow("sts:*", Condition=condition))

        first, lead = findings(ALICE, "sts:AssumeRole", ELSEWHERE, *unread, identity=given)

        assert ("trust-policy", "missing", True) == (first.cause, first.certainty, "gives no reason" in first.message)
        assert ["the call's aws:resourceorgid", f"the trust policy of {ELSEWHERE}"] == [
            fact.what for fact in first.facts
        ]
        assert ("organization", "missing", 1) == (lead.cause, lead.certainty, lead.place.statement)

    def test_a_variable_that_nobody_knows_is_not_told_as_having_no_value(self) -> None:
        """A tag that a base session brings along; one that is known to be missing is told so."""
        given = policy("identity", allow("sts:*", "arn:aws:iam::*:role/${aws:PrincipalTag/team}"))
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        asked = CaseQuestion(ALICE, "sts:AssumeRole", TARGET, ACCOUNT, {})
        places: PolicySet = {"trust": ((trusting(ROOT),),), "identity": ((given,),), "scp": (), "rcp": ()}
        hints = []
        for unknown in (("aws:principaltag/",), ()):
            outcome = simulate(asked, places, (Unread("context", "nobody tells", unknown),), NOON)
            about = About(outcome.decision.request, step, 1, edit_at, unknown_keys=unknown)
            (found,) = findings_of(outcome, Said(), about, AssumeRoleDenied("no"))
            hints.append((found.certainty, found.mismatches[0].hint))

        assert [
            ("likely", "what the call has of aws:principaltag/team is not known here"),
            ("proven", "${aws:PrincipalTag/team} has no value in this request"),
        ] == hints

    def test_an_address_that_only_aws_sees_is_never_proven(self) -> None:
        """The condition on it may be met."""
        given = trusting(ROOT, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
        unread = Unread("context", "only AWS sees it", ("aws:sourceip",))

        found = findings(ALICE, "sts:AssumeRole", TARGET, unread, identity=ALL, trust=given)

        assert [("source-address", "likely")] == [(each.cause, each.certainty) for each in found]

    def test_what_nobody_knows_of_the_call_is_not_told_as_missing(self) -> None:
        """An external ID may well have been sent."""
        given = trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "a"}})
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        asked = CaseQuestion(ALICE, "sts:AssumeRole", TARGET, ACCOUNT, {})
        unread = (Unread("context", "left out", ("sts:externalid",)),)
        outcome = simulate(asked, {"trust": ((given,),), "identity": ((ALL,),), "scp": (), "rcp": ()}, unread, NOON)
        about = About(outcome.decision.request, step, 1, edit_at, unknown_keys=("sts:externalid",))

        (found,) = findings_of(outcome, Said(), about, AssumeRoleDenied("no"))

        assert ("external-id-different", "likely", False) == (
            found.cause,
            found.certainty,
            found.mismatches[0].is_known,
        )
        assert "is not known here" in found.message

    def test_a_deny_that_nobody_can_judge_here_is_likely_what_denies(self) -> None:
        """All else that was read allows it; the statement keeps its number, and its condition."""
        given = trust(
            allow("sts:AssumeRole", None, Principal={"AWS": OTHER}, Condition={"Bool": {"aws:SourceIp": "true"}}),
            allow("sts:AssumeRole", None, Principal=ROOT),
            deny("sts:*", None, Principal="*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        )
        unread = Unread("context", "only AWS sees it", ("aws:sourceip",))

        (found,) = findings(ALICE, "sts:AssumeRole", TARGET, unread, identity=ALL, trust=given)

        assert ("source-address", "likely", 3) == (found.cause, found.certainty, found.place.statement)
        assert [("192.0.2.0/24",)] == [each.wanted for each in found.mismatches]

    @pytest.mark.parametrize(("denies", "statement"), [(1, 2), (2, 0)])
    def test_the_only_deny_that_may_be_meant_is_the_one_that_aws_means(self, denies: int, statement: int) -> None:
        """AWS names the kind of policy; of two nobody here can tell which it was."""
        office = deny("sts:*", Condition={"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
        given = policy("identity", allow("sts:*"), *[office] * denies)
        unread = Unread("context", "only AWS sees it", ("aws:sourceip",))
        said = Said(policy_type="identity-based policy", is_deny=True)

        (found,) = findings(ALICE, "sts:AssumeRole", TARGET, unread, said=said, identity=given, trust=trusting(ROOT))

        assert ("proven", statement) == (found.certainty, found.place.statement)

    def test_a_statement_keeps_its_number_where_others_hang_on_what_is_unknown(self) -> None:
        """They are left out while it is judged, and not while it is told of."""
        given = trust(
            allow("sts:AssumeRole", None, Principal=ROOT, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            deny("sts:*", None, Principal="*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            deny("sts:AssumeRole", None, Principal="*", Sid="Closed"),
        )
        unread = Unread("context", "only AWS sees it", ("aws:sourceip",))

        (found,) = findings(ALICE, "sts:AssumeRole", TARGET, unread, identity=ALL, trust=given)

        assert ("proven", 3, "Closed") == (found.certainty, found.place.statement, found.place.sid)

    def test_a_roles_tag_may_be_overruled_by_its_sessions(self) -> None:
        """Of a base session nobody tells the tags."""
        given = trusting(ROOT, Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}})
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        asked = CaseQuestion(APP, "sts:AssumeRole", TARGET, ACCOUNT, {"aws:PrincipalTag/team": ("b",)})
        outcome = simulate(asked, {"trust": ((given,),), "identity": ((ALL,),)}, (), NOON)
        about = About(outcome.decision.request, step, 1, edit_at)

        certainties = [
            findings_of(outcome, Said(), about._replace(unknown_keys=keys), AssumeRoleDenied("no"))[0].certainty
            for keys in ((), ("aws:principaltag/",))
        ]

        assert ["proven", "likely"] == certainties

    def test_a_role_whose_path_is_unknown_may_be_the_one_that_is_named(self) -> None:
        """A session's ARN has no path, and roles of IAM Identity Center have one."""
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        caller = APP._replace(issuer_arn=f"arn:aws:iam::{ACCOUNT}:role/App")
        asked = CaseQuestion(caller, "sts:AssumeRole", TARGET, ACCOUNT, {})
        given = trusting({"AWS": APP.issuer_arn})
        outcome = simulate(asked, {"trust": ((given,),), "identity": ((ALL,),)}, (), NOON)

        certainties = [
            findings_of(
                outcome,
                Said(),
                About(outcome.decision.request, step, 1, edit_at, is_role_exact=exact),
                AssumeRoleDenied("no"),
            )[0].certainty
            for exact in (True, False)
        ]

        assert ["proven", "likely"] == certainties


class TestWhatAwsSays:
    """AWS names the kind of policy in newer sentences."""

    def test_its_word_counts_where_the_policy_is_unread(self) -> None:
        """No statement is claimed then."""
        said = Said(policy_type="service control policy", is_deny=True)

        found = findings(
            ALICE, "sts:AssumeRole", TARGET, Unread("scp", "denied"), said=said, identity=ALL, trust=trusting(ROOT)
        )

        assert [("service-control-policy", "proven", 0)] == [
            (each.cause, each.certainty, each.place.statement) for each in found
        ]

    def test_a_policy_that_nobody_evaluates_here_is_told_by_its_word(self) -> None:
        """Which endpoint a call goes through only AWS sees."""
        for is_deny in (True, False):
            said = Said(policy_type="VPC endpoint policy", is_deny=is_deny)

            found = findings(said=said, identity=ALL, trust=trusting(ROOT))

            assert [("endpoint-policy", "proven")] == [(each.cause, each.certainty) for each in found]

    def test_a_statement_for_an_endpoints_policy_has_a_principal(self) -> None:
        """It would not be taken without; one of a gateway endpoint names nobody but by a condition."""
        (found,) = findings(APP, said=Said(policy_type="VPC endpoint policy"), identity=ALL, trust=trusting(ROOT))

        assert found.remedy.statement is not None
        assert ("*", {"ArnEquals": {"aws:PrincipalArn": APP.issuer_arn}}) == (
            found.remedy.statement["Principal"],
            found.remedy.statement["Condition"],
        )

    def test_its_word_comes_before_what_would_refuse_as_well(self) -> None:
        """Both are told."""
        said = Said(policy_type="permissions boundary")

        found = findings(said=said, boundary=policy("boundary", allow("s3:*")), trust=trusting(ROOT))

        assert ["boundary", "identity-policy"] == [each.cause for each in found]


class TestSecrets:
    """A secret's whole ARN may be unknown."""

    GUESS = SECRET.replace("-AbCdEf", "-??????")

    def test_a_statement_for_nearly_that_name_hints_at_a_slip(self) -> None:
        """A misspelt name is refused in the same words."""
        given = policy("identity", allow(READ, self.GUESS.replace("prod/db", "prod/dbs")))

        found = findings(APP, READ, self.GUESS, Unread("resource", "denied"), identity=given)

        assert ("secret-missing", "likely") == (found[0].cause, found[0].certainty)
        assert found[0].remedy.text.startswith("did you mean `prod/dbs`")

    def test_a_condition_does_not_depend_on_the_name(self) -> None:
        """So it is proven, whatever the six characters are."""
        given = policy("identity", allow(READ, "*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))

        found = findings(APP, READ, self.GUESS, identity=given)

        assert ("mfa-missing", "proven") == (found[0].cause, found[0].certainty)


WANTS_NONE = "the trust policy of role Target wants none"


class TestRemedy:
    """What to do is an edit with its line, or a statement and where it belongs."""

    def test_an_external_id_is_set_on_the_hop(self) -> None:
        """Its value is never told."""
        given = trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "not-to-be-told"}})

        (found,) = findings(identity=ALL, trust=given)

        assert Where("target.external_id", 1) == found.remedy.where
        assert "not-to-be-told" not in repr(found)

    def test_white_space_is_told(self) -> None:
        """The eye passes over it."""
        given = trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "same "}})

        (found,) = findings(identity=ALL, trust=given, context={"sts:ExternalId": "same"})

        assert "white space" in found.message

    @pytest.mark.parametrize(
        ("operator", "value", "context", "message", "remedy"),
        [
            (
                "Null",
                "false",
                {},
                "asks for session tags that were not sent",
                "set `tags` on store `target` to what the trust policy of role Target wants",
            ),
            (
                "Null",
                "true",
                {"aws:RequestTag/team": "a"},
                "asks for a call without aws:RequestTag/team",
                "leave what aws:RequestTag/team is about out of `tags` on store `target`: " + WANTS_NONE,
            ),
            (
                "StringEquals",
                "b",
                {"aws:RequestTag/team": "a"},
                "asks for other session tags than were sent",
                "set `tags` on store `target` to what the trust policy of role Target wants (b)",
            ),
        ],
        ids=["to be there", "not to be there", "another"],
    )
    def test_what_null_wants_is_no_value(
        self, operator: str, value: str, context: dict[str, str], message: str, remedy: str
    ) -> None:
        """`false` is no tag's value: something has to be there, or nothing."""
        given = trusting(ROOT, Condition={operator: {"aws:RequestTag/team": value}})

        (found,) = findings(ALICE, "sts:AssumeRole", TARGET, context=context, identity=ALL, trust=given)

        assert (message, remedy) == (found.message.removeprefix("the trust policy of role Target "), found.remedy.text)

    @pytest.mark.parametrize(
        ("value", "context", "remedy"),
        [
            ("true", {}, "set `tags` on store `target` to what the trust policy of role Target wants"),
            (
                "false",
                {"aws:RequestTag/team": "a"},
                "leave what aws:RequestTag/team is about out of `tags` on store `target`: " + WANTS_NONE,
            ),
        ],
        ids=["without one", "with one"],
    )
    def test_what_null_denies_is_to_be_the_other_way(self, value: str, context: dict[str, str], remedy: str) -> None:
        """A Deny of whoever sends no tag, or of whoever does."""
        given = trust(
            allow("sts:AssumeRole", None, Principal=ROOT),
            deny("*", None, Principal="*", Condition={"Null": {"aws:RequestTag/team": value}}),
        )

        (found,) = findings(ALICE, "sts:AssumeRole", TARGET, context=context, identity=ALL, trust=given)

        assert remedy == found.remedy.text

    @pytest.mark.parametrize(
        ("key", "remedy"),
        [
            ("aws:SourceIdentity", "set `source_identity` on store `app` to what"),
            ("aws:RequestTag/team", "call as the condition wants it, or change the condition"),
            ("aws:RequestedRegion", "set `region` on store `secrets` to what"),
        ],
    )
    def test_what_a_read_does_not_send_is_not_to_be_set_on_it(self, key: str, remedy: str) -> None:
        """What its session has was sent when that was issued; a read has a region and nothing else."""
        given = policy("identity", allow(READ, Condition={"StringEquals": {key: "x"}}))
        config = CONFIG.replace("'{}'", f"'{ANY}'") + "  secrets: {type: aws.secretsmanager, credentials_from: app}\n"
        step = plan_of(config, store="secrets").steps["secrets"]
        places: PolicySet = {"identity": ((given,),), "scp": (), "rcp": ()}
        outcome = simulate(CaseQuestion(APP, READ, SECRET, ACCOUNT, {}), places, (), NOON)
        about = About(outcome.decision.request, step, 0, edit_at)

        (found,) = findings_of(outcome, Said(), about, SecretAccessDenied("no"))

        assert found.remedy.text.startswith(remedy)

    def test_an_external_id_that_is_not_wanted_is_left_out(self) -> None:
        """By policies, of which there may be many, and so the sentence is about several."""
        identity = policy("identity", allow("sts:*", Condition={"Null": {"sts:ExternalId": "true"}}))

        (found,) = findings(identity=identity, trust=trusting(ROOT), context={"sts:ExternalId": "A"})

        assert found.remedy.text.startswith("leave `external_id` out of store `target`")
        assert "policies of user alice ask for a call without" in found.message

    def test_what_a_deny_is_about_is_not_to_be_sent(self) -> None:
        """On the key that sends it."""
        given = trust(
            allow("sts:*", None, Principal=ROOT),
            deny("sts:*", None, Principal="*", Condition={"StringEquals": {"sts:TransitiveTagKeys": "team"}}),
        )

        (found,) = findings(
            action="sts:TagSession", identity=ALL, trust=given, context={"sts:TransitiveTagKeys": "team"}
        )

        assert "`transitive_tag_keys` on store `target` to anything but team" in found.remedy.text
        assert Where("target.transitive_tag_keys", 1) == found.remedy.where

    @pytest.mark.parametrize(
        ("key", "context", "text"),
        [
            ("aws:RequestTag/team", {}, "have the identity provider send `PrincipalTag:KEY` as"),
            ("sts:SourceIdentity", {"sts:SourceIdentity": "bob"}, "have the identity provider send `SourceIdentity`"),
            ("sts:RoleSessionName", {"sts:RoleSessionName": "b"}, "have the identity provider send `RoleSessionName`"),
        ],
    )
    def test_what_an_assertion_says_is_the_identity_providers(
        self, key: str, context: dict[str, str], text: str
    ) -> None:
        """The configuration has no key for it, and no line."""
        statement = allow("sts:*", None, Principal={"Federated": COMPANY}, Condition={"StringEquals": {key: "blue"}})

        (found,) = findings(ASSERTION, "sts:AssumeRoleWithSAML", trust=trust(statement), context=context)

        assert found.remedy.text.startswith(text)
        assert found.remedy.text.endswith("(blue)")
        assert found.remedy.where is None

    def test_tags_of_an_assertion_need_an_action_besides(self) -> None:
        """Named with the one that it comes with."""
        statement = allow("sts:AssumeRoleWithSAML", None, Principal={"Federated": COMPANY})
        actions = ("sts:AssumeRoleWithSAML", "sts:TagSession")

        (found,) = findings(ASSERTION, "sts:TagSession", trust=trust(statement), actions=actions)

        assert found.remedy.text == (
            "allow sts:TagSession besides sts:AssumeRoleWithSAML, or have the identity provider send no "
            "`PrincipalTag:KEY`"
        )
        assert found.remedy.statement == {
            "Effect": "Allow",
            "Principal": {"Federated": COMPANY},
            "Action": list(actions),
        }

    def test_a_missing_permission_is_a_statement_for_the_caller(self) -> None:
        """For a session it is its role that gets it."""
        (found,) = findings(APP, trust=trusting(ROOT))

        assert ({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": TARGET}, "role App") == (
            found.remedy.statement,
            found.remedy.add_to.rpartition("of ")[2],
        )

    def test_a_trust_policy_gets_the_role_and_not_its_session(self) -> None:
        """Or the account, whose policies then decide."""
        (found,) = findings(APP, identity=ALL, trust=trusting({"AWS": OTHER}))

        assert found.remedy.statement is not None
        assert {"AWS": APP.issuer_arn} == found.remedy.statement["Principal"]
        assert f"arn:aws:iam::{ACCOUNT}:root" in found.remedy.text

    def test_all_that_the_hop_needs_is_allowed_at_once(self) -> None:
        """Else the next refusal is the one for sts:TagSession."""
        needed = ("sts:AssumeRole", "sts:TagSession")

        (found,) = findings(actions=needed, trust=trusting(ROOT))

        assert found.remedy.statement is not None
        assert [*needed] == found.remedy.statement["Action"]

    def test_a_permission_besides_is_the_callers_own_where_that_lacks(self) -> None:
        """The trust policy allows it already."""
        both = trust(allow(["sts:AssumeRole", "sts:TagSession"], None, Principal=ROOT))
        identity = policy("identity", allow("sts:AssumeRole"))

        (found,) = findings(action="sts:TagSession", identity=identity, trust=both)

        assert ("tag-session", "the identity-based policies of user alice") == (found.cause, found.remedy.add_to)
        assert found.remedy.statement is not None
        assert "Principal" not in found.remedy.statement

    @pytest.mark.parametrize(
        ("tags", "words"),
        [(True, "or send no `tags`"), (False, "the session that calls brings `tags` along")],
        ids=["sent", "brought along"],
    )
    def test_what_a_session_brings_along_is_not_to_be_left_out(self, *, tags: bool, words: str) -> None:
        """The configuration sends none."""
        more = "    tags: {team: core}\n" if tags else ""
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'") + more, store="target").steps["target"]
        asked = CaseQuestion(ALICE, "sts:TagSession", TARGET, ACCOUNT, {})
        trusted = trusting(ROOT)
        outcome = simulate(asked, {"trust": ((trusted,),), "identity": ((ALL,),), "scp": (), "rcp": ()}, (), NOON)
        about = About(outcome.decision.request, step, 1, edit_at)

        (found,) = findings_of(outcome, Said(), about, AssumeRoleDenied("no"))

        assert ("tag-session", True) == (found.cause, words in found.remedy.text)

    def test_nobody_is_told_to_allow_what_is_denied(self) -> None:
        """An Allow changes nothing there."""
        found = findings(trust=trusting(ROOT), identity=policy("identity", allow("sts:*"), deny("sts:*")))

        assert found[0].remedy.statement is None


def test_one_reason_for_many_secrets_is_told_once() -> None:
    """They fail for the same policy."""
    found = findings(trust=trusting(ROOT))

    assert found == distinct([*found, *found])


def test_many_secrets_that_one_policy_lacks_are_one_finding() -> None:
    """With one statement for all of them."""
    other = SECRET.replace("prod/db", "prod/api")
    found = [each for secret in (SECRET, other, SECRET) for each in findings(APP, READ, secret)]

    (merged,) = distinct(found)

    assert merged.message.endswith(f"on {SECRET}, nor on 1 more")
    assert merged.remedy.statement is not None
    assert [SECRET, other] == merged.remedy.statement["Resource"]


def test_what_two_policies_lack_is_two_findings() -> None:
    """Each is to be mended in another place."""
    found = [*findings(APP, READ, SECRET), *findings(ALICE, READ, SECRET)]

    assert 2 == len(distinct(found))


def test_a_full_policy_of_aws_is_no_reason() -> None:
    """FullAWSAccess on a level lets through what the level below refuses."""
    scp = policy("scp", deny("sts:*"))
    places: dict[Place, Any] = {
        "scp": ((full_access("scp"),), (full_access("scp"), scp)),
        "identity": ((ALL,),),
        "trust": ((trusting(ROOT),),),
    }
    outcome = simulate(CaseQuestion(ALICE, "sts:AssumeRole", TARGET, ACCOUNT, {}), places, (), NOON)
    step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]

    found = findings_of(outcome, Said(), About(outcome.decision.request, step, 1, edit_at), SecretAccessDenied("no"))

    assert [("service-control-policy", 1)] == [(each.cause, each.place.statement) for each in found]
