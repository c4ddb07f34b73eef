"""`dsops policy simulate`: it answers a question or a table of cases; the exit code shows the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsops import cli

ACCOUNT = "111122223333"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
ROLE = "arn:aws:iam::444455556666:role/Deploy"
TRUST = f"""\
Version: "2012-10-17"
Statement:
  - Sid: Partner
    Effect: Allow
    Principal: {{AWS: "{ACCOUNT}"}}
    Action: sts:AssumeRole
    Condition:
      StringEquals: {{sts:ExternalId: hush-id}}
"""
OWN = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}}'
CASES = f"""\
defaults: {{principal: "{ALICE}", action: sts:AssumeRole, resource: "{ROLE}", trust: trust.yaml, identity: own.json}}
cases:
  - {{name: right, context: {{sts:ExternalId: hush-id}}, expect: allow, sid: Partner}}
  - {{name: wrong, context: {{sts:ExternalId: Hush-Id}}, expect: allow}}
  - {{name: none, expect: implicit-deny, decided_by: trust}}
"""
ASK = ("--principal", ALICE, "--action", "sts:AssumeRole", "--resource", ROLE)
FILES = ("--trust", "trust.yaml", "--identity", "own.json")
RIGHT = ("--context", "sts:ExternalId=hush-id")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with policies and a table of cases."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trust.yaml").write_text(TRUST)
    (tmp_path / "own.json").write_text(OWN)
    (tmp_path / "suite").mkdir()
    for name, text in (("cases.yaml", CASES), ("trust.yaml", TRUST), ("own.json", OWN)):
        (tmp_path / "suite" / name).write_text(text)
    return tmp_path


def ask(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run `dsops policy simulate`; return its exit code, stdout and stderr."""
    code = cli.main(["policy", "simulate", *words])
    out, err = capfd.readouterr()
    return code, out, err


