"""Tests of the harness: a wrong golden script fails, and regenerating keeps what a person wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scripts.script import ScriptInvalidError, Step, adopt, parse
from tests.scripts.test_scripts import play

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = """\
# Everything that the format knows.
export GREETING=hello
$ echo "$GREETING"; cat sub/file.txt; echo oops >&2; exit 3
| hello
| from a file
! oops
= 3

unset GREETING
$ echo "[$GREETING]"; printf 'no newline'
| []
| no newline
\\
$ echo '| a mark'; echo; echo ' indented'
| | a mark
|
|  indented
$ pwd; echo "$HOME"; ls -A "$HOME"
| <folder>
| <home>
| project
$ printf '\\033[1m\\r\\n'
| <esc>[1m<cr>
$ echo at 2026-11-24T12:00:00Z as ASIAQWERTYUIOPASDFGH, 17 items; kill -9 $$
| at <time> as <key-id>, <number> <...>
= 137
-- sub/file.txt --
from a file
-- other.txt --
"""


def write(folder: Path, text: str) -> Path:
    """Writes a script file with that text."""
    path = folder / "script.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_golden_script_passes(tmp_path: Path) -> None:
    """A correct script has no differences."""
    assert [] == play(write(tmp_path, GOLDEN), tmp_path, update=False)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("| hello\n", "| hallo\n"),
        ("| hello\n", ""),
        ("| from a file\n", "| from a file\n| and more\n"),
        ("| from a file\n! oops", "| from a file\n| oops"),
        ("! oops\n", "! oops\n\\\n"),
        ("= 3\n", ""),
        ("= 3\n", "= 4\n"),
        ("| no newline\n\\\n", "| no newline\n"),
        ("|  indented", "| indented"),
        ("| []\n", "| [hello]\n"),
        ("\nfrom a file\n", "\nfrom another file\n"),
        ("| at <time>", "| at <uuid>"),
        ("<number> <...>", "<number>"),
        ("= 137\n", "= 9\n"),
    ],
)
def test_a_wrong_golden_fails(tmp_path: Path, right: str, wrong: str) -> None:
    """If any part of a script is wrong, exactly the command with that part is reported."""
    assert GOLDEN.count(right) == 1

    differences = play(write(tmp_path, GOLDEN.replace(right, wrong)), tmp_path, update=False)

    assert 1 == len(differences)
    assert "script.txt:" in differences[0]


def test_regenerating_replaces_wrong_lines_and_keeps_right_ones(tmp_path: Path) -> None:
    """Wrong lines are replaced, varying parts of new lines become placeholders, and hand-written placeholders stay."""
    wrong = GOLDEN.replace("| hello\n", "| hallo\n").replace("| at <time> as <key-id>, <number> <...>\n", "")
    path = write(tmp_path, wrong)

    play(path, tmp_path / "first", update=True)

    assert GOLDEN.replace("<number> <...>", "17 items") == path.read_text(encoding="utf-8")
    path.write_text(GOLDEN, encoding="utf-8")
    play(path, tmp_path / "second", update=True)
    assert GOLDEN == path.read_text(encoding="utf-8")


def test_a_command_sees_nothing_of_the_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script does not inherit variables of the test process, and has no terminal."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("EDITOR", "vi")
    text = '$ echo "[$AWS_PROFILE$EDITOR]"; cat; tty\n| []\n| not a tty\n= 1\n'

    assert [] == play(write(tmp_path, text), tmp_path, update=False)


def test_the_program_is_the_one_under_test(tmp_path: Path) -> None:
    """`python` in a script is the tests' interpreter, which has the `dsops` under test installed."""
    text = "$ python -c 'import pytest, dsops; print(1)'\n| 1\n"

    assert [] == play(write(tmp_path, text), tmp_path, update=False)


def test_a_script_is_skipped_where_a_program_is_missing(tmp_path: Path) -> None:
    """`needs` skips a script and names the missing program; if the program exists, `needs` does nothing."""
    with pytest.raises(pytest.skip.Exception, match="no-such-shell"):
        play(write(tmp_path, "needs sh no-such-shell\n$ false\n"), tmp_path, update=False)

    assert [] == play(write(tmp_path, "needs sh\n$ false\n= 1\n"), tmp_path, update=False)


@pytest.mark.parametrize("text", ["| output of nothing\n", "# comment\n= 1\n", "echo without a dollar\n"])
def test_a_line_without_meaning_is_refused(text: str) -> None:
    """A line without a meaning is an error instead of being ignored."""
    with pytest.raises(ScriptInvalidError, match="line "):
        parse(text)


LINE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]))
STREAM = st.tuples(st.lists(LINE).map("\n".join), st.sampled_from(["", "\n"])).map("".join)


@given(stdout=STREAM, stderr=STREAM, code=st.integers(0, 255))
def test_any_output_can_be_written_down(stdout: str, stderr: str, code: int) -> None:
    """The output of any step can be written and read back as an equal step, which matches itself."""
    step = Step(line=1, command="true", environ={}, stdout=stdout, stderr=stderr, exit_code=code)

    (read,) = parse(step.render()).steps

    assert step == read
    assert step == adopt(step, step)
