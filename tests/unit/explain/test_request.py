"""The requests that AWS evaluates for a hop and its caller, and their known context keys."""

from __future__ import annotations

import pytest

from dsops.aws.apis.sts import CallerIdentity
from dsops.explain.questions.request import ChainCaller, base_caller, questions, session_caller
from dsops.secret import Secret
from tests.plans import plan_of

ACCOUNT = "111122223333"
USER = CallerIdentity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ada", "AIDAEXAMPLEADA0000001")
SESSION = CallerIdentity(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/Jump/ada", "AROAEXAMPLEJUMP000001:ada")
CONFIG = """\
secretStores:
  jump:
    type: aws.sts
    role_arn: arn:aws:iam::111122223333:role/path/Jump
    role_session_name: ada
    tags: {team: core, cost: "7"}
    transitive_tag_keys: [team]
    source_identity: ada
  target:
    type: aws.sts
    role_arn: arn:aws:iam::111122223333:role/Target
    credentials_from: jump
    role_session_name: ada
    external_id: not-shown
    serial_number: arn:aws:iam::111122223333:mfa/ada
    token_code: "123456"
    mfa_session: false
"""
STEPS = plan_of(CONFIG, store="target").steps


def base(identity: CallerIdentity = USER, *, is_temporary: bool = False) -> ChainCaller:
    """The caller who signs the first hop."""
    chain_caller = base_caller(identity, is_temporary=is_temporary)
    assert chain_caller is not None
    return chain_caller


def jump() -> ChainCaller:
    """The session of the first hop."""
    chain_caller = session_caller(STEPS["jump"], SESSION, base())
    assert chain_caller is not None
    return chain_caller


def unread_keys(caller: ChainCaller) -> set[str]:
    """The unknown context keys of a caller's requests."""
    return {key for gap in caller.unread for key in gap.keys}


def test_aws_asks_in_its_order() -> None:
    """The actions are listed in AWS's order: SetSourceIdentity, AssumeRole, TagSession."""
    request_asked = questions(STEPS["jump"], base(), "us-east-1")

    assert ["sts:SetSourceIdentity", "sts:AssumeRole", "sts:TagSession"] == [entry.action for entry, _ in request_asked]


def test_a_hop_has_what_it_sends() -> None:
    """The request's context has all keys that the hop sends; an external ID in it is compared and never shown."""
    every = questions(STEPS["target"], jump(), "us-east-1")
    (asked,) = [asked for asked, _ in every if asked.action == "sts:AssumeRole"]

    assert ("not-shown",) == asked.context["sts:ExternalId"]
    assert ("true",) == asked.context["aws:MultiFactorAuthPresent"]
    assert ("us-east-1",) == asked.context["aws:RequestedRegion"]
    assert "not-shown" not in repr(asked)


def test_a_session_has_its_tags_and_hands_on_some() -> None:
    """A session has all of its tags, but passes on only the transitive tags and the source identity."""
    asked, _ = questions(STEPS["target"], jump(), "us-east-1")[0]

    assert (("core",), ("7",)) == (asked.context["aws:PrincipalTag/team"], asked.context["aws:PrincipalTag/cost"])
    assert ("core",) == asked.context["aws:ResourceTag/team"]
    assert "aws:ResourceTag/cost" not in asked.context
    assert ("ada",) == asked.context["sts:SourceIdentity"]
    assert not [key for key in asked.context if key.startswith("dsops:")]


def test_a_session_is_known_by_its_roles_whole_arn() -> None:
    """The role ARN of a session includes the path, which comes from the configuration."""
    assert f"arn:aws:iam::{ACCOUNT}:role/path/Jump" == jump().principal.issuer_arn
    assert jump().is_role_exact
    assert not base(SESSION, is_temporary=True).is_role_exact


def test_the_origin_of_a_base_session_is_unknown() -> None:
    """If base credentials are a session, its policy, tags and age are unknown; a long-term key has no such values."""
    session, user = base(SESSION, is_temporary=True), base()

    assert "session" in {gap.place for gap in session.unread}
    assert {"aws:tokenissuetime", "aws:principaltag/"} <= unread_keys(session)
    assert {gap.place for gap in user.unread} == {"context"}
    assert not {"aws:multifactorauthpresent", "aws:tokenissuetime"} & unread_keys(user)


def test_whether_a_users_session_had_mfa_is_unknown() -> None:
    """It is unknown whether a user's base session used MFA, since GetSessionToken works with and without MFA."""
    assert "aws:multifactorauthpresent" in unread_keys(base(is_temporary=True))


def test_what_a_base_session_brings_along_goes_on_and_on() -> None:
    """The transitive tags and source identity of a base session stay unknown in all later sessions."""
    first = session_caller(STEPS["target"], SESSION, base(SESSION, is_temporary=True))
    assert first is not None
    second = session_caller(STEPS["target"], SESSION, first)
    assert second is not None

    assert {"aws:principaltag/", "aws:sourceidentity"} <= unread_keys(first) & unread_keys(second)
    assert not {"aws:principaltag/", "aws:sourceidentity"} & unread_keys(jump())


def test_a_hop_sends_what_its_caller_brings_along() -> None:
    """The tags that a base session adds to a hop's request are unknown; a long-term key adds no tags."""
    (_, unread), *_ = questions(STEPS["target"], base(SESSION, is_temporary=True), "us-east-1")
    (_, known_answers), *_ = questions(STEPS["target"], base(), "us-east-1")

    assert {"sts:sourceidentity", "aws:resourcetag/"} <= {key for gap in unread for key in gap.keys}
    assert not {"sts:sourceidentity", "aws:resourcetag/"} & {key for gap in known_answers for key in gap.keys}


@pytest.mark.parametrize(
    ("refused", "actions"),
    [
        ("sts:tagsession", ["sts:AssumeRole", "sts:TagSession"]),
        ("sts:SetSourceIdentity", ["sts:AssumeRole", "sts:SetSourceIdentity"]),
        ("sts:AssumeRole", ["sts:AssumeRole"]),
        ("iam:PassRole", ["sts:AssumeRole"]),
        ("", ["sts:AssumeRole"]),
    ],
)
def test_the_action_that_aws_names_is_asked_for(refused: str, actions: list[str]) -> None:
    """The action that AWS denied is among the request's actions, even if the configuration sends no tags."""
    request_asked = questions(STEPS["target"], base(SESSION, is_temporary=True), "us-east-1", refused)

    assert actions == [entry.action for entry, _ in request_asked]


def test_only_aws_sees_the_address() -> None:
    """The source address of a call is unknown, since only AWS sees it."""
    assert {"aws:sourceip", "aws:sourcevpc"} <= unread_keys(base()) & unread_keys(jump())


def test_what_is_no_caller_of_policies_is_none() -> None:
    """For an ARN that is not a principal's the function returns no caller."""
    assert base_caller(CallerIdentity(ACCOUNT, "arn:aws:sts::111122223333:new-kind/x", "X"), is_temporary=True) is None


def test_an_external_id_stays_a_secret() -> None:
    """The external ID in the plan is a Secret."""
    assert isinstance(STEPS["target"].settings["external_id"], Secret)
