"""`dsops policy simulate --live` and `--sandbox`: the real program reads the policies from IAM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsops.sandbox.control.launch import open_server
from dsops.sandbox.seed.file import read_seed
from tests.stubs.iam import ACCOUNT, Document, Entity, StubIam
from tests.stubs.organizations import StubOrganizations
from tests.stubs.server import Answer, StubServer
from tests.unit.cli.stub_aws import Dsops

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
APP = f"arn:aws:iam::{ACCOUNT}:role/App"
TARGET = f"arn:aws:iam::{ACCOUNT}:role/Target"
LIMIT = f"arn:aws:iam::{ACCOUNT}:policy/Limit"
ALONE = ("--scp", "none", "--rcp", "none")
TABLE = f"""\
defaults: {{action: sts:AssumeRole, resource: "{TARGET}", scp: null, rcp: null}}
cases:
  - {{name: alice, principal: "{ALICE}", expect: allow, decided_by: trust}}
  - {{name: app, principal: "{APP}", expect: deny, decided_by: boundary}}
"""


def statement(effect: str, action: str, **more: Any) -> Document:
    """A policy with one statement."""
    return {"Version": "2012-10-17", "Statement": {"Effect": effect, "Action": action, **more}}


def stub(*denied: str, organizations: StubOrganizations | None = None) -> StubIam:
    """A stub of IAM with a user, and a role whose boundary does not allow it to assume another role."""
    own = statement("Allow", "sts:*", Resource="*")
    policies: dict[str, Document] = {f"p{number}": statement("Allow", "s3:*", Resource="*") for number in range(4)}
    trust = statement("Allow", "sts:AssumeRole", Principal={"AWS": ACCOUNT})
    return StubIam(
        users={"alice": Entity(policies={"own": own})},
        roles={
            "App": Entity(policies={**policies, "last": own}, trust=trust, boundary=LIMIT),
            "Target": Entity(trust=trust),
        },
        managed={LIMIT: statement("Allow", "s3:*", Resource="*")},
        denied=denied,
        page=2,
        organizations=organizations,
    )


def ask(folder: Path, iam: StubIam, *words: str) -> tuple[int, Any, str]:
    """Run `policy simulate --live`; return its exit code, JSON answer and stderr."""
    with StubServer(iam) as server:
        dsops = Dsops(folder)
        done = dsops.run("policy", "simulate", "--live", "--json", *words, AWS_ENDPOINT_URL=server.url)
    return done.returncode, json.loads(done.stdout or "null"), done.stderr.decode()


def question(principal: str) -> tuple[str, ...]:
    """The flags that ask whether the principal may assume the target role."""
    return ("--principal", principal, "--action", "sts:AssumeRole", "--resource", TARGET)


def test_policies_boundary_and_trust_policy_are_read_to_the_last_page(tmp_path: Path) -> None:
    """Policies are read from all pages, and the permissions boundary is evaluated."""
    iam = stub()
    code, told, err = ask(tmp_path, iam, *question(APP), *ALONE)

    (case,) = told["cases"]
    assert (code, err) == (0, "")
    assert (case["verdict"], case["decided_by"]) == ("implicit-deny", "permissions boundary")
    allowing = [found["policy"] for reason in case["reasons"] for found in reason["matched"]]
    assert allowing == [f"the trust policy of {TARGET}", "last of role App"]
    assert iam.calls.count("ListRolePolicies App") == 3


def test_what_may_not_be_read_leaves_the_answer_unknown(tmp_path: Path) -> None:
    """If a policy cannot be read, the answer names the policy and is `unknown`, which meets no expectation."""
    code, told, _ = ask(tmp_path, stub("GetUserPolicy"), *question(ALICE), *ALONE, "--expect", "allow")

    (case,) = told["cases"]
    assert (code, case["verdict"]) == (6, "unknown")
    assert case["unread"] == [
        {"place": "identity", "why": "not allowed to read the policy own of the user alice", "keys": []}
    ]


def test_an_organization_that_may_not_be_read_is_not_taken_for_absent(tmp_path: Path) -> None:
    """If the organization cannot be read, the answer is unknown, unless a flag declares that there is none."""
    member = StubOrganizations(parents={}, denied=["ListParents"])
    open_answer = ask(tmp_path, stub(organizations=member), *question(ALICE))[1]["cases"][0]
    given_answer = ask(tmp_path, stub(organizations=member), *question(ALICE), *ALONE)[1]["cases"][0]
    sure_answer = ask(tmp_path, stub(), *question(ALICE))[1]["cases"][0]

    answers = [found["verdict"] for found in (open_answer, given_answer, sure_answer)]
    assert answers == ["unknown", "allow", "allow"]
    assert [unread["place"] for unread in open_answer["unread"]] == ["scp", "rcp"]


def test_a_table_reads_each_of_them_once(tmp_path: Path) -> None:
    """For a table of cases, each policy is read only once."""
    (tmp_path / "cases.yaml").write_text(TABLE)
    iam = stub()
    code, told, _ = ask(tmp_path, iam, "--cases", "cases.yaml")

    assert (code, told["is_as_expected"]) == (0, True)
    assert iam.calls.count("GetRole Target") == 1


def test_a_caller_that_iam_does_not_have_is_named_with_the_line_of_the_case(tmp_path: Path) -> None:
    """Callers that do not exist in IAM are all reported with their cases' lines, and no case is answered."""
    (tmp_path / "cases.yaml").write_text(TABLE.replace("user/alice", "user/alic").replace("role/App", "role/Ap"))
    code, told, err = ask(tmp_path, stub(), "--cases", "cases.yaml")

    assert (code, told) == (2, None)
    error = json.loads(err)["error"]
    assert error["code"] == "policy.cases-invalid"
    assert [(found["where"]["line"], found["path"], found["message"]) for found in error["problems"]] == [
        (3, "alice", "could not read the user alic: not found in IAM"),
        (4, "app", "could not read the role Ap: not found in IAM"),
    ]


