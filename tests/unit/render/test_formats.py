"""The output formats of `render`: the bytes of each, and what each refuses.

The tests in tests/property check that independent readers agree.
"""

from __future__ import annotations

import re

import pytest

from dsops.errors import UsageError, ValueUnusable
from dsops.render import FORMATS, format_of, renderer
from dsops.secret import Secret

VALUES = {"TOKEN": Secret("it's $5"), "PLAIN": Secret("abc-123"), "NO": Secret("")}


@pytest.mark.parametrize(
    ("format_name", "expected"),
    [
        ("dotenv", "TOKEN=\"${.:-}it's $5\"\nPLAIN=abc-123\nNO=''\n"),
        ("shell", "export TOKEN='it'\\''s $5'\nexport PLAIN='abc-123'\nexport NO=''\n"),
        ("fish", "set -gx TOKEN 'it'\\''s $5'\nset -gx PLAIN 'abc-123'\nset -gx NO ''\n"),
        ("powershell", "$env:TOKEN = 'it''s $5'\n$env:PLAIN = 'abc-123'\n$env:NO = ''\n"),
        ("json", '{\n  "TOKEN": "it\'s $5",\n  "PLAIN": "abc-123",\n  "NO": ""\n}\n'),
        ("yaml", '"TOKEN": "it\'s $5"\n"PLAIN": "abc-123"\n"NO": ""\n'),
    ],
)
def test_each_format_has_its_look(format_name: str, expected: str) -> None:
    """The output of each format has exactly the expected bytes, since users compare such files."""
    assert renderer(format_name)(VALUES).decode() == expected


@pytest.mark.parametrize(
    ("path", "format_name"),
    [
        (".env", "dotenv"),
        ("conf/.env.production", "dotenv"),
        ("prod.ENV", "dotenv"),
        ("a.sh", "shell"),
        ("a.PS1", "powershell"),
        ("a.fish", "fish"),
        ("a.json", "json"),
        ("/x/a.yaml", "yaml"),
        ("a.yml", "yaml"),
    ],
)
def test_a_files_name_tells_the_format(path: str, format_name: str) -> None:
    """The format is derived from the file's ending, ignoring case, and from the pattern `.env.NAME`."""
    assert format_of(path) == format_name


@pytest.mark.parametrize("path", ["secrets.txt", "secrets.tmpl", "env", "dir.json/secrets"])
def test_an_unknown_ending_is_refused(path: str) -> None:
    """An unknown ending is refused; the original dsops wrote an empty file for `.tmpl`."""
    with pytest.raises(UsageError) as caught:
        format_of(path)
    assert path in caught.value.message
    assert "--format" in caught.value.hint


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_no_variables_give_an_empty_document(format_name: str) -> None:
    """Without variables the output has no lines, or is an empty object or mapping."""
    expected = b"{}\n" if format_name in {"json", "yaml"} else b""
    assert renderer(format_name)({}) == expected


@pytest.mark.parametrize("format_name", ["dotenv", "json", "yaml", "powershell", "github", "gitlab"])
def test_text_formats_refuse_bytes_that_are_not_utf8(format_name: str) -> None:
    """Text formats refuse bytes that are not UTF-8; neither the error nor its cause shows the value."""
    with pytest.raises(ValueUnusable) as caught:
        renderer(format_name)({"BINARY": Secret.from_bytes(b"hush\xff")})
    assert "`BINARY`" in caught.value.message
    assert "hush" not in f"{caught.value.message}{caught.value.why}{caught.value.hint}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("format_name", ["shell", "fish"])
def test_shell_formats_take_bytes_that_are_not_utf8(format_name: str) -> None:
    """Shell formats accept any bytes, since a shell's variables can hold any bytes."""
    assert b"'\xff'" in renderer(format_name)({"BINARY": Secret.from_bytes(b"\xff")})


