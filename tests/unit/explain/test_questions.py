"""Complete a question with what IAM knows, and list what could not be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from dsops.errors import EntityNotFound
from dsops.explain.evidence.attached import AttachedReader
from dsops.explain.evidence.completer import Completer
from dsops.explain.evidence.organization import OrganizationReader
from dsops.policy.simulation import simulate
from dsops.policy.simulation.completion import CompletedQuestion
from dsops.tasks import gather
from tests.fakes import NOON
from tests.stubs.aws import json_error
from tests.stubs.iam import ACCOUNT, Entity, StubIam
from tests.stubs.organizations import FULL, ID, ROOT, StubOrganizations
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.test_iam import Asking
from tests.unit.policy.policies import OTHER_ROLE, SECRET, allow, deny, policy, text
from tests.unit.policy.simulation.test_outcome import asked

if TYPE_CHECKING:
    from dsops.policy.simulation import CaseQuestion, PolicySet

APP = f"arn:aws:iam::{ACCOUNT}:role/ci/App"
TARGET = f"arn:aws:iam::{ACCOUNT}:role/Target"
FOREIGNER = "arn:aws:iam::444455556666:user/alice"
NO_ORGANIZATION: PolicySet = {"scp": (), "rcp": ()}


def document(*statements: Any) -> dict[str, Any]:
    """A policy as parsed JSON."""
    record_read: dict[str, Any] = json.loads(text(*statements))
    return record_read


def trust(principal: str, **elements: Any) -> dict[str, Any]:
    """A role's trust policy."""
    return document({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **elements})


def stub(**more: Any) -> StubIam:
    """A stub of IAM with users, a role that may assume another role, and that second role."""
    team = {"StringEquals": {"aws:PrincipalTag/team": "core", "aws:ResourceTag/stage": "test"}}
    return StubIam(
        users={"alice": Entity(policies={"own": document(allow("sts:*"))}, tags={"Team": "core"})},
        roles={
            "App": Entity(policies={"own": document(allow("sts:*"))}, trust=trust(ACCOUNT), path="/ci/"),
            "Target": Entity(trust=trust(ACCOUNT, Condition=team), tags={"stage": "test"}),
        },
        **more,
    )


def completer_of(asking: Asking) -> Completer:
    """A completer with keys of one account."""
    organization = OrganizationReader({ACCOUNT: asking.organizations}, lambda _: None)
    return Completer(
        {ACCOUNT: AttachedReader(asking.iam)},
        organization,
        lambda account, _: [asking.secrets] if account == ACCOUNT else [],
        lambda account, _: [asking.kms] if account == ACCOUNT else [],
    )


def complete(question: CaseQuestion, given: PolicySet, iam: StubIam) -> CompletedQuestion:
    """Complete the question from this account."""
    with StubServer(iam) as server:
        asking = Asking(server)
        return asking.run(completer_of(asking).complete(question, given))


def verdict(completed: CompletedQuestion) -> str:
    """Return the verdict of the evaluation."""
    return simulate(completed.asked, completed.policies, completed.unread, NOON).verdict


def missing(completed: CompletedQuestion) -> list[str]:
    """Return the unknown facts on which the answer depends."""
    outcome_read = simulate(completed.asked, completed.policies, completed.unread, NOON)
    return [f"{gap.place}: {gap.why}" for gap in outcome_read.unread]


def test_the_callers_policies_the_trust_policy_and_the_tags_of_both_are_read() -> None:
    """The completer reads the caller's policies and tags and the role's trust policy and tags: the verdict is known."""
    assert verdict(complete(asked(resource=TARGET), {}, stub())) == "allow"
    untagged = StubIam(users={"alice": Entity(policies={"own": document(allow("sts:*"))})}, roles=stub().roles)
    assert verdict(complete(asked(resource=TARGET), {}, untagged)) == "implicit-deny"


def test_what_the_author_says_wins_over_what_iam_knows() -> None:
    """Context keys in the question override IAM's tags, ignoring case; policies in the question replace IAM's."""
    question = asked(resource=TARGET)
    other = question._replace(context={"aws:principaltag/TEAM": ("other",)})
    denies: PolicySet = {"identity": ((policy("identity", deny()),),)}

    assert verdict(complete(other, {}, stub())) == "implicit-deny"
    assert verdict(complete(question, denies, stub())) == "explicit-deny"