def test_live_without_credentials_fails(tmp_path: Path) -> None:
    """Without credentials, `--live` fails like every command that calls AWS."""
    with StubServer(stub()) as server:
        keyless = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ENDPOINT_URL": server.url}
        done = Dsops(tmp_path).run("policy", "simulate", "--live", *question(ALICE), **keyless)

    assert done.returncode == 3
    assert b"error[credentials." in done.stderr


# --- a sandbox ----------------------------------------------------------------------------------------------

SEED = f"""\
accounts:
  "{ACCOUNT}":
    users:
      alice:
        tags: {{team: core}}
        policies: [{{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "sts:*", Resource: "*"}}}}]
      bob: {{}}
  "444455556666":
    roles:
      Deploy:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: "{ACCOUNT}"}}
            Action: sts:AssumeRole
            Condition: {{StringEquals: {{"aws:PrincipalTag/team": core}}}}
"""
DEPLOY = "arn:aws:iam::444455556666:role/Deploy"


def ask_sandbox(folder: Path, principal: str, resource: str) -> dict[str, Any]:
    """The answer of `--sandbox`, run with unrelated keys in the environment."""
    with open_server(read_seed(SEED, "seed.yaml")) as server:
        done = Dsops(folder).run(
            "policy",
            "simulate",
            "--json",
            "--sandbox",
            server.url,
            "--principal",
            principal,
            "--action",
            "sts:AssumeRole",
            "--resource",
            resource,
        )
        keys = [str(record["userIdentity"].get("accessKeyId")) for record in server.sandbox.events.records(0, "")]
    assert done.returncode == 0, done.stderr
    assert keys
    assert "AKIAEXAMPLEEXAMPLE01" not in keys
    (case,) = json.loads(done.stdout)["cases"]
    found: dict[str, Any] = case
    return found


@pytest.mark.parametrize(("user", "verdict"), [("alice", "allow"), ("bob", "implicit-deny")])
def test_a_sandbox_answers_for_all_its_accounts(tmp_path: Path, user: str, verdict: str) -> None:
    """The accounts of a sandbox are read with the sandbox's own admin keys, not with the user's keys."""
    assert ask_sandbox(tmp_path, f"arn:aws:iam::{ACCOUNT}:user/{user}", DEPLOY)["verdict"] == verdict


def test_an_account_that_the_sandbox_has_not_is_not_read(tmp_path: Path) -> None:
    """If the sandbox lacks an account, the answer is unknown."""
    case = ask_sandbox(tmp_path, ALICE, DEPLOY.replace("444455556666", "777788889999"))

    assert case["verdict"] == "unknown"
    assert [unread["place"] for unread in case["unread"]] == ["trust", "rcp"]


def test_where_no_sandbox_runs_that_is_told(tmp_path: Path) -> None:
    """`--sandbox` fails if no sandbox answers at the address."""
    words = ("policy", "simulate", *question(ALICE), "--sandbox")
    with StubServer(lambda _: Answer(body=b"hello")) as server:
        url = server.url
        other = Dsops(tmp_path).run(*words, url)
    nobody = Dsops(tmp_path).run(*words, url)

    for done in (other, nobody):
        assert done.returncode == 2
        assert f"no sandbox answers at {url}".encode() in done.stderr
