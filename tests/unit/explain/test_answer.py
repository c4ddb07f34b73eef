"""Findings from policies: which policy denies a call, with cause, certainty and remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dsops.errors import AssumeRoleDenied, SecretAccessDenied, Where
from dsops.explain.findings.answer import distinct, findings_of
from dsops.explain.questions.refused_call import RefusedCall
from dsops.explain.questions.sentence import RefusalMessage
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
    """The location of a store's key in the configuration."""
    return Where(f"{store}.{key}", 1)


def findings(
    principal: Principal = ALICE,
    action: str = "sts:AssumeRole",
    resource: str = TARGET,
    *unread: Unread,
    said: RefusalMessage | None = None,
    context: dict[str, str] | None = None,
    actions: tuple[str, ...] = (),
    recording: str = "",
    **given: Any,
) -> list[RefusalFinding]:
    """Return the findings for a call under these policies; a policy type that is not passed does not exist."""
    places: dict[Place, tuple[tuple[Policy, ...], ...]] = {"scp": (), "rcp": (), "session": (), "resource": ()}
    missing = {gap.place for gap in unread}
    for place in ("identity", "boundary"):
        if place not in missing:
            places[place] = ()
    for place, gap in given.items():
        places[place] = ((gap,),) if gap is not None else ()  # type: ignore[index]  # names are places here
    question = CaseQuestion(
        principal, action, resource, resource.split(":")[4], {k: (v,) for k, v in (context or {}).items()}
    )
    kept = {place: gap for place, gap in places.items() if place not in missing or place in given}
    outcome = simulate(question, kept, unread, NOON)
    step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
    about = RefusedCall(outcome.decision.request, step, 2, edit_at, actions=actions, recording=recording)
    error = AssumeRoleDenied("no", hint="check the trust policy", where=Where("dsops.yaml", 5))
    return findings_of(outcome, said or RefusalMessage(), about, error)


ANY = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