@pytest.mark.parametrize("format_name", ["dotenv", "shell", "fish", "powershell", "github", "gitlab"])
@pytest.mark.parametrize("value", ["hush\0", "hush\ud800"])
def test_what_no_variable_can_hold_is_refused(format_name: str, value: str) -> None:
    """A value with a NUL is refused, since it would be cut off silently."""
    with pytest.raises(ValueUnusable, match="`TOKEN`"):
        renderer(format_name)({"TOKEN": Secret(value)})


def test_json_and_yaml_hold_a_nul() -> None:
    """JSON and YAML accept a value with a NUL, although a process's environment cannot hold it."""
    assert renderer("json")({"A": Secret("x\0")}) == b'{\n  "A": "x\\u0000"\n}\n'
    assert renderer("yaml")({"A": Secret("x\0")}) == b'"A": "x\\u0000"\n'


@pytest.mark.parametrize("format_name", ["dotenv", "shell", "fish", "powershell", "github", "gitlab"])
@pytest.mark.parametrize("name", ["A B", "A;touch x", "1A", "A-B", "Ä", "", "A\n"])
def test_a_name_that_a_shell_would_run_is_refused(format_name: str, name: str) -> None:
    """A name that a shell would execute is refused: `export A;touch x=...` would run a command."""
    with pytest.raises(ValueUnusable):
        renderer(format_name)({name: Secret("value")})


def test_powershell_gets_ascii_on_one_line() -> None:
    """PowerShell's output is ASCII on one line.

    Line breaks, umlauts, quotes and the like are written as character codes.
    """
    assert renderer("powershell")({"A": Secret("a\nb"), "B": Secret("\xe4\u2019"), "C": Secret("\U0001f511")}) == (
        b"$env:A = 'a' + [char]0x000a + 'b'\n"
        b"$env:B = '' + [char]0x00e4 + [char]0x2019\n"
        b"$env:C = '' + [char]0xd83d + [char]0xdd11\n"
    )


def test_github_gets_another_end_for_each_value() -> None:
    """Each value in GitHub's format has an unpredictable delimiter.

    Otherwise a value could contain the delimiter and add variables.
    """
    lines = renderer("github")({"A": Secret("x\nB=y\n"), "B": Secret("z")}).decode().splitlines()
    ends = [line.partition("<<")[2] for line in lines if "<<" in line]
    assert lines == [f"A<<{ends[0]}", "x", "B=y", "", ends[0], f"B<<{ends[1]}", "z", ends[1]]
    assert re.fullmatch("dsops-[0-9a-f]{32}", ends[0])
    assert ends[0] != ends[1]


def test_names_that_githubs_runner_refuses_are_an_error() -> None:
    """Names that GitHub's runner refuses are an error, since later steps would lack them.

    Similar names are accepted.
    """
    with pytest.raises(ValueUnusable, match="NODE_OPTIONS"):
        renderer("github")({"NODE_OPTIONS": Secret("--require=x")})
    assert renderer("github")({"NODE_OPTION": Secret("x")})


@pytest.mark.parametrize("value", ["a\nb", "a\r", " a", "a\t", "$HOME", "a$", "${A}", "%A%", "%%", "a\x1b"], ids=repr)
def test_gitlab_is_not_given_what_it_would_change(value: str) -> None:
    """A value that GitLab would change is refused: GitLab strips white space and expands `$NAME` and `%NAME%`."""
    with pytest.raises(ValueUnusable, match="`A`"):
        renderer("gitlab")({"A": Secret(value)})


@pytest.mark.parametrize("value", ["", "a b", "'a'", '"', "a=b", "#", "\\n", "100%", "\xe4", "a/b+c=="])
def test_gitlab_is_given_everything_else_as_it_is(value: str) -> None:
    """All other values are written for GitLab unchanged, including their quotes."""
    assert renderer("gitlab")({"A": Secret(value)}).decode() == f"A={value}\n"
