"""The page's picture of the accounts: what is drawn, who can become which role, and by which chain."""

from __future__ import annotations

from typing import Any

import pytest

from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.page import ways
from dsops.sandbox.sts.totp import code_at
from tests.sandboxes import ACCOUNT, OTHER, Lab, Person, RefusedError
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_page import PAGE, ask, send

MFA_SEED = "JBSWY3DPEHPK3PXP"
MFA = "aws:MultiFactorAuthPresent"
EXTERNAL_ID = "sts:ExternalId"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
ALLOW = 'Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole"'
ASSUME = f'{{{ALLOW}, Resource: "*"}}}}'


def trust(principal: str, condition: str = "") -> str:
    """A trust policy in YAML."""
    return f"{{{ALLOW}, Principal: {principal}{condition}}}}}"


def user(name: str) -> str:
    """A Principal element in YAML that names a user or role of the first account."""
    return f'{{AWS: "arn:aws:iam::{ACCOUNT}:{name}"}}'


SEED = f"""
organization:
  management_account: "{ACCOUNT}"
  service_control_policies:
    - {{name: guardrail, document: {{Version: "2012-10-17", Statement: [{{Sid: NoBreakGlass, Effect: Deny,
       Action: "sts:AssumeRole", Resource: "arn:aws:iam::*:role/BreakGlass"}},
       {{Effect: Allow, Action: "*", Resource: "*"}}]}}}}
  accounts: ["{OTHER}"]
accounts:
  "{ACCOUNT}":
    oidc_providers: [{{url: "https://token.actions.githubusercontent.com", client_ids: [x], issued_by_sandbox: true}}]
    users:
      alice: {{mfa: {{name: alice, seed: {MFA_SEED}}}, policies: [{ASSUME}]}}
      bob: {{}}
    roles:
      Jump: {{trust: {trust(user("user/alice"))}, policies: [{ASSUME}]}}
      Sensitive: {{trust: {trust(user("root"), ', Condition: {Bool: {"aws:MultiFactorAuthPresent": "true"}}')}}}
      Never: {{trust: {trust(user("role/Jump"), ', Condition: {Bool: {"aws:MultiFactorAuthPresent": "true"}}')}}}
      Guarded:
        trust: {{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "sts:AssumeRole",
                Principal: {user("user/alice")}}}, {{Effect: Deny, Action: "sts:AssumeRole", Principal: "*",
                Condition: {{BoolIfExists: {{"aws:MultiFactorAuthPresent": "false"}}}}}}]}}
      Build: {{trust: {{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{Federated: "{PROVIDER}"}},
              Action: "sts:AssumeRoleWithWebIdentity", Condition: {{StringEquals: {{
              "token.actions.githubusercontent.com:sub": "repo:org/app:ref:refs/heads/main"}}}}}}}}}}
  "{OTHER}":
    users: {{dan: {{policies: [{ASSUME}]}}}}
    roles:
      Deploy: {{trust: {trust(user("role/Jump"))}, policies: [{ASSUME}]}}
      Release: {{trust: {trust(f'{{AWS: "arn:aws:iam::{OTHER}:role/Deploy"}}')}}}
      Partner: {{trust: {
    trust(
        f'{{AWS: ["arn:aws:iam::{ACCOUNT}:role/Jump", "999999999999"]}}',
        ', Condition: {StringEquals: {"sts:ExternalId": "hush-external"}}',
    )
}}}
      BreakGlass: {{trust: {trust(f'{{AWS: "arn:aws:iam::{OTHER}:user/dan"}}')}}}
      Function: {{trust: {trust("{Service: lambda.amazonaws.com}")}}}
"""
JUMP, SENSITIVE, NEVER, GUARDED, BUILD = (
    f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("Jump", "Sensitive", "Never", "Guarded", "Build")
)
DEPLOY, RELEASE, PARTNER, BREAK_GLASS, FUNCTION = (
    f"arn:aws:iam::{OTHER}:role/{name}" for name in ("Deploy", "Release", "Partner", "BreakGlass", "Function")
)
ALICE, BOB, DAN = (
    f"arn:aws:iam::{ACCOUNT}:user/alice",
    f"arn:aws:iam::{ACCOUNT}:user/bob",
    f"arn:aws:iam::{OTHER}:user/dan",
)
OUTSIDE = "arn:aws:iam::999999999999:root"