def answer(capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run `dsops policy simulate --json`; return the only case of its answer."""
    (case,) = json.loads(ask(capfd, *words, "--json")[1])["cases"]
    found: dict[str, Any] = case
    return found


@pytest.mark.usefixtures("folder")
class TestQuestion:
    """A single question, given by flags."""

    def test_an_answer_names_the_statement_that_decides(self, capfd: pytest.CaptureFixture[str]) -> None:
        """The answer names the deciding statement and each policy that was evaluated."""
        code, out, err = ask(capfd, *ASK, *FILES, *RIGHT)

        assert (code, err) == (0, "")
        assert out.splitlines() == [
            f"allow: {ALICE} may sts:AssumeRole on {ROLE}",
            "  decided by: the role trust policy and the identity-based policy",
            "  role trust policy: allow",
            "    trust.yaml:3 `Partner` allows it",
            "  identity-based policy: allow",
            "    own.json:1 allows it",
        ]

    def test_a_denial_says_what_was_missing_and_no_external_id(self, capfd: pytest.CaptureFixture[str]) -> None:
        """A denial names the unmet condition but not the external ID of the policy or the request."""
        code, out, _ = ask(capfd, *ASK, *FILES, "--context", "sts:ExternalId=Hush-Id")
        as_json = ask(capfd, *ASK, *FILES, "--context", "sts:ExternalId=Hush-Id", "--json")[1]

        assert code == 0
        assert "implicit-deny: " in out
        assert "trust.yaml:8: StringEquals sts:ExternalId wants ***, the request has ***" in out
        assert "hush" not in (out + as_json).lower()

    @pytest.mark.parametrize(("expected", "code"), [("allow", 0), ("deny", 6), ("implicit-deny", 6)])
    def test_the_exit_code_is_6_where_the_answer_is_another_one(
        self, capfd: pytest.CaptureFixture[str], expected: str, code: int
    ) -> None:
        """If the answer differs from `--expect`, the exit code is 6, in every format."""
        for form in ("text", "json", "junit"):
            assert ask(capfd, *ASK, *FILES, *RIGHT, "--expect", expected, "--format", form)[0] == code

    def test_a_trust_policy_that_is_not_given_leaves_it_open(self, capfd: pytest.CaptureFixture[str]) -> None:
        """Without a trust policy the answer is `unknown`, which fails `--expect`; a policy declared absent denies."""
        given = ("--identity", "own.json")
        code, out, _ = ask(capfd, *ASK, *given, "--expect", "deny")

        assert code == 6
        assert "unknown: " in out
        assert "not read: trust: every role has a trust policy, and it is not given" in out
        assert ask(capfd, *ASK, *given, "--trust", "none", "--expect", "deny")[0] == 0

    def test_what_aws_refuses_whatever_policies_say_is_told(self, capfd: pytest.CaptureFixture[str]) -> None:
        """A request that AWS refuses whatever the policies say is denied with that reason and without a policy."""
        root = ("--principal", f"arn:aws:iam::{ACCOUNT}:root", *ASK[2:])
        _, out, _ = ask(capfd, *root, *FILES, *RIGHT)

        assert out.splitlines()[1:] == ["  decided by: AWS, whatever policies say: a root user may assume no role"]
        assert answer(capfd, *root, *FILES, *RIGHT)["refusal"] == "a root user may assume no role"

    def test_flags_that_repeat_add_up(self, capfd: pytest.CaptureFixture[str], folder: Path) -> None:
        """Repeated flags add policies, or add values to a context key."""
        (folder / "deny.json").write_text(OWN.replace("Allow", "Deny").replace("sts:*", "sts:TagSession"))
        more = ("--identity", "deny.json")
        tag = (*ASK[:2], "--action", "sts:TagSession", *ASK[4:], *FILES, *RIGHT)

        assert answer(capfd, *ASK, *FILES, *more, *RIGHT)["verdict"] == "allow"
        assert answer(capfd, *tag, *more)["verdict"] == "explicit-deny"
        keys = answer(capfd, *ASK, *FILES, "--context", "aws:TagKeys=a", "--context", "aws:TagKeys=b")
        assert keys["request"]["context"]["aws:TagKeys"] == ["a", "b"]

    def test_levels_of_an_organization_are_lists_with_commas(
        self, capfd: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        """`--scp` takes the policies of one level as a comma-separated list, which may name AWS's own policies."""
        (folder / "s3.json").write_text(OWN.replace("sts:*", "s3:*"))
        question = (*ASK, *FILES, *RIGHT)

        assert answer(capfd, *question, "--scp", "FullAWSAccess,s3.json")["verdict"] == "allow"
        denied = answer(capfd, *question, "--scp", "FullAWSAccess", "--scp", "s3.json")
        assert (denied["verdict"], denied["decided_by"]) == ("implicit-deny", "service control policy")
        assert answer(capfd, *question, "--scp", "none", "--rcp", "RCPFullAWSAccess")["verdict"] == "allow"

    def test_the_variable_of_a_flag_that_repeats_has_one_on_each_line(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The variable of a repeatable flag has one value per line, so a value may contain a comma."""
        monkeypatch.setenv("DSOPS_POLICY_CONTEXT", "sts:ExternalId=hush-id\naws:TagKeys=a,b")
        found = answer(capfd, *ASK, *FILES)

        assert found["verdict"] == "allow"
        assert found["request"]["context"]["aws:TagKeys"] == ["a,b"]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ((), "--principal is missing"),
            (("--principal", ALICE), "--action is missing"),
            (("--principal", "alice", "--action", "sts:AssumeRole"), "`alice` is neither an ARN"),
            (("--principal", ALICE, "--action", "sts:*"), "is a pattern"),
            (("--principal", ALICE, "--action", "sts:AssumeRole"), "is about a role"),
            ((*ASK, "--resource-policy", "own.json"), "is a role, which has a trust policy instead"),
            ((*ASK, "--context", "hush-id"), "a value of --context is not KEY=VALUE"),
            ((*ASK, "--context", "=hush-id"), "a value of --context is not KEY=VALUE"),
            ((*ASK, "--cases", "suite/cases.yaml"), "--cases and --principal can't be combined"),
            ((*ASK, "--live", "--sandbox", "http://127.0.0.1:1"), "--live and --sandbox can't be combined"),
            ((*ASK, "--sandbox", "https://sandbox.example.com"), "is not the address of a sandbox on this machine"),
            ((*ASK, "--sandbox", "4566"), "is not the address of a sandbox on this machine"),
            ((*ASK, "--expect", "maybe"), "`maybe`"),
        ],
    )
    def test_what_can_not_be_asked_is_told(
        self, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
    ) -> None:
        """An invalid question exits like a usage error, which does not show values of context keys."""
        code, out, err = ask(capfd, *words)

        assert (code, out) == (2, "")
        assert message in err
        assert "hush" not in err

    def test_policies_that_can_not_be_used_are_all_told(self, capfd: pytest.CaptureFixture[str], folder: Path) -> None:
        """All unusable policies are reported at once, with file, place and policy type."""
        (folder / "odd.json").write_text(OWN.replace("Allow", "allow"))
        code, out, err = ask(capfd, *ASK, "--trust", "own.json", "--identity", "odd.json", "--boundary", "nowhere.json")

        assert (code, out) == (2, "")
        assert "error[policy.cases-invalid]: the question names policies that can't be used" in err
        assert "(as an identity-based policy)" in err
        assert "(as a role trust policy)" in err
        assert "nowhere.json can't be read: no such file or directory" in err

    def test_no_control_character_reaches_the_terminal(self, capfd: pytest.CaptureFixture[str]) -> None:
        """Control characters in context keys and names are shown as codes."""
        for form in ("text", "junit"):
            out = ask(capfd, *ASK[:4], "--resource", f"{ROLE}\x1b[2J", *FILES, *RIGHT, "--format", form)[1]
            assert "\x1b" not in out


@pytest.mark.usefixtures("folder")
class TestTable:
    """A table of cases in a file."""

    def test_what_is_not_as_expected_is_told_with_its_line(self, capfd: pytest.CaptureFixture[str]) -> None:
        """A case with an unexpected answer is shown with line and reason; file paths are relative to the table."""
        code, out, err = ask(capfd, "--cases", "suite/cases.yaml")

        assert (code, err) == (6, "")
        lines = out.splitlines()
        assert lines[0] == "suite/cases.yaml:4: wrong: expected allow, got implicit-deny"
        assert lines[1].startswith("  implicit-deny: ")
        assert "they differ only in upper and lower case" in out
        assert lines[-1] == "3 cases, 1 is not as expected"
        assert "hush" not in out.lower()

    def test_when_all_is_as_expected_one_line_says_so(self, capfd: pytest.CaptureFixture[str], folder: Path) -> None:
        """If all answers are as expected, one line says so and the exit code is 0."""
        table = folder / "suite" / "cases.yaml"
        table.write_text(table.read_text().replace("Hush-Id}, expect: allow", "Hush-Id}, expect: deny"))

        assert ask(capfd, "--cases", "suite/cases.yaml") == (0, "3 cases, all as expected\n", "")

    def test_json_has_every_case_with_its_reasons(self, capfd: pytest.CaptureFixture[str]) -> None:
        """The JSON contains every case with its reasons."""
        told = json.loads(ask(capfd, "--cases", "suite/cases.yaml", "--json")[1])

        assert told["file"] == "suite/cases.yaml"
        assert told["is_as_expected"] is False
        assert [(case["name"], case["line"], case["verdict"], case["expected"]) for case in told["cases"]] == [
            ("right", 3, "allow", "allow"),
            ("wrong", 4, "implicit-deny", "allow"),
            ("none", 5, "implicit-deny", "implicit-deny"),
        ]
        failure = told["cases"][1]["reasons"][0]["near"][0]["failures"][0]
        assert (failure["key"], failure["wanted"], failure["actual"]) == ("sts:ExternalId", ["***"], ["***"])

    def test_all_that_is_wrong_with_a_table_is_told_at_once(
        self, capfd: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        """All mistakes in a table are reported at once, and no case is answered."""
        (folder / "suite" / "cases.yaml").write_text(CASES.replace("expect: allow}", "expect: alow}"))
        (folder / "bad.yaml").write_text(CASES.replace("own.json", "nowhere.json").replace("trust.yaml", "own.json"))
        code, out, err = ask(capfd, "--cases", "suite/cases.yaml")
        other, _, policies = ask(capfd, "--cases", "bad.yaml")

        assert (code, other, out) == (2, 2, "")
        assert "suite/cases.yaml:4: cases[1].expect: `alow` is no answer" in err
        assert "did you mean `allow`?" in err
        assert "bad.yaml:1: defaults.identity: nowhere.json can't be read" in policies
        assert policies.count("own.json:1") >= 1

    def test_a_table_that_can_not_be_read_is_told(self, capfd: pytest.CaptureFixture[str]) -> None:
        """A table that cannot be read causes the same error as any unreadable file."""
        code, _, err = ask(capfd, "--cases", "nowhere.yaml")

        assert code == 2
        assert "error[policy.unreadable]: nowhere.yaml can't be read" in err


@pytest.mark.usefixtures("folder")
class TestNamesThatAwsHasNot:
    """Notes on unknown action and key names: a mistyped action is denied, which can look like a correct answer."""

    def test_an_action_and_a_key_are_told_with_what_was_meant(self, capfd: pytest.CaptureFixture[str]) -> None:
        """A mistyped action or key causes a note with a suggestion on stderr, and the answer stays the same."""
        words = ("--principal", ALICE, "--action", "s3:GetObjct", "--context", "aws:SorceIp=10.0.0.1")
        code, out, err = ask(capfd, *words, "--identity", "own.json", "--expect", "deny")
        assert 0 == code
        assert out.startswith("implicit-deny: ")
        assert err == (
            "dsops: note: s3 has no action `GetObjct` that AWS documents; did you mean `s3:GetObject`?\n"
            "dsops: note: AWS has no condition key `aws:SorceIp`; did you mean `aws:SourceIp`?\n"
        )

    def test_a_case_is_named_by_its_line_and_a_name_is_told_once(
        self, folder: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """A note names the line of its case, and an unknown name is reported once for all cases."""
        cases = CASES.replace("action: sts:AssumeRole", "action: stss:AssumeRole").replace(", trust: trust.yaml", "")
        (folder / "suite" / "cases.yaml").write_text(cases.replace(", decided_by: trust", ""))
        _, _, err = ask(capfd, "--cases", "suite/cases.yaml")
        assert "dsops: note: suite/cases.yaml:3: AWS has no service with the prefix `stss`" in err
        assert 1 == err.count("note:")

    def test_known_names_give_no_note(self, capfd: pytest.CaptureFixture[str]) -> None:
        """Known names give no note, including those of tags, token claims and services."""
        keys = ("aws:RequestTag/team=x", "example.com:sub=x", "sts:ExternalId=x", "SAML:aud=x", "aws:SourceIp=10.0.0.1")
        words = [word for key in keys for word in ("--context", key)]
        assert "" == ask(capfd, *ASK, *FILES, *words)[2]
