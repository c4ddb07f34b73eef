"""A locally read SAML response gives the same context keys that the sandbox evaluates."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

import pytest

from dsops.arn import parse_arn
from dsops.explain.questions.assertion import AssertedContext, read_told
from dsops.explain.questions.federated_questions import unsigned_questions
from dsops.plan import Proof
from dsops.sandbox.clock import MovableClock
from dsops.stores.saml_response import SamlResponse, read_response
from tests.sandboxes import Lab
from tests.unit.explain.test_federated_questions import COMPANY, STEP
from tests.unit.sandbox.test_saml import PROVIDER, SEED, TAGGED, asked, assume, signed

if TYPE_CHECKING:
    from pathlib import Path

OTHER_PROVIDER = PROVIDER.replace("Corp", "Partner")
ROLE = str(STEP.settings["role_arn"])
EVERYTHING = {
    "PrincipalTag:team": ["blue"],
    "PrincipalTag:cost": ["1"],
    "TransitiveTagKeys": ["team"],
    "SourceIdentity": ["alice@example.com"],
}


@pytest.fixture
def lab() -> Lab:
    """An account that trusts a company's identity provider; time stands still."""
    clock = MovableClock()
    clock.freeze(is_frozen=True)
    return Lab.of(SEED, clock)


def told(response: SamlResponse, role: str = TAGGED, principal_arn: str = "") -> AssertedContext:
    """Return the context keys that dsops derives from a SAML response for this role."""
    arn = parse_arn(role)
    assert arn is not None
    return read_told(response, arn, principal_arn)


def read(text: str) -> SamlResponse:
    """Parse a response."""
    return read_response(text.encode(), "it")


@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["little", "everything"])
def test_keys_and_actions_are_those_that_are_judged(lab: Lab, more: dict[str, list[str]]) -> None:
    """A SAML response gives the context keys and actions that the sandbox evaluates.

    The address, time and role are not derived.
    """
    directory = {"urn:oid:1.3.6.1.4.1.5923.1.1.1.1": ["staff", "member"], "urn:of:nobody": ["x"]}
    text = signed(lab, asked(TAGGED, PROVIDER, **more) | directory)
    assume(lab, text, TAGGED)
    judged = [kept.decision.request for kept in lab.sandbox.judge.decisions]
    of_it = {
        key.lower(): values
        for key, values in judged[-1].context.items()
        if key.lower().startswith(("saml:", "sts:", "aws:requesttag/", "aws:tagkeys", "aws:federatedprovider"))
    }

    found = told(read(text))

    assert [request.action for request in judged] == list(found.actions)
    assert of_it == {key.lower(): values for key, values in found.context.items()}
    assert found.principal_arn == PROVIDER


def test_the_provider_is_the_one_that_was_named_or_given(lab: Lab) -> None:
    """The SAML provider is the store's, else the response's for that role; it is unknown if there are two."""
    response = read(signed(lab, asked(TAGGED)))
    both = read(signed(lab, asked(TAGGED, Role=[f"{TAGGED},{PROVIDER}", f"{TAGGED},{OTHER_PROVIDER}"])))

    assert told(response, principal_arn=OTHER_PROVIDER).principal_arn == OTHER_PROVIDER
    assert told(response, role=f"{TAGGED}2").principal_arn == ""
    assert told(both).principal_arn == ""
    assert "SAML:doc" not in told(both).context


def test_a_name_id_without_a_format_has_the_unspecified_one(lab: Lab) -> None:
    """A NameID without Format has the `unspecified` format, as in SAML and the sandbox."""
    response = read(signed(lab, asked(TAGGED), name_id="<saml:NameID>alice</saml:NameID>"))

    assert told(response).context["SAML:sub_type"] == ("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",)


def test_an_assertion_in_a_file_is_put_whole_to_the_trust_policy(lab: Lab, tmp_path: Path) -> None:
    """If the SAML response is in a file, there is one question per action with all context keys and none unread."""
    file = tmp_path / "response.b64"
    file.write_text(signed(lab, asked(ROLE, COMPANY, **EVERYTHING)), encoding="utf-8")
    settings = {**STEP.settings, "saml_assertion_file": str(file)}
    step = STEP._replace(operation="AssumeRoleWithSAML", settings=settings, proof=Proof("a file", "d"))

    found = unsigned_questions(step, "us-east-1")

    assert [question.action for question, _ in found] == [
        "sts:AssumeRoleWithSAML",
        "sts:SetSourceIdentity",
        "sts:TagSession",
    ]
    assert {question.principal.federated for question, _ in found} == {COMPANY}
    unread = {key for _, entry in found for one in entry for key in one.keys}
    assert "aws:sourceip" in unread
    assert not [key for key in unread if key.startswith(("saml:", "sts:", "aws:requesttag"))]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "the assertion is not at hand: save it, and name the file with `saml_assertion_file`"),
        ("<saml:EncryptedID/>", "only AWS can read all that the assertion says"),
        ("<saml:Assertion/>", "only AWS can read all that the assertion says"),
    ],
    ids=["none", "a subject that is encrypted", "a second assertion"],
)
def test_of_an_assertion_that_is_not_whole_it_is_told_what_is_not_known(
    lab: Lab, tmp_path: Path, content: str, why: str
) -> None:
    """For an incomplete SAML response there is one question, with tags, source identity and other keys unread."""
    xml = read(signed(lab, asked(ROLE, COMPANY, **EVERYTHING))).encoded.reveal_bytes()
    file = tmp_path / "response.b64"
    if content:
        file.write_bytes(b64decode(xml).replace(b"</saml:Subject>", f"{content}</saml:Subject>".encode(), 1))
    settings = {**STEP.settings, "saml_assertion_file": str(file)}
    step = STEP._replace(operation="AssumeRoleWithSAML", settings=settings, proof=Proof("a file", "d"))

    [(question, unread)] = unsigned_questions(step, "us-east-1")

    assert question.action == "sts:AssumeRoleWithSAML"
    assert [gap.why for gap in unread if "saml:sub" in gap.keys] == [why]
    assert {"aws:requesttag/", "sts:sourceidentity"} <= {key for gap in unread for key in gap.keys}


def test_a_response_shows_no_attributes(lab: Lab) -> None:
    """The repr of a SAML response shows no attributes, because they are personal data."""
    response = read(signed(lab, asked(TAGGED, PROVIDER, **EVERYTHING)))

    assert response.attributes
    assert "blue" not in repr(response)
