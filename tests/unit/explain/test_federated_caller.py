"""Sessions opened by a token, SAML assertion or SSO login: their known and unknown context keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsops.aws.apis.sts import CallerIdentity
from dsops.explain.questions.federated_caller import is_opened, opened_caller
from dsops.explain.questions.request import ChainCaller, questions, session_caller
from dsops.plan import Proof, Step
from dsops.sandbox.clock import MovableClock
from dsops.schema import SSO_TYPE
from tests.sandboxes import Lab
from tests.unit.explain.test_federated_questions import STEP, saml_step, token_step
from tests.unit.explain.test_request import STEPS, unread_keys
from tests.unit.policy.policies import ACCOUNT, GITHUB
from tests.unit.sandbox.test_saml import PROVIDER, SEED, TAGGED, asked, signed

if TYPE_CHECKING:
    from pathlib import Path

SESSION = CallerIdentity(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/Ci/ci", "AROAEXAMPLECI00000001:ci")
OF_AN_ISSUER = {"aws:principaltag/", "aws:sourceidentity"}


def opened(step: Step) -> ChainCaller:
    """Return the session that the step opens."""
    chain_caller = opened_caller(step, SESSION)
    assert chain_caller is not None
    return chain_caller


@pytest.fixture
def response(tmp_path: Path) -> str:
    """A file with a response that has two tags, one of them transitive, and a source identity."""
    clock = MovableClock()
    clock.freeze(is_frozen=True)
    message_text = {
        "PrincipalTag:team": ["blue"],
        "PrincipalTag:cost": ["1"],
        "TransitiveTagKeys": ["Team"],
        "SourceIdentity": ["alice"],
    }
    file = tmp_path / "response.b64"
    file.write_text(signed(Lab.of(SEED, clock), asked(TAGGED, PROVIDER, **message_text)), encoding="utf-8")
    return str(file)


def test_an_assertion_at_hand_tells_all_that_the_session_has(response: str) -> None:
    """A SAML response in a file gives tags, source identity, provider and subject.

    Context keys that only the trust policy can use are left out.
    """
    caller = opened(saml_step(Proof("a file", "d"), saml_assertion_file=response, role_arn=TAGGED))

    assert (("blue",), ("1",)) == (caller.context["aws:PrincipalTag/team"], caller.context["aws:PrincipalTag/cost"])
    assert (("alice",), (PROVIDER,)) == (caller.context["aws:SourceIdentity"], caller.context["aws:FederatedProvider"])
    assert caller.context["SAML:sub"]
    assert "SAML:aud" not in caller.context
    assert not OF_AN_ISSUER & unread_keys(caller)


def test_the_next_hop_gets_what_goes_on(response: str) -> None:
    """The next hop inherits only the transitive tags (ignoring case) and the source identity."""
    first = opened(saml_step(Proof("a file", "d"), saml_assertion_file=response, role_arn=TAGGED))
    hop = STEPS["target"]

    actions = [entry.action for entry, _ in questions(hop, first, "us-east-1")]
    second = session_caller(hop, SESSION, first)

    assert ["sts:SetSourceIdentity", "sts:AssumeRole", "sts:TagSession"] == actions
    assert second is not None
    assert (("blue",), ("alice",)) == (second.context["aws:PrincipalTag/team"], second.context["aws:SourceIdentity"])
    assert "aws:PrincipalTag/cost" not in second.context


def test_of_an_assertion_that_is_gone_nothing_is_known() -> None:
    """If a command supplies the SAML assertion, everything about the session is unknown.

    Everything about all later sessions is unknown, too.
    """
    first = opened(saml_step(Proof("a command", "d", is_fetched=True)))
    second = session_caller(STEPS["target"], SESSION, first)
    assert second is not None
    third = session_caller(STEPS["target"], SESSION, second)
    assert third is not None

    assert {*OF_AN_ISSUER, "aws:federatedprovider", "saml:sub"} <= unread_keys(first)
    assert OF_AN_ISSUER <= unread_keys(second) & unread_keys(third)
    assert "aws:federatedprovider" not in unread_keys(second)


def test_a_tokens_provider_and_subject_are_the_sessions() -> None:
    """A token that can be read gives the session's provider and subject, but the session's tags are unknown."""
    caller = opened(token_step(Proof("a file", "d", ("https://id.example.com", "ada", "sts.amazonaws.com"))))

    assert ("ada",) == caller.context["id.example.com:sub"]
    assert {*OF_AN_ISSUER, "id.example.com:amr"} <= unread_keys(caller)
    assert not {"id.example.com:sub", "aws:federatedprovider"} & unread_keys(caller)


def test_of_a_token_that_comes_at_run_time_the_provider_is_known() -> None:
    """If a token is fetched at run time, only its provider is known."""
    caller = opened(token_step(Proof("the token from GitHub Actions", "d", is_fetched=True)))

    assert (GITHUB,) == caller.context["aws:FederatedProvider"]
    assert "token.actions.githubusercontent.com:sub" in unread_keys(caller)


def test_what_a_login_gives_is_not_known() -> None:
    """The tags of an SSO login session are unknown, because IAM Identity Center sets them by its own rules."""
    step = STEP._replace(type=SSO_TYPE, operation="", proof=Proof("a login", "d"))

    assert is_opened(step)
    assert {*OF_AN_ISSUER, "aws:federatedprovider", "identitystore:userid"} <= unread_keys(opened(step))


def test_a_session_that_credentials_sign_for_is_none_of_them() -> None:
    """A session that AssumeRole issues does not count as opened by a federated login."""
    assert not is_opened(STEP)
    assert not is_opened(STEPS["target"])
