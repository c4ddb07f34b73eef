"""The policy files of a guarded command: changes are told, and `always` adds to the user's own file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from dsops.cli.run.guard_files import GuardPolicyFiles
from dsops.policy import check_policy, parse_policy_text
from tests.fakes import make_runtime

POLICY = """\
# What the agent may do
Version: "2012-10-17"
Statement:
  - Effect: Allow
    Action: s3:GetObject   # only reads
    Resource: "*"
"""


def files_of(folder: Path, hidden: list[str] | None = None, name: str = "guard.yaml") -> GuardPolicyFiles:
    """The files of a run with this policy file, which is read."""
    runtime = make_runtime({"HOME": str(folder / "home")}, folder=str(folder))
    files = GuardPolicyFiles(runtime, hidden)
    files.read(name)
    files.note_changes()
    return files


@pytest.fixture
def guard_yaml(tmp_path: Path) -> Path:
    """A policy file with comments."""
    path = tmp_path / "guard.yaml"
    path.write_text(POLICY, encoding="utf-8")
    path.chmod(0o640)
    return path


def test_always_adds_a_statement_and_keeps_the_rest(guard_yaml: Path) -> None:
    """The file keeps its comments and mode, and is still a policy."""
    files = files_of(guard_yaml.parent)

    assert [files.add("s3:PutObject", "arn:aws:s3:::b/k"), files.add("s3:DeleteObject", "arn:aws:s3:::b/k")] == ["", ""]
    text = guard_yaml.read_text(encoding="utf-8")
    assert text == POLICY + "".join(
        f'  - Effect: "Allow"\n    Action: "s3:{name}Object"\n    Resource: "arn:aws:s3:::b/k"\n'
        for name in ("Put", "Delete")
    )
    assert stat.S_IMODE(guard_yaml.stat().st_mode) == 0o640
    assert check_policy(parse_policy_text(text, "guard.yaml"), "session", name="g", file="g").policy is not None


def test_what_dsops_adds_is_no_change(guard_yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next run says nothing about a file that has only the user's answers."""
    files_of(guard_yaml.parent).add("s3:PutObject", "arn:aws:s3:::b/k")
    files_of(guard_yaml.parent)

    assert not capsys.readouterr().err


def test_a_changed_file_is_told_once(guard_yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A change since the last run is told at the start of the next one, also if the file is named otherwise."""
    files_of(guard_yaml.parent)
    guard_yaml.write_text(POLICY.replace("GetObject", "*"), encoding="utf-8")
    files_of(guard_yaml.parent, name=str(guard_yaml))
    said = capsys.readouterr().err
    files_of(guard_yaml.parent)

    assert "guard.yaml has changed since it was last used" in said
    assert not capsys.readouterr().err


def test_the_command_changed_the_file(guard_yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`always` does not extend a file that changed during the run, and the next start tells the change."""
    files = files_of(guard_yaml.parent)
    changed = POLICY.replace("s3:GetObject", '"*"')
    guard_yaml.write_text(changed, encoding="utf-8")

    assert "another program has changed it" in files.add("s3:PutObject", "arn:aws:s3:::b/k")
    assert guard_yaml.read_text(encoding="utf-8") == changed
    files_of(guard_yaml.parent)
    assert "has changed" in capsys.readouterr().err


def test_the_command_replaced_the_file(guard_yaml: Path) -> None:
    """A link to another file in place of the policy does not make dsops write there."""
    files = files_of(guard_yaml.parent)
    other = guard_yaml.parent / "bashrc"
    other.write_text("# mine\n", encoding="utf-8")
    guard_yaml.unlink()
    guard_yaml.symlink_to(other)

    assert files.add("s3:PutObject", "arn:aws:s3:::b/k")
    assert other.read_text(encoding="utf-8") == "# mine\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Version: '2012-10-17'\nStatement: {Effect: Allow, Action: '*', Resource: '*'}\n", "no list of statements"),
        ("Statement:\n- &a {Effect: Allow, Action: '*', Resource: '*'}\n- *a\n", "no list of statements"),
        ('{\n\t"Statement": [\n\t\t{"Effect": "Allow", "Action": "*", "Resource": "*"}]}', "no list of statements"),
    ],
)
def test_a_file_that_dsops_can_not_extend(guard_yaml: Path, text: str, why: str) -> None:
    """A file in another form stays as it is, and the user is told to add the statement."""
    guard_yaml.write_text(text, encoding="utf-8")
    files = files_of(guard_yaml.parent)
    answer = files.add("s3:PutObject", "arn:aws:s3:::b/k")

    assert why in answer
    assert guard_yaml.read_text(encoding="utf-8") == text


def test_the_file_for_always(guard_yaml: Path) -> None:
    """`always` is offered for the last file of the user; for an isolated command, only if it is hidden."""
    folder = guard_yaml.parent
    files = files_of(folder)

    assert files.target == "guard.yaml"
    assert GuardPolicyFiles(make_runtime(folder=str(folder)), None).target == ""
    assert files_of(folder, hidden=[]).target == ""
    assert files_of(folder, hidden=[f"{folder}/other", f"{folder}x"]).target == ""
    assert files_of(folder, hidden=[str(folder)]).target == "guard.yaml"


def test_a_file_of_another_user(guard_yaml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dsops does not write a file that belongs to another user."""
    uid = guard_yaml.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: uid + 1)

    assert files_of(guard_yaml.parent).target == ""


def test_without_a_home_folder_nothing_is_remembered(guard_yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a folder for the state, `always` works, and changes are not told."""
    for action in ("s3:PutObject", "s3:DeleteObject"):
        files = GuardPolicyFiles(make_runtime(folder=str(guard_yaml.parent)), None)
        files.read("guard.yaml")
        files.note_changes()
        assert files.add(action, "*") == ""
        guard_yaml.write_text(POLICY, encoding="utf-8")

    assert not capsys.readouterr().err
    assert len(yaml.safe_load(guard_yaml.read_text(encoding="utf-8"))["Statement"]) == 1
