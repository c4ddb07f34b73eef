"""`dsops policy simulate --sandbox` predicts what the sandbox does on AssumeRole.

Both share policy evaluation, but nothing before it: caller, context keys and applicable policies are determined
separately.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from dsops import cli
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.sandboxes import Lab, Person, RefusedError

HOME, OTHER = "111111111111", "222222222222"
USERS = ("alice", "bob", "carol", "dave")
SEED = f"""\
accounts:
  "{HOME}":
    users:
      alice: {{id: AIDAEXAMPLEALICE00001, tags: {{team: core}}, policies: [&all {{Version: "2012-10-17", Statement:
        {{Effect: Allow, Action: "*", Resource: "*"}}}}]}}
      bob: {{tags: {{team: Core}}}}
      carol: {{groups: [dev], path: /staff/}}
      dave: {{policies: [*all], boundary: "arn:aws:iam::{HOME}:policy/ReadOnly"}}
    groups:
      dev:
        policies:
          - Version: "2012-10-17"
            Statement:
              - {{Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}
              - {{Effect: Deny, Action: "sts:AssumeRole", Resource: "arn:aws:iam::*:role/ByTag"}}
    policies:
      ReadOnly: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "s3:Get*", Resource: "*"}}}}
    roles: &roles
      ByAccount: {{trust: {{Version: "2012-10-17", Statement: &account
        {{Effect: Allow, Principal: {{AWS: "{HOME}"}}, Action: "sts:AssumeRole"}}}}}}
      ByName: {{trust: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "sts:AssumeRole",
        Principal: {{AWS: ["arn:aws:iam::{HOME}:user/bob", "arn:aws:iam::{HOME}:user/dave"]}}}}}}}}
      ByTag: {{trust: {{Version: "2012-10-17", Statement: {{<<: *account, Condition:
        {{StringEquals: {{"aws:PrincipalTag/team": core}}}}}}}}}}
      ByExternalId: {{trust: {{Version: "2012-10-17", Statement: {{<<: *account, Condition:
        {{StringEquals: {{"sts:ExternalId": right-one}}}}}}}}}}
      ById: {{trust: {{Version: "2012-10-17", Statement: {{<<: *account, Condition:
        {{StringLike: {{"aws:userid": "AIDAEXAMPLEALICE*"}}}}}}}}}}
      NoMfa: {{trust: {{Version: "2012-10-17", Statement: {{<<: *account, Condition:
        {{BoolIfExists: {{"aws:MultiFactorAuthPresent": "true"}}}}}}}}}}
      Mfa: {{trust: {{Version: "2012-10-17", Statement: {{<<: *account, Condition:
        {{Bool: {{"aws:MultiFactorAuthPresent": "true"}}}}}}}}}}
      Tagged: {{tags: {{stage: prod}}, trust: {{Version: "2012-10-17", Statement: [*account,
        {{Effect: Deny, Principal: {{AWS: "*"}}, Action: "sts:*", Condition:
          {{StringNotEquals: {{"aws:PrincipalTag/team": core}}, StringEquals: {{"aws:ResourceTag/stage": prod}}}}}}]}}}}
      ByOrganization: {{trust: {{Version: "2012-10-17", Statement: {{<<: *account, Condition:
        {{StringEquals: {{"aws:PrincipalOrgID": "${{aws:ResourceOrgID}}"}}, "ForAnyValue:StringLike":
          {{"aws:PrincipalOrgPaths": "o-exampleorg1/*"}}}}}}}}}}
  "{OTHER}":
    roles: *roles
  "333333333333": {{}}
"""
ORGANIZATION = f"""\
organization:
  management_account: "333333333333"
  id: o-exampleorg1
  organizational_units:
    Work:
      service_control_policies:
        - Version: "2012-10-17"
          Statement: {{Effect: Deny, Action: "sts:AssumeRole", Resource: "arn:aws:iam::*:role/Tagged"}}
      accounts:
        "{HOME}": {{full_aws_access: false, service_control_policies: [{{Version: "2012-10-17",
          Statement: {{Effect: Allow, NotAction: "s3:*", Resource: "*"}}}}]}}
    Vault:
      accounts:
        "{OTHER}":
          resource_control_policies:
            - Version: "2012-10-17"
              Statement: {{Effect: Deny, Principal: "*", Action: "sts:*", Resource: "arn:aws:iam::*:role/ById"}}
"""
ROLES = ("ByAccount", "ByName", "ByTag", "ByExternalId", "ById", "NoMfa", "Mfa", "Tagged", "ByOrganization")
EXTERNAL_IDS = ("", "right-one", "wrong-one")
QUESTIONS = list(product(USERS, (HOME, OTHER), ROLES, EXTERNAL_IDS))


@pytest.fixture(params=["", ORGANIZATION], ids=["no organization", "an organization"])
def server(request: pytest.FixtureRequest) -> Iterator[SandboxServer]:
    """A running sandbox."""
    with open_server(read_seed(SEED + request.param, "seed.yaml")) as listening:
        yield listening


def foretold(server: SandboxServer, folder: Any, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The verdict of `simulate` on each question, asked in one table."""
    cases = [
        {
            "name": f"{user} {account} {role} {external_id}",
            "principal": f"arn:aws:iam::{HOME}:user/{'staff/' if user == 'carol' else ''}{user}",
            "action": "sts:AssumeRole",
            "resource": f"arn:aws:iam::{account}:role/{role}",
            "context": {"sts:ExternalId": external_id or None},
            "expect": "allow",
        }
        for user, account, role, external_id in QUESTIONS
    ]
    return [case["verdict"] for case in simulated(server, cases, folder, capfd)]


