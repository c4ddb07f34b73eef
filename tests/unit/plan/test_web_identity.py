"""The plan of roles assumed with a web identity token: fields, errors and fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsops.errors import ConfigError
from dsops.plan import Ambient, Plan, Proof
from tests.plans import plan_of

if TYPE_CHECKING:
    from dsops.schema import Settings

ROLE = "arn:aws:iam::111111111111:role/Deploy"
FETCHED = Proof("the token from GitHub Actions", "digest-of-a-job", is_fetched=True)


def no_ambient(profile: str) -> Ambient:
    """Fail the test, because the plan must not look up a base identity."""
    raise AssertionError(f"the base identity of {profile!r} was looked up")


def text_of(fields: str) -> str:
    """Return a configuration with one store that has these fields."""
    return f"secretStores:\n  r: {{type: aws.sts, role_arn: '{ROLE}', {fields}}}\n"


def planned(fields: str, token: Proof = FETCHED) -> Plan:
    """Return the plan of the store."""
    return plan_of(text_of(fields), store="r", ambient=no_ambient, proof=lambda *_: token)


def problems_of(fields: str) -> list[str]:
    """Return the problems in the plan."""
    with pytest.raises(ConfigError) as caught:
        planned(fields)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def test_no_base_credentials_are_looked_for() -> None:
    """A web identity role needs no base credentials and is not chained, so the role's own maximum applies."""
    plan = planned("web_identity: github, duration_seconds: 43200")
    step = plan.steps["r"]
    assert (plan.ambient, step.proof, step.is_chained, plan.calls) == ({}, FETCHED, False, 1)


def test_without_a_token_the_base_credentials_are() -> None:
    """The same store without a token uses the base credentials."""
    plan = plan_of(text_of("operation: AssumeRole"), store="r")
    assert (plan.steps["r"].proof, list(plan.ambient)) == (None, [""])


def test_a_role_behind_it_is_a_chained_one() -> None:
    """A role assumed with a web identity session is chained and lasts one hour at most."""
    text = text_of("web_identity: github") + (
        f"  next: {{type: aws.sts, role_arn: '{ROLE}2', credentials_from: r, duration_seconds: 7200}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        plan_of(text, store="next", ambient=no_ambient, proof=lambda *_: FETCHED)
    assert "the most that a chained role gets" in caught.value.problems[0].message
    shorter = plan_of(text.replace("7200", "3600"), store="next", ambient=no_ambient, proof=lambda *_: FETCHED)
    assert shorter.steps["next"].is_chained is True


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("web_identity: github, web_identity_token: abcd", "web_identity: `web_identity_token` and `web_identity`"),
        ("web_identity: github, external_id: abcd", "external_id: `external_id` does not go with `web_identity`"),
        ("web_identity: github, tags: {a: b}", "tags: `tags` does not go with `web_identity`: they come"),
        ("web_identity: github, source_identity: ada", "source_identity: `source_identity` does not go with"),
        ("web_identity: github, serial_number: '123456789'", "serial_number: `serial_number` does not go with"),
        ("web_identity: github, profile: ada", "profile: `profile` does not go with `web_identity`"),
        ("web_identity: gitlab, web_identity_audience: a", "web_identity_audience: `web_identity_audience` goes with"),
        ("web_identity: gihtub", "web_identity: `web_identity` is one of github, gitlab, kubernetes"),
        ("web_identity: github, operation: AssumeRole", "operation: AssumeRole takes no token, and `web_identity` is"),
    ],
)
def test_what_a_token_does_not_go_with_is_refused(fields: str, problem: str) -> None:
    """Keys that cannot be combined with a token are refused before any call."""
    assert [True] == [found.startswith(f"secretStores.r.{problem}") for found in problems_of(fields)]


def test_an_operation_that_needs_a_token_is_refused_without_one() -> None:
    """A store with `operation: AssumeRoleWithWebIdentity` and no token is refused."""
    with pytest.raises(ConfigError) as caught:
        plan_of(text_of("operation: AssumeRoleWithWebIdentity"), store="r")
    assert "AssumeRoleWithWebIdentity needs a token" in caught.value.problems[0].message
    assert planned("web_identity: github, operation: AssumeRoleWithWebIdentity").steps["r"].proof


def test_a_token_whose_variable_is_not_set_is_told_once() -> None:
    """If the token's variable is not set, the plan reports it once."""
    text = text_of("operation: AssumeRoleWithWebIdentity, web_identity_token: '${ID_TOKEN}'")
    with pytest.raises(ConfigError) as caught:
        plan_of(text, store="r", ambient=no_ambient, proof=lambda *_: FETCHED, environ={})
    (problem,) = caught.value.problems
    assert "needs the environment variable ID_TOKEN, which is not set" in problem.message


def test_another_token_is_another_session() -> None:
    """A different token gives a different fingerprint."""
    first, again = (planned("web_identity: github").steps["r"].fingerprint for _ in range(2))
    other = planned("web_identity: github", FETCHED._replace(digest="of-another-job")).steps["r"].fingerprint
    assert first == again != other


def test_a_token_is_asked_about_once_it_is_expanded() -> None:
    """The plan interpolates the token before inspecting it, and passes it to the inspection as a Secret."""
    seen: list[Settings] = []

    def listen(_: str, settings: Settings) -> Proof:
        seen.append(settings)
        return FETCHED

    plan_of(
        text_of("web_identity_token: '${TOKEN}'"),
        store="r",
        ambient=no_ambient,
        proof=listen,
        environ={"TOKEN": "planted-token"},
    )
    assert [str(settings["web_identity_token"]) for settings in seen] == ["***"]