@pytest.fixture
def world(make_lab: LabFactory) -> Lab:
    """An organization of two accounts, with chains of roles, conditions, and an SCP."""
    return make_lab(SEED)


@pytest.fixture
def control(world: Lab) -> Control:
    """The control endpoints."""
    return Control(world.sandbox)


def entries(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The drawn principals of the accounts by their ARNs."""
    return {each["arn"]: each for account in view["accounts"] for each in account["principals"]}


def states(view: dict[str, Any]) -> dict[tuple[str, str], tuple[str, list[str]]]:
    """The links: source, target role, state, and reasons."""
    return {(link["from"], link["to"]): (link["state"], link["why"]) for link in view["links"]}


def way(control: Control, source: str, target: str) -> dict[str, Any]:
    """The answer to the question whether one can become the other."""
    return ask(control, f"way?from={source}&to={target}")


def chain(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """The roles of a way, and the state of the step to each."""
    return [(step["to"], step["state"]) for step in answer["steps"]]


# --- what is drawn -------------------------------------------------------------------------------------------------


def test_principals_are_drawn_by_account(control: Control) -> None:
    """Users, roles and providers are in their account; services and other accounts that are trusted, beyond."""
    view = ask(control, "world")
    drawn = {arn: each["kind"] for arn, each in entries(view).items()}

    assert [account["account"] for account in view["accounts"]] == [ACCOUNT, OTHER]
    assert {ALICE, BOB, DAN, JUMP, DEPLOY, PROVIDER} <= drawn.keys()
    assert (drawn[ALICE], drawn[JUMP], drawn[PROVIDER]) == ("user", "role", "oidc")
    assert {each["arn"]: (each["kind"], each["name"]) for each in view["beyond"]} == {
        "lambda.amazonaws.com": ("service", "lambda"),
        OUTSIDE: ("outside", "account 999999999999"),
    }
    assert view["count"] == view["shown"] == len(drawn)


def test_sessions_end_by_the_sandbox_s_clock(control: Control, world: Lab) -> None:
    """A role has its live sessions with the time of their end; a moved clock ends them."""
    world.user("alice").assume(JUMP, session="first")
    world.user("alice").assume(JUMP, session="second", DurationSeconds=900)
    before = ask(control, "world")
    jump = entries(before)[JUMP]

    assert [session["name"] for session in jump["live"]] == ["second", "first"]
    assert [round(session["ends"] - before["now"], -1) for session in jump["live"]] == [900, 3600]
    assert (jump["sessions"], entries(before)[DEPLOY]["sessions"]) == (2, 0)
    ask(control, "clock", {"advance_seconds": 901})
    after = ask(control, "world")
    assert [session["name"] for session in entries(after)[JUMP]["live"]] == ["first"]
    assert after["now"] >= before["now"] + 901
    ask(control, "clock", {"advance_seconds": 3600})
    assert entries(ask(control, "world"))[JUMP]["live"] == []


def test_a_search_draws_what_it_finds_with_its_neighbours(control: Control) -> None:
    """The search is a part of an ARN, in any case; what trusts or is trusted is drawn too, and told apart."""
    found = ask(control, "world?search=JUMP")
    other = ask(control, f"world?account={OTHER}&search=role/d")

    assert {arn for arn, each in entries(found).items() if each["is_found"]} == {JUMP}
    assert {ALICE, DEPLOY} <= {arn for arn, each in entries(found).items() if not each["is_found"]}
    assert (found["count"], found["shown"]) == (1, 1)
    assert {arn for arn, each in entries(other).items() if each["is_found"]} == {DEPLOY}
    assert ask(control, "world?search=no-such-name")["count"] == 0
    kept = ask(control, f"world?search=no-such-name&with={BOB}&with=arn:aws:iam::{ACCOUNT}:user/gone")
    assert [*entries(kept)] == [BOB]


def test_of_many_roles_as_many_are_drawn_as_one_reads(make_lab: LabFactory) -> None:
    """Of 200 roles at most 60 are drawn, roles with sessions first; the answer has the number of all."""
    roles = "\n".join(f"      role-{number}: {{trust: {trust(user('user/alice'))}}}" for number in range(200))
    lab = make_lab(f'accounts:\n  "{ACCOUNT}":\n    users: {{alice: {{policies: [{ASSUME}]}}}}\n    roles:\n{roles}\n')
    control = Control(lab.sandbox)
    lab.user("alice").assume(f"arn:aws:iam::{ACCOUNT}:role/role-177")
    view = ask(control, "world")
    searched = ask(control, "world?search=role-18")

    assert len(entries(view)) == 60
    assert view["count"] > 200
    assert f"arn:aws:iam::{ACCOUNT}:role/role-177" in entries(view)
    assert {each["name"] for each in entries(searched).values() if each["is_found"]} == {
        "role-18",
        *(f"role-18{number}" for number in range(10)),
    }


# --- trust ---------------------------------------------------------------------------------------------------------


def test_each_arrow_has_its_state(control: Control, world: Lab) -> None:
    """The arrows tell what is allowed now, which condition is open, and what denies."""
    made = world.sandbox.judge.made
    links = states(ask(control, "world"))

    assert links[ALICE, JUMP] == ("allowed", [])
    assert links[ALICE, SENSITIVE] == ("conditional", [MFA])
    assert links[ALICE, GUARDED] == ("conditional", [MFA])
    assert links[JUMP, NEVER] == ("denied", ["MFA"])
    assert links[JUMP, PARTNER] == ("conditional", [EXTERNAL_ID])
    assert links[OUTSIDE, PARTNER] == ("conditional", [EXTERNAL_ID])
    assert links[PROVIDER, BUILD] == ("conditional", ["token.actions.githubusercontent.com:sub"])
    assert links["lambda.amazonaws.com", FUNCTION] == ("allowed", [])
    assert links[DAN, BREAK_GLASS] == ("denied", ["service control policy"])
    assert (BOB, SENSITIVE) not in links, "Bob has no permission"
    assert world.sandbox.judge.made == made, "a question of the page is not a call"


def callers(world: Lab) -> dict[str, Person]:
    """Callers with the credentials of the users, and of the roles that can be assumed."""
    alice = world.user("alice")
    jump = alice.assume(JUMP)
    deploy = jump.assume(DEPLOY)
    return {
        ALICE: alice,
        BOB: world.user("bob"),
        DAN: world.user("dan", OTHER),
        JUMP: jump,
        DEPLOY: deploy,
        RELEASE: deploy.assume(RELEASE),
    }


def test_the_arrows_agree_with_real_calls(control: Control, world: Lab) -> None:
    """For each of 60 pairs, a real call succeeds just where the picture says so, with just the conditions it names."""
    people = callers(world)
    links = states(ask(control, "world"))
    roles = (JUMP, SENSITIVE, NEVER, GUARDED, BUILD, DEPLOY, RELEASE, PARTNER, BREAK_GLASS, FUNCTION)
    allowed = 0
    for source, person in people.items():
        for role in roles:
            state, why = links.get((source, role), ("none", []))
            assert can_assume(person, role) == (state == "allowed"), (source, role)
            allowed += state == "allowed"
            if state != "conditional":
                continue
            if MFA in why:
                world.sandbox.move_clock(world.sandbox.clock.now() + 30)  # each code is valid once
            assert can_assume(person, role, **conditions(world, why)), (source, role, why)
    assert allowed == 3


def conditions(world: Lab, why: list[str]) -> dict[str, str]:
    """The parameters of AssumeRole that fulfil the open conditions."""
    code = code_at(MFA_SEED, world.sandbox.clock.now())
    mfa = {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/alice", "TokenCode": code}
    return {**(mfa if MFA in why else {}), **({"ExternalId": "hush-external"} if EXTERNAL_ID in why else {})}


def can_assume(person: Person, role: str, **parameters: str) -> bool:
    """Whether a real AssumeRole call succeeds."""
    try:
        person.assume(role, "session", **parameters)
    except RefusedError as error:
        assert error.code == "AccessDenied"  # noqa: PT017 - the helper returns the outcome
        return False
    return True


def test_the_links_of_one_principal(control: Control) -> None:
    """`to` are the roles that it can become, `from` are those that can become it."""
    links = ask(control, f"links?arn={JUMP}")

    assert {link["to"] for link in links["to"]} == {DEPLOY, PARTNER, NEVER, SENSITIVE}
    assert [link["from"] for link in links["from"]] == [ALICE]
    assert ask(control, f"links?arn={ALICE}")["from"] == []
    for path in ("links?arn=gone", f"links?arn=arn:aws:iam::{ACCOUNT}:role/Gone", "links"):
        assert send(control, path, **PAGE, x_sandbox_page_token=control.page_token).status == 404


# --- can one become the other --------------------------------------------------------------------------------------


def test_a_chain_is_found_and_works(control: Control, world: Lab) -> None:
    """The shortest chain of allowed steps is the answer, and real calls can go it."""
    answer = way(control, ALICE, RELEASE)
    person = world.user("alice")

    assert (answer["verdict"], answer["refusals"]) == ("yes", [])
    assert chain(answer) == [(JUMP, "allowed"), (DEPLOY, "allowed"), (RELEASE, "allowed")]
    for role, _ in chain(answer):
        person = person.assume(role)


def test_open_conditions_are_named(control: Control) -> None:
    """A chain that needs a condition names it with what the policy wants; a secret value is masked."""
    partner, sensitive = way(control, ALICE, PARTNER), way(control, ALICE, SENSITIVE)

    assert (partner["verdict"], chain(partner)) == ("conditional", [(JUMP, "allowed"), (PARTNER, "conditional")])
    assert partner["steps"][1]["conditions"] == [f"StringEquals {EXTERNAL_ID} ***"]
    assert sensitive["steps"][0]["conditions"] == [f"Bool {MFA} true"]
    assert "hush-external" not in str(ask(control, "world")) + str(partner)


def test_a_denied_step_names_the_statement(control: Control) -> None:
    """A way that only an SCP denies is shown, with the policy and the statement that deny it."""
    answer = way(control, DAN, BREAK_GLASS)

    assert (answer["verdict"], chain(answer)) == ("no", [(BREAK_GLASS, "denied")])
    assert len(answer["refusals"]) == 1
    assert answer["refusals"][0].startswith("statement NoBreakGlass of the service control policy")


def test_without_a_way_the_refusing_policies_are_named(control: Control) -> None:
    """Each policy that refuses the direct call has a sentence."""
    assert way(control, BOB, RELEASE)["refusals"] == [
        f"the role trust policy names {DEPLOY}, and not this principal",
        "no identity-based policy allows it",
    ]
    assert way(control, OUTSIDE, RELEASE)["refusals"] == [
        f"the role trust policy names {DEPLOY}, and not this principal"
    ]
    user_as_goal = way(control, JUMP, ALICE)
    assert (user_as_goal["verdict"], user_as_goal["refusals"]) == ("no", ["only a role can be assumed"])


def test_a_search_that_takes_too_long_says_so(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit of decisions, the answer is `unknown` unless a way was found that none can beat."""
    monkeypatch.setattr(ways, "_MOST_DECISIONS", 1)

    assert way(control, ALICE, RELEASE)["verdict"] == "unknown"
    assert way(control, ALICE, JUMP)["verdict"] == "yes"
    assert way(control, ALICE, SENSITIVE)["verdict"] == "unknown"


@pytest.mark.parametrize("query", ["", f"from={ALICE}", f"to={JUMP}", f"from={ALICE}&to=gone", f"from=*&to={JUMP}"])
def test_an_unknown_end_is_not_found(control: Control, query: str) -> None:
    """Both ends have to be principals of this sandbox."""
    assert send(control, f"way?{query}", **PAGE, x_sandbox_page_token=control.page_token).status == 404


def test_the_world_needs_the_token(control: Control) -> None:
    """A page without the token of this run gets no names."""
    for path in ("world", f"links?arn={ALICE}", f"way?from={ALICE}&to={JUMP}"):
        answer = send(control, path, **PAGE)
        assert answer.status == 403
        assert b"Jump" not in answer.body
