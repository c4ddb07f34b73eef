"""Questions to the trust policy for hops opened by a token or SAML assertion, and their known context keys."""

from __future__ import annotations

import pytest

from dsops.explain.questions.federated_questions import Unsigned, provider_in, unsigned_questions
from dsops.plan import Proof, Step
from tests.plans import plan_of
from tests.unit.policy.policies import ACCOUNT, GITHUB, allow, trust

CONFIG = """\
secretStores:
  ci: {type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/Ci", role_session_name: ci}
"""
COMPANY = f"arn:aws:iam::{ACCOUNT}:saml-provider/company"
STEP = plan_of(CONFIG, store="ci").steps["ci"]


def unsigned_question(step: Step, region: str, provider: str = "") -> Unsigned:
    """Return the question about the hop's trust policy."""
    return unsigned_questions(step, region, provider)[0]


def token_step(proof: Proof) -> Step:
    """A hop opened by a token."""
    return STEP._replace(proof=proof, operation="AssumeRoleWithWebIdentity")


def saml_step(proof: Proof, **settings: str) -> Step:
    """A hop opened by an assertion."""
    return STEP._replace(proof=proof, operation="AssumeRoleWithSAML", settings={**STEP.settings, **settings})


def test_a_token_is_judged_by_what_it_says() -> None:
    """The question for a token contains the token's claims; the token's provider is in the role's account."""
    proof = Proof("a file", "d", ("https://id.example.com/x", "ada", "sts.amazonaws.com"))

    question = unsigned_question(token_step(proof), "us-east-1")

    assert f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com/x" == question[0].principal.federated
    assert ("ada",) == question[0].context["id.example.com/x:sub"]


@pytest.mark.parametrize(("characters", "is_known"), [(199, True), (200, False)])
def test_a_claim_that_is_cut_is_not_known(characters: int, *, is_known: bool) -> None:
    """If a claim is truncated, its value is unknown."""
    proof = Proof("a file", "d", ("https://id.example.com", "a" * characters, "sts.amazonaws.com"))

    asked, unread = unsigned_question(token_step(proof), "us-east-1")

    assert ("id.example.com:sub" in asked.context) is is_known
    assert ("id.example.com:sub" in {key for gap in unread for key in gap.keys}) is not is_known


def test_of_a_token_that_comes_at_run_time_the_claims_are_not_known() -> None:
    """For a token fetched at run time the claims are unknown, but the issuer may be known."""
    question = unsigned_question(token_step(Proof("the token from GitHub Actions", "d", is_fetched=True)), "us-east-1")

    assert GITHUB == question[0].principal.federated
    assert "token.actions.githubusercontent.com:sub" in {key for entry in question[1] for key in entry.keys}


def test_of_a_token_of_a_command_not_even_the_issuer_is_known() -> None:
    """If a command prints the token, its issuer is unknown.

    The trust policy's only provider is assumed, and never proven.
    """
    step = token_step(Proof("a command", "d", is_fetched=True))

    nameless, taken = unsigned_question(step, "us-east-1"), unsigned_question(step, "us-east-1", GITHUB)

    assert ["", GITHUB] == [nameless[0].principal.federated, taken[0].principal.federated]


def test_an_assertion_that_is_at_hand_tells_issuer_and_recipient() -> None:
    """A SAML assertion that can be read gives the issuer and the recipient (`SAML:aud`)."""
    step = saml_step(Proof("a file", "d", ("idp", "ada", "https://signin.aws.amazon.com/saml")), principal_arn=COMPANY)

    question = unsigned_question(step, "us-east-1")

    assert COMPANY == question[0].principal.federated
    assert ("https://signin.aws.amazon.com/saml",) == question[0].context["SAML:aud"]
    assert "saml:aud" not in {key for entry in question[1] for key in entry.keys}


@pytest.mark.parametrize(
    ("principals", "provider"),
    [
        ([{"Federated": COMPANY}], COMPANY),
        ([{"Federated": COMPANY}, {"AWS": ACCOUNT}], COMPANY),
        ([{"Federated": [COMPANY, f"{COMPANY}2"]}], ""),
        ([{"Federated": GITHUB}], ""),
        ([{"AWS": ACCOUNT}], ""),
    ],
)
def test_the_only_provider_of_the_kind_is_found(principals: list[dict[str, object]], provider: str) -> None:
    """If the trust policy has one provider of that kind, dsops uses it; if it has several, dsops uses no provider."""
    policy = trust(*[allow("sts:AssumeRoleWithSAML", None, Principal=principal) for principal in principals])
    question = unsigned_question(saml_step(Proof("a login", "d", is_fetched=True)), "us-east-1")

    assert provider == provider_in(question[0], {"trust": ((policy,),)})