def simulated(
    server: SandboxServer, cases: list[dict[str, Any]], folder: Any, capfd: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    """Ask `simulate` a table of cases about the sandbox; returns the answers as JSON."""
    table = folder / "cases.json"
    table.write_text(json.dumps({"cases": cases}))
    cli.main(["policy", "simulate", "--cases", str(table), "--sandbox", server.url, "--json"])
    out, err = capfd.readouterr()
    assert err == ""
    answers: list[dict[str, Any]] = json.loads(out)["cases"]
    return answers


def refusal(person: Person, role: str, external_id: str) -> str:
    """The sandbox's error code; "" if the caller can assume the role."""
    more = {"ExternalId": external_id} if external_id else {}
    try:
        person.assume(role, **more)
    except RefusedError as refused:
        return refused.code
    return ""


def test_what_is_foretold_happens(server: SandboxServer, tmp_path: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """The simulated verdict for every user, role, account and external ID equals the sandbox's; none is `unknown`."""
    result_text = foretold(server, tmp_path, capfd)
    lab = Lab(server.sandbox)
    people = {user: lab.user(user, HOME) for user in USERS}

    wrong = []
    for question, verdict in zip(QUESTIONS, result_text, strict=True):
        user, account, role, external_id = question
        happened = refusal(people[user], f"arn:aws:iam::{account}:role/{role}", external_id)
        if happened != ("" if verdict == "allow" else "AccessDenied"):
            wrong.append((question, verdict, happened))
    counts = {verdict: result_text.count(verdict) for verdict in set(result_text)}
    assert wrong == []
    assert "unknown" not in counts
    assert min(counts["allow"], counts["implicit-deny"], counts["explicit-deny"]) >= 20, counts


@pytest.mark.parametrize(
    ("question", "alone", "together"),
    [
        (("alice", OTHER, "ByAccount", ""), "allow", "allow"),
        (("alice", OTHER, "ByOrganization", ""), "implicit-deny", "allow"),
        (("alice", OTHER, "ById", ""), "allow", "explicit-deny"),
        (("alice", OTHER, "Tagged", ""), "allow", "explicit-deny"),
    ],
)
def test_an_organization_makes_the_difference_that_it_should(
    server: SandboxServer,
    tmp_path: Any,
    capfd: pytest.CaptureFixture[str],
    question: tuple[str, ...],
    alone: str,
    together: str,
) -> None:
    """In an organization, a trust policy with the organization's id allows a role.

    An RCP and an SCP each deny another role.
    """
    has_organization = server.sandbox.world.organizations.membership(HOME) is not None
    result_text = foretold(server, tmp_path, capfd)[QUESTIONS.index(question)]  # type: ignore[arg-type]  # of that shape

    assert result_text == (together if has_organization else alone)


SECRETS_SEED = f"""\
region: us-east-1
accounts:
  "{HOME}":
    users:
      alice: {{tags: {{team: core}}, policies: [&all {{Version: "2012-10-17", Statement:
        {{Effect: Allow, Action: "*", Resource: "*"}}}}]}}
      bob: {{}}
      carol: {{policies: [{{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "secretsmanager:*",
        Resource: "arn:aws:secretsmanager:us-east-1:*:secret:open-*"}}}}]}}
    secrets: &secrets {{open: "1", named: "2", shut: "3", team: "4"}}
    secret_policies: &policies
      named: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "secretsmanager:Get*", Resource: "*",
        Principal: {{AWS: ["arn:aws:iam::{HOME}:user/bob", "arn:aws:iam::{HOME}:user/alice"]}}}}}}
      shut: {{Version: "2012-10-17", Statement: {{Effect: Deny, Action: "secretsmanager:GetSecretValue", Resource: "*",
        Principal: "*"}}}}
      team: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*",
        Principal: {{AWS: "{HOME}"}}, Condition: {{StringEquals: {{"aws:PrincipalTag/team": core}}}}}}}}
  "{OTHER}":
    secrets: *secrets
    secret_policies: *policies
"""


def test_what_is_foretold_of_secrets_happens(tmp_path: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Predictions for secrets come true, with and without resource policies, within and across accounts."""
    with open_server(read_seed(SECRETS_SEED, "seed.yaml")) as server:
        lab = Lab(server.sandbox)
        arns = [
            secret["ARN"]
            for account in (HOME, OTHER)
            for secret in lab.user("admin", account).call("secretsmanager", "ListSecrets")["SecretList"]
        ]
        questions = list(product(("alice", "bob", "carol"), arns))
        cases = [
            {
                "name": f"{user} {arn}",
                "principal": f"arn:aws:iam::{HOME}:user/{user}",
                "resource": arn,
                "action": "secretsmanager:GetSecretValue",
                "expect": "allow",
            }
            for user, arn in questions
        ]
        result_text = [case["verdict"] for case in simulated(server, cases, tmp_path, capfd)]
        happened = [may_read(lab.user(user, HOME), arn) for user, arn in questions]

    assert len(arns) == 8
    assert [verdict == "allow" for verdict in result_text] == happened
    assert {verdict: result_text.count(verdict) for verdict in sorted(set(result_text))} == {
        "allow": 7,
        "explicit-deny": 6,
        "implicit-deny": 11,
    }


def may_read(person: Person, arn: str) -> bool:
    """Whether the sandbox lets the caller read the secret."""
    try:
        person.call("secretsmanager", "GetSecretValue", SecretId=arn)
    except RefusedError as refused:
        return refused.code != "AccessDeniedException"
    return True