def test_a_caller_whose_policies_are_given_is_not_read() -> None:
    """If the question contains the caller's policies, the caller is not read from IAM and need not exist."""
    iam = stub()
    given: PolicySet = {"identity": ((policy("identity", allow("sts:*")),),), "boundary": ()}
    complete(asked(resource=TARGET), given, iam)

    assert sorted(iam.calls) == ["GetRole Target", "ListAttachedRolePolicies Target", "ListRolePolicies Target"]


def test_a_role_is_found_by_its_sessions_name_and_gets_its_path_and_id() -> None:
    """The completer finds a role session's role by name and adds the role's path and ID, which conditions check."""
    completed = complete(asked(resource=TARGET, principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/App/run"), {}, stub())

    assert completed.asked.principal.issuer_arn == APP
    assert completed.asked.principal.unique_id == "AROAAPP00000000000000"
    assert "identity" in completed.policies


@pytest.mark.parametrize(
    ("denied", "words"),
    [
        (["GetUserPolicy"], "identity: not allowed to read the policy own of the user alice"),
        (["ListUserPolicies"], "identity: not allowed to list the policies of the user alice"),
        (["ListAttachedUserPolicies"], "identity: not allowed to list the managed policies of the user alice"),
        (["ListGroupsForUser"], "identity: not allowed to list the groups of the user alice"),
        (["GetUser"], "boundary: not allowed to read the user alice"),
        (["GetUser"], "context: not allowed to read the user alice"),
        (["GetRole"], "trust: not allowed to read the role Target"),
    ],
)
def test_what_may_not_be_read_makes_the_answer_unknown_and_is_named(denied: list[str], words: str) -> None:
    """If IAM denies a read, the verdict is unknown, and the missing facts name the denied read."""
    completed = complete(asked(resource=TARGET), {}, stub(denied=denied))

    assert verdict(completed) == "unknown"
    assert words in missing(completed)


def test_a_policy_that_is_no_policy_is_not_read_either() -> None:
    """If IAM returns an invalid policy, it counts as unread: IAM would not have stored it."""
    users = {"alice": Entity(policies={"own": {"Version": "3000"}})}
    iam = StubIam(users=users, roles={"Target": Entity(trust=trust(ACCOUNT))})
    completed = complete(asked(resource=TARGET), {}, iam)

    assert verdict(completed) == "unknown"
    assert missing(completed)[0].startswith("identity: own of user alice can't be used: ")


class TestElsewhere:
    """Other accounts, other resources, the organization."""

    def test_another_accounts_role_and_caller_are_not_read(self) -> None:
        """Roles and callers of another account are not read: IAM would return this account's principal of that name."""
        iam = stub()
        role = complete(asked(resource=OTHER_ROLE), {"rcp": ()}, iam)
        open_to_all = StubIam(roles={"Target": Entity(trust=trust("*"))})
        caller = complete(asked(resource=TARGET, principal=FOREIGNER), {"scp": ()}, open_to_all)

        assert verdict(role) == verdict(caller) == "unknown"
        assert missing(role) == [
            f"trust: {OTHER_ROLE} is of account 444455556666, and the keys that ask are of {ACCOUNT}"
        ]
        assert [words.partition(":")[0] for words in missing(caller)] == ["identity", "boundary"]
        assert iam.calls.count("GetUser alice") == 1
        assert open_to_all.calls.count("GetUser alice") == 0

    def test_a_caller_that_no_trust_policy_names_is_refused_for_sure(self) -> None:
        """If the trust policy does not name a caller of another account, the verdict is a denial."""
        assert verdict(complete(asked(resource=TARGET, principal=FOREIGNER), {}, stub())) == "deny"

    def test_the_federating_user_of_a_federated_session_is_unknown(self) -> None:
        """The user behind a federated session is unknown, and therefore the user's policies are unknown, too."""
        question = asked("s3:GetObject", "arn:aws:s3:::b/k", f"arn:aws:sts::{ACCOUNT}:federated-user/bob")
        completed = complete(question, {"resource": (), "session": ((policy("session", allow()),),)}, stub())

        assert verdict(completed) == "unknown"
        assert missing(completed)[0].startswith("identity: no API tells which user federated")

    def test_the_policy_of_another_resource_is_not_read(self) -> None:
        """The policy of another kind of resource is unknown, unless the question has it or excludes it."""
        question = asked("s3:GetObject", "arn:aws:s3:::bucket/key")

        assert verdict(complete(question, {}, stub())) == "unknown"
        assert missing(complete(question, {}, stub()))[0].startswith("resource: policies of s3 are not read")
        assert verdict(complete(question, {"resource": ()}, stub())) == "implicit-deny"
        assert verdict(complete(asked("s3:ListAllMyBuckets", "*"), {}, stub())) == "implicit-deny"

    def test_an_organization_that_may_not_be_read_may_take_away(self) -> None:
        """If the organization cannot be read, its policies may deny, so the verdict is unknown.

        The question may contain these policies.
        """
        iam = stub(organizations=StubOrganizations(parents={}, denied=["DescribeOrganization"]))
        question = asked(resource=TARGET)
        completed = complete(question, {}, iam)

        assert verdict(completed) == "unknown"
        assert missing(completed) == [
            f"{place}: not allowed to ask for the organization; give them with --{place}, or say that there are `none`"
            for place in ("scp", "rcp")
        ]
        assert verdict(complete(question, NO_ORGANIZATION, iam)) == "allow"

    def test_a_condition_on_an_organization_that_may_not_be_read_is_open(self) -> None:
        """If the organization cannot be read, a condition on it is undecided, unless the question contains the key."""
        condition = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
        roles = {"Target": Entity(trust=trust(ACCOUNT, Condition=condition))}
        hidden = StubOrganizations(parents={}, denied=["DescribeOrganization"])
        question = asked(resource=TARGET)
        message_text = question._replace(context={"aws:PrincipalOrgID": ("o-1",)})

        for context, expected in ((question, "unknown"), (message_text, "allow")):
            iam = StubIam(users=stub().users, roles=roles, organizations=hidden)
            assert verdict(complete(context, NO_ORGANIZATION, iam)) == expected
        assert verdict(complete(question, {}, StubIam(users=stub().users, roles=roles))) == "implicit-deny"


class TestSecret:
    """A secret's policy and tags."""

    QUESTION = asked("secretsmanager:GetSecretValue", SECRET)
    NAMES_ALICE: ClassVar = document(allow("secretsmanager:GetSecretValue", Principal={"AWS": QUESTION.principal.arn}))

    def secrets(self, policy: Any, *denied: str) -> StubIam:
        """A secret that alice's own policies do not mention."""
        return StubIam(users={"alice": Entity()}, secrets={SECRET: policy}, denied=denied)

    def test_its_policy_may_allow_by_itself(self) -> None:
        """A secret's policy can allow access by itself; without such a policy the caller's policies decide."""
        assert verdict(complete(self.QUESTION, {}, self.secrets(self.NAMES_ALICE))) == "allow"
        assert verdict(complete(self.QUESTION, {}, self.secrets(None))) == "implicit-deny"

    def test_its_tags_are_condition_keys(self) -> None:
        """The tags of a secret are condition keys under two prefixes, aws: and secretsmanager:."""
        for key in ("aws:ResourceTag/team", "secretsmanager:ResourceTag/team"):
            for team, expected in (("core", "allow"), ("other", "implicit-deny")):
                own = policy("identity", allow(Condition={"StringEquals": {key: team}}))
                given: PolicySet = {"identity": ((own,),), "boundary": ()}
                assert verdict(complete(self.QUESTION, given, self.secrets(None))) == expected

    def test_what_may_not_be_read_of_it_leaves_the_answer_open(self) -> None:
        """If a secret's policy cannot be read, the verdict is unknown.

        If its tags cannot be read, the verdict is unknown only if a condition checks them.
        """
        hidden = complete(self.QUESTION, {}, self.secrets(self.NAMES_ALICE, "GetResourcePolicy"))
        untagged = complete(self.QUESTION, {}, self.secrets(self.NAMES_ALICE, "DescribeSecret"))
        condition = {"StringEquals": {"secretsmanager:ResourceTag/team": "core"}}
        own: PolicySet = {"identity": ((policy("identity", allow(Condition=condition)),),), "boundary": ()}
        tagged = complete(self.QUESTION, own, self.secrets(None, "DescribeSecret"))

        assert (verdict(hidden), verdict(untagged), verdict(tagged)) == ("unknown", "allow", "unknown")
        assert missing(hidden) == [f"resource: not allowed to read the policy of {SECRET}"]
        assert missing(tagged) == [f"context: not allowed to read the tags of {SECRET}"]

    def test_another_accounts_secret_is_not_read(self) -> None:
        """A secret of another account is not read."""
        question = asked("secretsmanager:GetSecretValue", SECRET.replace(ACCOUNT, "444455556666"))
        own: PolicySet = {"identity": ((policy("identity", allow()),),), "boundary": (), "rcp": ()}

        assert verdict(complete(question, own, self.secrets(None))) == "unknown"

    @pytest.mark.parametrize("resource", [SECRET[:-7], f"{SECRET}x"])
    def test_its_arn_must_be_whole_and_right(self, resource: str) -> None:
        """A partial ARN is an error: it would find the secret, but match no policy with the full ARN."""
        with pytest.raises(EntityNotFound):
            complete(asked("secretsmanager:GetSecretValue", resource), {}, self.secrets(None))


class TestOrganization:
    """Questions that are completed with an organization, read with keys of its management account."""

    UNIT: ClassVar = {ACCOUNT: "ou-1", "ou-1": ROOT}
    FULL: ClassVar = dict.fromkeys((ACCOUNT, "ou-1", ROOT), FULL)

    def verdict(self, **more: Any) -> str:
        """Return the verdict on user alice assuming the other role in that organization."""
        organizations = StubOrganizations(**{"parents": self.UNIT, "policies": self.FULL, **more})
        return verdict(complete(asked(resource=TARGET), {}, stub(organizations=organizations)))

    def test_every_level_must_allow(self) -> None:
        """Every level must have an SCP that allows; without FullAWSAccess a level allows what its own SCPs allow."""
        s3_only = {**self.FULL, "ou-1": {"p-s3": document(allow("s3:*"))}}
        denies = {**self.FULL, ROOT: {**FULL, "p-no": document(deny("sts:*"))}}

        assert self.verdict() == "allow"
        assert self.verdict(policies=s3_only) == "implicit-deny"
        assert self.verdict(policies=denies) == "explicit-deny"

    def test_resource_control_policies_are_read_too(self) -> None:
        """The completer also reads the RCPs of the resource's account."""
        denies = {"ou-1": {"p-no": document(deny("sts:*", Principal="*"))}}

        assert self.verdict(resource_policies=denies) == "explicit-deny"

    def test_what_is_not_in_force_does_not_count(self) -> None:
        """SCPs have no effect on the management account, without "all features", or while their type is disabled."""
        s3_only = {**self.FULL, "ou-1": {"p-s3": document(allow("s3:*"))}}

        assert self.verdict(policies=s3_only, management=ACCOUNT) == "allow"
        assert self.verdict(policies=s3_only, feature_set="CONSOLIDATED_BILLING") == "allow"
        assert self.verdict(policies=s3_only, enabled=["RESOURCE_CONTROL_POLICY"]) == "allow"
        assert self.verdict(policies=s3_only, enabled=["SERVICE_CONTROL_POLICY"]) == "implicit-deny"

    @pytest.mark.parametrize("denied", ["ListParents", "ListRoots", "ListPoliciesForTarget", "DescribePolicy"])
    def test_what_may_not_be_read_leaves_the_answer_open(self, denied: str) -> None:
        """If an SCP or its level cannot be read, the verdict is unknown."""
        assert self.verdict(denied=[denied]) == "unknown"

    def test_what_has_no_organizations_leaves_the_answer_open(self) -> None:
        """If the endpoint has no Organizations service (another implementation of IAM), the verdict is unknown."""

        class Without(StubOrganizations):
            def __call__(self, _: Seen) -> Answer:
                return json_error("UnknownOperationException", "not implemented", 400)

        iam = stub(organizations=Without(parents={}))

        assert verdict(complete(asked(resource=TARGET), {}, iam)) == "unknown"
        assert verdict(complete(asked(resource=TARGET), NO_ORGANIZATION, iam)) == "allow"

    def test_requests_say_from_which_organization_they_come(self) -> None:
        """The context contains the organization's ID and paths, for the caller and for the resource."""
        organizations = StubOrganizations(parents=self.UNIT, policies=self.FULL)
        context = complete(asked(resource=TARGET), {}, stub(organizations=organizations)).asked.context

        assert context["aws:PrincipalOrgID"] == context["aws:ResourceOrgID"] == (ID,)
        assert context["aws:PrincipalOrgPaths"] == context["aws:ResourceOrgPaths"] == (f"{ID}/{ROOT}/ou-1/",)

    def test_each_thing_is_read_once(self) -> None:
        """Each part of the organization is read once, whatever the number of questions."""
        organizations = StubOrganizations(parents=self.UNIT, policies=self.FULL)
        with StubServer(stub(organizations=organizations)) as server:
            asking = Asking(server)
            completer = completer_of(asking)
            asking.run(gather(*[completer.complete(asked(resource=TARGET), {}) for _ in range(5)]))

        assert sorted(organizations.calls) == sorted(set(organizations.calls))
        assert "DescribePolicy p-FullAWSAccess" in organizations.calls

    def test_an_account_that_is_not_in_it_is_not_known(self) -> None:
        """If an account is not in the organization that was read, its own organization is unknown."""
        completed = complete(
            asked(resource=TARGET, principal=FOREIGNER),
            {"identity": ((policy("identity", allow()),),), "boundary": ()},
            StubIam(roles={"Target": Entity(trust=trust("*"))}, organizations=StubOrganizations(parents=self.UNIT)),
        )

        assert verdict(completed) == "unknown"
        assert missing(completed)[0].startswith("scp: which organization account 444455556666 is in is not known")


class TestNames:
    """The callers and roles that a question names must exist."""

    @pytest.mark.parametrize(
        "question",
        [
            asked(resource=f"arn:aws:iam::{ACCOUNT}:role/Targe"),
            asked(resource=f"arn:aws:iam::{ACCOUNT}:role/App"),
            asked(resource=TARGET, principal=f"arn:aws:iam::{ACCOUNT}:user/team/alice"),
            asked(resource=TARGET, principal=f"arn:aws:iam::{ACCOUNT}:role/App2"),
        ],
    )
    def test_a_name_or_path_that_is_wrong_is_an_error(self, question: CaseQuestion) -> None:
        """A caller or role with an unknown name or a wrong path is an error."""
        with pytest.raises(EntityNotFound):
            complete(question, {}, stub())

    def test_a_caller_without_a_path_is_found_by_name(self) -> None:
        """A caller ARN without a path is found by name and is replaced by IAM's ARN."""
        question = asked(resource=TARGET, principal=f"arn:aws:iam::{ACCOUNT}:role/App")

        assert complete(question, {}, stub()).asked.principal.issuer_arn == APP


def test_who_comes_up_in_many_questions_is_read_once() -> None:
    """A caller or role that occurs in several questions is read once."""
    iam = stub()
    with StubServer(iam) as server:
        asking = Asking(server)
        completed = asking.run(completer_of(asking).complete_all([(asked(resource=TARGET), {})] * 35))

    assert sorted(iam.calls) == sorted(set(iam.calls))
    assert [verdict(entry) for entry in completed if isinstance(entry, CompletedQuestion)] == ["allow"] * 35


def test_of_many_questions_each_has_its_own_answer_or_error() -> None:
    """Several questions return their answers or errors in the order of the questions."""
    questions = [asked(resource=TARGET), asked(resource=f"{TARGET}x")] * 12
    with StubServer(stub()) as server:
        asking = Asking(server)
        completed = asking.run(completer_of(asking).complete_all([(question, {}) for question in questions]))

    assert [isinstance(entry, EntityNotFound) for entry in completed] == [False, True] * 12