class TestCause:
    """Each way in which policies deny a call has its own cause in the finding."""

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
        """A trust policy that denies gives the right cause, which is proven because every policy was read."""
        finding_list = findings(identity=ALL, trust=given, context=context)

        assert [(cause, "proven", "role trust policy")] == [
            (finding.cause, finding.certainty, finding.place.policy_type) for finding in finding_list
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
        """If the trust policy allows the caller's account, the finding names the caller's own policy as the cause."""
        finding_list = findings(trust=trusting(ROOT), **given)

        assert (cause, "proven", policy_type) == (
            finding_list[0].cause,
            finding_list[0].certainty,
            finding_list[0].place.policy_type,
        )

    def test_a_session_policy_is_that_of_the_store_that_issued_the_session(self) -> None:
        """A session policy's denial points to the store that issued the session, where the policy is written."""
        finding_list = findings(APP, identity=ALL, trust=trusting(ROOT), session=policy("session", allow("s3:*")))

        assert ("session-policy", "app", Where("app.session_policy", 1)) == (
            finding_list[0].cause,
            finding_list[0].place.store,
            finding_list[0].remedy.where,
        )

    def test_a_session_limited_to_a_recording_needs_another_recording(self) -> None:
        """The remedy is to record a run with the action, because the session policy is made from the recording."""
        limit = policy("session", allow("s3:*"))
        [finding, *_] = findings(APP, recording="/work/run.jsonl", identity=ALL, trust=trusting(ROOT), session=limit)

        assert "the recording /work/run.jsonl lacks sts:AssumeRole" in finding.remedy.text
        assert "`dsops exec --record /work/run.jsonl --credentials app -- COMMAND`" in finding.remedy.text
        assert (finding.remedy.where, finding.remedy.statement) == (Where("app.session_policy_recording", 1), None)

    @pytest.mark.parametrize(
        ("action", "cause"),
        [
            ("sts:TagSession", "tag-session"),
            ("sts:SetSourceIdentity", "set-source-identity"),
            ("sts:SetContext", "set-context"),
        ],
    )
    def test_an_action_besides_assume_role_is_missing(self, action: str, cause: str) -> None:
        """If only sts:AssumeRole is allowed, the missing action (TagSession, SetSourceIdentity) is the cause."""
        finding_list = findings(action=action, actions=("sts:AssumeRole", action), identity=ALL, trust=trusting(ROOT))

        assert (cause, "proven") == (finding_list[0].cause, finding_list[0].certainty)
        assert finding_list[0].remedy.statement is not None
        assert ["sts:AssumeRole", action] == finding_list[0].remedy.statement["Action"]

    def test_what_is_allowed_is_no_reason(self) -> None:
        """If everything read allows what AWS denied, the finding is `not-read` and claims no cause."""
        finding_list = findings(identity=ALL, trust=trusting(ROOT))

        assert [("not-read", "missing")] == [(finding.cause, finding.certainty) for finding in finding_list]

    @pytest.mark.parametrize("is_by_files", [True, False])
    def test_files_that_allow_what_aws_refuses_may_be_others_than_what_is_there(self, *, is_by_files: bool) -> None:
        """If only policies in files allow what AWS denied, the remedy is to compare them with what is deployed."""
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        question = CaseQuestion(ALICE, "sts:AssumeRole", TARGET, ACCOUNT, {})
        places: PolicySet = {"trust": ((trusting(ROOT),),), "identity": ((ALL,),), "scp": (), "rcp": ()}
        outcome = simulate(question, places, (), NOON)
        about = RefusedCall(outcome.decision.request, step, 1, edit_at, is_by_files=is_by_files)

        (finding,) = findings_of(outcome, RefusalMessage(), about, AssumeRoleDenied("no"))

        assert ("not-read", is_by_files) == (finding.cause, finding.remedy.text.startswith("compare the files"))


class TestNearest:
    """Which statement of a policy a finding names."""

    def test_the_statement_that_names_the_caller_is_nearer(self) -> None:
        """The finding names the statement that names the caller rather than one that names another principal."""
        trust_policy = trust(
            allow("sts:AssumeRole", None, Principal={"AWS": OTHER}, Sid="Others"),
            allow(
                "sts:AssumeRole",
                None,
                Principal=ROOT,
                Sid="Ours",
                Condition={"StringEquals": {"sts:ExternalId": "a", "aws:PrincipalOrgID": "o-1"}},
            ),
        )

        finding_list = findings(identity=ALL, trust=trust_policy)

        assert ("external-id-missing", 2, "Ours") == (
            finding_list[0].cause,
            finding_list[0].place.statement,
            finding_list[0].place.sid,
        )

    def test_a_statement_about_another_service_is_not_near(self) -> None:
        """A finding never names a statement about another service."""
        finding_list = findings(identity=policy("identity", allow("s3:*")), trust=trusting(ROOT))

        assert (0, ()) == (finding_list[0].place.statement, finding_list[0].mismatches)


class TestCertainty:
    """A finding is proven only if no unread policy or value could change it."""

    def test_a_refusal_that_stands_whatever_is_unread_is_proven(self) -> None:
        """If the trust policy does not name the caller, that cause is proven even with other policies unread."""
        unread = (Unread("identity", "denied"), Unread("scp", "denied"), Unread("boundary", "denied"))

        finding_list = findings(ALICE, "sts:AssumeRole", TARGET, *unread, trust=trusting({"AWS": OTHER}))

        assert [("trust-principal", "proven", ())] == [
            (finding.cause, finding.certainty, finding.facts) for finding in finding_list
        ]

    def test_policies_that_are_half_read_are_likely(self) -> None:
        """If only some identity policies were read, the cause is likely and the finding lists the missing ones."""
        unread = Unread("identity", "not allowed to read policy B")
        half = policy("identity", allow("sts:AssumeRole", f"{TARGET}2"))

        finding_list = findings(ALICE, "sts:AssumeRole", TARGET, unread, identity=half, trust=trusting(ROOT))

        assert ("identity-policy", "likely") == (finding_list[0].cause, finding_list[0].certainty)
        assert ["the policies of user alice"] == [fact.what for fact in finding_list[0].facts]

    def test_nothing_is_claimed_of_unreadable_policies(self) -> None:
        """If trust and identity policies could not be read, the finding lists both, with a command that reads them."""
        unread = (Unread("trust", "denied"), Unread("identity", "denied"))

        finding_list = findings(ALICE, "sts:AssumeRole", TARGET, *unread)

        assert [("trust-policy", "missing")] == [(finding.cause, finding.certainty) for finding in finding_list]
        assert [f"an administrator of account {ACCOUNT}"] * 2 == [fact.who for fact in finding_list[0].facts]
        assert all(fact.command for fact in finding_list[0].facts)

    def test_what_is_left_is_likely(self) -> None:
        """If the caller's policies allow, the other account's unreadable trust policy is the likely cause."""
        finding_list = findings(ALICE, "sts:AssumeRole", ELSEWHERE, Unread("trust", "another account"), identity=ALL)

        assert [("trust-policy", "likely")] == [(finding.cause, finding.certainty) for finding in finding_list]

    def test_an_allow_with_an_unknown_condition_is_not_reported_as_allowed(self) -> None:
        """A permission with a condition that cannot be evaluated does not count as allowed; other causes stay open."""
        condition = {"StringEquals": {"aws:ResourceOrgID": "o-1"}}
        unread = (
            Unread("trust", "another account"),
            Unread("context", "not allowed to ask", ("aws:resourceorgid", "aws:resourceorgpaths")),
        )
        identity_policy = policy("identity", allow("sts:*", Condition=condition))

        first, lead = findings(ALICE, "sts:AssumeRole", ELSEWHERE, *unread, identity=identity_policy)

        assert ("trust-policy", "missing", True) == (first.cause, first.certainty, "gives no reason" in first.message)
        assert ["the call's aws:resourceorgid", f"the trust policy of {ELSEWHERE}"] == [
            fact.what for fact in first.facts
        ]
        assert ("organization", "missing", 1) == (lead.cause, lead.certainty, lead.place.statement)

    def test_an_unknown_variable_is_not_reported_as_unset(self) -> None:
        """If a policy variable's value is unknown (a base session's tag), the cause is likely.

        If the variable is known to be unset, the cause is proven.
        """
        identity_policy = policy("identity", allow("sts:*", "arn:aws:iam::*:role/${aws:PrincipalTag/team}"))
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        question = CaseQuestion(ALICE, "sts:AssumeRole", TARGET, ACCOUNT, {})
        places: PolicySet = {"trust": ((trusting(ROOT),),), "identity": ((identity_policy,),), "scp": (), "rcp": ()}
        hints = []
        for unknown in (("aws:principaltag/",), ()):
            outcome = simulate(question, places, (Unread("context", "nobody tells", unknown),), NOON)
            about = RefusedCall(outcome.decision.request, step, 1, edit_at, unknown_keys=unknown)
            (finding,) = findings_of(outcome, RefusalMessage(), about, AssumeRoleDenied("no"))
            hints.append((finding.certainty, finding.mismatches[0].hint))

        assert [
            ("likely", "what the call has of aws:principaltag/team is not known here"),
            ("proven", "${aws:PrincipalTag/team} has no value in this request"),
        ] == hints

    def test_an_address_that_only_aws_sees_is_never_proven(self) -> None:
        """A condition on the source address, which only AWS sees, is never proven."""
        trust_policy = trusting(ROOT, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
        unread = Unread("context", "only AWS sees it", ("aws:sourceip",))

        finding_list = findings(ALICE, "sts:AssumeRole", TARGET, unread, identity=ALL, trust=trust_policy)

        assert [("source-address", "likely")] == [(finding.cause, finding.certainty) for finding in finding_list]

    def test_unknown_parts_of_the_call_are_not_reported_as_missing(self) -> None:
        """If the value of a condition key is unknown, the cause is likely and the message says `not known`."""
        trust_policy = trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "a"}})
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        question = CaseQuestion(ALICE, "sts:AssumeRole", TARGET, ACCOUNT, {})
        unread = (Unread("context", "left out", ("sts:externalid",)),)
        outcome = simulate(
            question, {"trust": ((trust_policy,),), "identity": ((ALL,),), "scp": (), "rcp": ()}, unread, NOON
        )
        about = RefusedCall(outcome.decision.request, step, 1, edit_at, unknown_keys=("sts:externalid",))

        (finding,) = findings_of(outcome, RefusalMessage(), about, AssumeRoleDenied("no"))

        assert ("external-id-different", "likely", False) == (
            finding.cause,
            finding.certainty,
            finding.mismatches[0].is_known,
        )
        assert "is not known here" in finding.message

    def test_a_deny_with_an_unknown_condition_is_the_likely_cause(self) -> None:
        """A Deny whose condition cannot be evaluated is the likely cause if everything else allows.

        The statement keeps its number and its condition.
        """
        trust_policy = trust(
            allow("sts:AssumeRole", None, Principal={"AWS": OTHER}, Condition={"Bool": {"aws:SourceIp": "true"}}),
            allow("sts:AssumeRole", None, Principal=ROOT),
            deny("sts:*", None, Principal="*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        )
        unread = Unread("context", "only AWS sees it", ("aws:sourceip",))

        (finding,) = findings(ALICE, "sts:AssumeRole", TARGET, unread, identity=ALL, trust=trust_policy)

        assert ("source-address", "likely", 3) == (finding.cause, finding.certainty, finding.place.statement)
        assert [("192.0.2.0/24",)] == [mismatch.wanted for mismatch in finding.mismatches]

    @pytest.mark.parametrize(("denies", "statement"), [(1, 2), (2, 0)])
    def test_the_only_deny_that_may_be_meant_is_the_one_that_aws_means(self, denies: int, statement: int) -> None:
        """If AWS names the policy type, its only Deny is the proven cause, but one of two Denys is not proven."""
        office = deny("sts:*", Condition={"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
        identity_policy = policy("identity", allow("sts:*"), *[office] * denies)
        unread = Unread("context", "only AWS sees it", ("aws:sourceip",))
        message_text = RefusalMessage(policy_type="identity-based policy", is_deny=True)

        (finding,) = findings(
            ALICE, "sts:AssumeRole", TARGET, unread, said=message_text, identity=identity_policy, trust=trusting(ROOT)
        )

        assert ("proven", statement) == (finding.certainty, finding.place.statement)

    def test_a_statement_keeps_its_number_where_others_hang_on_what_is_unknown(self) -> None:
        """A statement keeps its number even if the evaluation leaves out statements with unknown conditions."""
        trust_policy = trust(
            allow("sts:AssumeRole", None, Principal=ROOT, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            deny("sts:*", None, Principal="*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            deny("sts:AssumeRole", None, Principal="*", Sid="Closed"),
        )
        unread = Unread("context", "only AWS sees it", ("aws:sourceip",))

        (finding,) = findings(ALICE, "sts:AssumeRole", TARGET, unread, identity=ALL, trust=trust_policy)

        assert ("proven", 3, "Closed") == (finding.certainty, finding.place.statement, finding.place.sid)

    def test_a_roles_tag_may_be_overruled_by_its_sessions(self) -> None:
        """A session tag may override a role's tag and is unknown for a base session.

        The cause is therefore likely, not proven.
        """
        trust_policy = trusting(ROOT, Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}})
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        question = CaseQuestion(APP, "sts:AssumeRole", TARGET, ACCOUNT, {"aws:PrincipalTag/team": ("b",)})
        outcome = simulate(question, {"trust": ((trust_policy,),), "identity": ((ALL,),)}, (), NOON)
        about = RefusedCall(outcome.decision.request, step, 1, edit_at)

        certainties = [
            findings_of(outcome, RefusalMessage(), about._replace(unknown_keys=keys), AssumeRoleDenied("no"))[
                0
            ].certainty
            for keys in ((), ("aws:principaltag/",))
        ]

        assert ["proven", "likely"] == certainties

    def test_a_role_whose_path_is_unknown_may_be_the_one_that_is_named(self) -> None:
        """A policy may name a role whose path the session's ARN lacks, so the cause is only likely."""
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]
        caller = APP._replace(issuer_arn=f"arn:aws:iam::{ACCOUNT}:role/App")
        question = CaseQuestion(caller, "sts:AssumeRole", TARGET, ACCOUNT, {})
        trust_policy = trusting({"AWS": APP.issuer_arn})
        outcome = simulate(question, {"trust": ((trust_policy,),), "identity": ((ALL,),)}, (), NOON)

        certainties = [
            findings_of(
                outcome,
                RefusalMessage(),
                RefusedCall(outcome.decision.request, step, 1, edit_at, is_role_exact=exact),
                AssumeRoleDenied("no"),
            )[0].certainty
            for exact in (True, False)
        ]

        assert ["proven", "likely"] == certainties


class TestWhatAwsSays:
    """AWS's denial message names a policy type, which the findings use."""

    def test_its_word_counts_where_the_policy_is_unread(self) -> None:
        """If the policy type that AWS names is unread, the type is the proven cause, and no statement is named."""
        message_text = RefusalMessage(policy_type="service control policy", is_deny=True)

        finding_list = findings(
            ALICE,
            "sts:AssumeRole",
            TARGET,
            Unread("scp", "denied"),
            said=message_text,
            identity=ALL,
            trust=trusting(ROOT),
        )

        assert [("service-control-policy", "proven", 0)] == [
            (finding.cause, finding.certainty, finding.place.statement) for finding in finding_list
        ]

    def test_a_policy_that_is_not_evaluated_here_is_named_by_its_type(self) -> None:
        """A VPC endpoint policy, which `explain` cannot evaluate, is the proven cause if AWS's message names it."""
        for is_deny in (True, False):
            message_text = RefusalMessage(policy_type="VPC endpoint policy", is_deny=is_deny)

            finding_list = findings(said=message_text, identity=ALL, trust=trusting(ROOT))

            assert [("endpoint-policy", "proven")] == [(finding.cause, finding.certainty) for finding in finding_list]

    def test_a_statement_for_an_endpoints_policy_has_a_principal(self) -> None:
        """A suggested statement for an endpoint policy has a Principal.

        For a gateway endpoint a condition names the caller.
        """
        (finding,) = findings(
            APP, said=RefusalMessage(policy_type="VPC endpoint policy"), identity=ALL, trust=trusting(ROOT)
        )

        assert finding.remedy.statement is not None
        assert ("*", {"ArnEquals": {"aws:PrincipalArn": APP.issuer_arn}}) == (
            finding.remedy.statement["Principal"],
            finding.remedy.statement["Condition"],
        )

    def test_its_word_comes_before_what_would_refuse_as_well(self) -> None:
        """The policy type that AWS's message names is the first finding; other denying policies follow."""
        message_text = RefusalMessage(policy_type="permissions boundary")

        finding_list = findings(said=message_text, boundary=policy("boundary", allow("s3:*")), trust=trusting(ROOT))

        assert ["boundary", "identity-policy"] == [entry.cause for entry in finding_list]


class TestSecrets:
    """Secrets whose full ARN is unknown."""

    GUESS = SECRET.replace("-AbCdEf", "-??????")

    def test_a_statement_for_nearly_that_name_hints_at_a_slip(self) -> None:
        """A statement for a similar secret name gives a hint at a misspelling."""
        identity_policy = policy("identity", allow(READ, self.GUESS.replace("prod/db", "prod/dbs")))

        finding_list = findings(APP, READ, self.GUESS, Unread("resource", "denied"), identity=identity_policy)

        assert ("secret-missing", "likely") == (finding_list[0].cause, finding_list[0].certainty)
        assert finding_list[0].remedy.text.startswith("did you mean `prod/dbs`")

    def test_a_condition_does_not_depend_on_the_name(self) -> None:
        """A failed condition is a proven cause even if the random suffix of the secret's ARN is unknown."""
        identity_policy = policy(
            "identity", allow(READ, "*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
        )

        finding_list = findings(APP, READ, self.GUESS, identity=identity_policy)

        assert ("mfa-missing", "proven") == (finding_list[0].cause, finding_list[0].certainty)


WANTS_NONE = "the trust policy of role Target wants none"


class TestRemedy:
    """Remedies: an edit with its line, or a statement and the policy it belongs to."""

    def test_an_external_id_is_set_on_the_hop(self) -> None:
        """If the trust policy requires an external ID, the remedy is to set it on the store.

        The finding never shows the external ID.
        """
        trust_policy = trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "not-to-be-told"}})

        (finding,) = findings(identity=ALL, trust=trust_policy)

        assert Where("target.external_id", 1) == finding.remedy.where
        assert "not-to-be-told" not in repr(finding)

    def test_white_space_is_told(self) -> None:
        """The finding points out trailing white space in an external ID."""
        trust_policy = trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "same "}})

        (finding,) = findings(identity=ALL, trust=trust_policy, context={"sts:ExternalId": "same"})

        assert "white space" in finding.message

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
        """If a Null condition fails, the remedy is to send a value (`false`) or to send none (`true`)."""
        trust_policy = trusting(ROOT, Condition={operator: {"aws:RequestTag/team": value}})

        (finding,) = findings(ALICE, "sts:AssumeRole", TARGET, context=context, identity=ALL, trust=trust_policy)

        assert (message, remedy) == (
            finding.message.removeprefix("the trust policy of role Target "),
            finding.remedy.text,
        )

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
        """If a Deny matches through a Null condition, the remedy is the opposite of the one for an Allow."""
        trust_policy = trust(
            allow("sts:AssumeRole", None, Principal=ROOT),
            deny("*", None, Principal="*", Condition={"Null": {"aws:RequestTag/team": value}}),
        )

        (finding,) = findings(ALICE, "sts:AssumeRole", TARGET, context=context, identity=ALL, trust=trust_policy)

        assert remedy == finding.remedy.text

    @pytest.mark.parametrize(
        ("key", "remedy"),
        [
            ("aws:SourceIdentity", "set `source_identity` on store `app` to what"),
            ("aws:RequestTag/team", "call as the condition wants it, or change the condition"),
            ("aws:RequestedRegion", "set `region` on store `secrets` to what"),
        ],
    )
    def test_what_a_read_does_not_send_is_not_to_be_set_on_it(self, key: str, remedy: str) -> None:
        """A read of a secret sends only its region, so the remedy sets session keys on the store of the session."""
        identity_policy = policy("identity", allow(READ, Condition={"StringEquals": {key: "x"}}))
        config = CONFIG.replace("'{}'", f"'{ANY}'") + "  secrets: {type: aws.secretsmanager, credentials_from: app}\n"
        step = plan_of(config, store="secrets").steps["secrets"]
        places: PolicySet = {"identity": ((identity_policy,),), "scp": (), "rcp": ()}
        outcome = simulate(CaseQuestion(APP, READ, SECRET, ACCOUNT, {}), places, (), NOON)
        about = RefusedCall(outcome.decision.request, step, 0, edit_at)

        (finding,) = findings_of(outcome, RefusalMessage(), about, SecretAccessDenied("no"))

        assert finding.remedy.text.startswith(remedy)

    def test_an_external_id_that_is_not_wanted_is_left_out(self) -> None:
        """If policies deny a call with an external ID, the remedy is to remove it."""
        identity = policy("identity", allow("sts:*", Condition={"Null": {"sts:ExternalId": "true"}}))

        (finding,) = findings(identity=identity, trust=trusting(ROOT), context={"sts:ExternalId": "A"})

        assert finding.remedy.text.startswith("leave `external_id` out of store `target`")
        assert "policies of user alice ask for a call without" in finding.message

    def test_what_a_deny_is_about_is_not_to_be_sent(self) -> None:
        """If a Deny depends on a key that the store sends, the remedy is to remove that key, with its line."""
        trust_policy = trust(
            allow("sts:*", None, Principal=ROOT),
            deny("sts:*", None, Principal="*", Condition={"StringEquals": {"sts:TransitiveTagKeys": "team"}}),
        )

        (finding,) = findings(
            action="sts:TagSession", identity=ALL, trust=trust_policy, context={"sts:TransitiveTagKeys": "team"}
        )

        assert "`transitive_tag_keys` on store `target` to anything but team" in finding.remedy.text
        assert Where("target.transitive_tag_keys", 1) == finding.remedy.where

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
        """Keys from a SAML assertion are to be changed at the identity provider, so the remedy has no line to edit."""
        statement = allow("sts:*", None, Principal={"Federated": COMPANY}, Condition={"StringEquals": {key: "blue"}})

        (finding,) = findings(ASSERTION, "sts:AssumeRoleWithSAML", trust=trust(statement), context=context)

        assert finding.remedy.text.startswith(text)
        assert finding.remedy.text.endswith("(blue)")
        assert finding.remedy.where is None

    def test_tags_of_an_assertion_need_an_action_besides(self) -> None:
        """Tags in a SAML assertion need sts:TagSession.

        The remedy names sts:TagSession as well as the assume action.
        """
        statement = allow("sts:AssumeRoleWithSAML", None, Principal={"Federated": COMPANY})
        actions = ("sts:AssumeRoleWithSAML", "sts:TagSession")

        (finding,) = findings(ASSERTION, "sts:TagSession", trust=trust(statement), actions=actions)

        assert finding.remedy.text == (
            "allow sts:TagSession besides sts:AssumeRoleWithSAML, or have the identity provider send no "
            "`PrincipalTag:KEY`"
        )
        assert finding.remedy.statement == {
            "Effect": "Allow",
            "Principal": {"Federated": COMPANY},
            "Action": list(actions),
        }

    def test_a_missing_permission_is_a_statement_for_the_caller(self) -> None:
        """The remedy for a missing permission is a statement for the caller.

        If the caller is a session, the statement is for its role.
        """
        (finding,) = findings(APP, trust=trusting(ROOT))

        assert ({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": TARGET}, "role App") == (
            finding.remedy.statement,
            finding.remedy.add_to.rpartition("of ")[2],
        )

    def test_a_trust_policy_gets_the_role_and_not_its_session(self) -> None:
        """A suggested trust statement names the role, not the session; the alternative is to name the account."""
        (finding,) = findings(APP, identity=ALL, trust=trusting({"AWS": OTHER}))

        assert finding.remedy.statement is not None
        assert {"AWS": APP.issuer_arn} == finding.remedy.statement["Principal"]
        assert f"arn:aws:iam::{ACCOUNT}:root" in finding.remedy.text

    def test_all_that_the_hop_needs_is_allowed_at_once(self) -> None:
        """The remedy allows all actions that the hop needs, so the next run does not fail on sts:TagSession."""
        needed = ("sts:AssumeRole", "sts:TagSession")

        (finding,) = findings(actions=needed, trust=trusting(ROOT))

        assert finding.remedy.statement is not None
        assert [*needed] == finding.remedy.statement["Action"]

    def test_a_permission_besides_is_the_callers_own_where_that_lacks(self) -> None:
        """If the trust policy allows an action that the caller lacks, the remedy adds it to the caller's policies."""
        both = trust(allow(["sts:AssumeRole", "sts:TagSession"], None, Principal=ROOT))
        identity = policy("identity", allow("sts:AssumeRole"))

        (finding,) = findings(action="sts:TagSession", identity=identity, trust=both)

        assert ("tag-session", "the identity-based policies of user alice") == (finding.cause, finding.remedy.add_to)
        assert finding.remedy.statement is not None
        assert "Principal" not in finding.remedy.statement

    @pytest.mark.parametrize(
        ("tags", "words"),
        [(True, "or send no `tags`"), (False, "the session that calls brings `tags` along")],
        ids=["sent", "brought along"],
    )
    def test_what_a_session_brings_along_is_not_to_be_left_out(self, *, tags: bool, words: str) -> None:
        """Tags that a session brings along cannot be removed in the configuration, which sends none."""
        more = "    tags: {team: core}\n" if tags else ""
        step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'") + more, store="target").steps["target"]
        question = CaseQuestion(ALICE, "sts:TagSession", TARGET, ACCOUNT, {})
        trusted = trusting(ROOT)
        outcome = simulate(question, {"trust": ((trusted,),), "identity": ((ALL,),), "scp": (), "rcp": ()}, (), NOON)
        about = RefusedCall(outcome.decision.request, step, 1, edit_at)

        (finding,) = findings_of(outcome, RefusalMessage(), about, AssumeRoleDenied("no"))

        assert ("tag-session", True) == (finding.cause, words in finding.remedy.text)

    def test_no_remedy_allows_what_a_deny_refuses(self) -> None:
        """If an explicit Deny is the cause, the remedy suggests no Allow."""
        finding_list = findings(trust=trusting(ROOT), identity=policy("identity", allow("sts:*"), deny("sts:*")))

        assert finding_list[0].remedy.statement is None


def test_one_reason_for_many_secrets_is_told_once() -> None:
    """If several secrets fail for the same cause, there is one finding."""
    finding_list = findings(trust=trusting(ROOT))

    assert finding_list == distinct([*finding_list, *finding_list])


def test_many_secrets_that_one_policy_lacks_are_one_finding() -> None:
    """If one policy lacks permission for several secrets, there is one finding with one statement for all of them."""
    other = SECRET.replace("prod/db", "prod/api")
    finding_list = [finding for secret in (SECRET, other, SECRET) for finding in findings(APP, READ, secret)]

    (merged,) = distinct(finding_list)

    assert merged.message.endswith(f"on {SECRET}, nor on 1 more")
    assert merged.remedy.statement is not None
    assert [SECRET, other] == merged.remedy.statement["Resource"]


def test_what_two_policies_lack_is_two_findings() -> None:
    """If two policies lack permission for secrets, there are two findings."""
    finding_list = [*findings(APP, READ, SECRET), *findings(ALICE, READ, SECRET)]

    assert 2 == len(distinct(finding_list))


def test_a_full_policy_of_aws_is_no_reason() -> None:
    """If an SCP level denies, the finding does not name another level that has FullAWSAccess."""
    scp = policy("scp", deny("sts:*"))
    places: dict[Place, Any] = {
        "scp": ((full_access("scp"),), (full_access("scp"), scp)),
        "identity": ((ALL,),),
        "trust": ((trusting(ROOT),),),
    }
    outcome = simulate(CaseQuestion(ALICE, "sts:AssumeRole", TARGET, ACCOUNT, {}), places, (), NOON)
    step = plan_of(CONFIG.replace("'{}'", f"'{ANY}'"), store="target").steps["target"]

    finding_list = findings_of(
        outcome, RefusalMessage(), RefusedCall(outcome.decision.request, step, 1, edit_at), SecretAccessDenied("no")
    )

    assert [("service-control-policy", 1)] == [(finding.cause, finding.place.statement) for finding in finding_list]
