"""The table of formats, what each writes, and what each refuses. That readers agree is in tests/property."""

from __future__ import annotations

import pytest

from dsops.errors import UsageError, ValueUnusable
from dsops.render import FORMATS, format_of, renderer
from dsops.secret import Secret

VALUES = {"TOKEN": Secret("it's $5"), "PLAIN": Secret("abc-123"), "NO": Secret("")}


@pytest.mark.parametrize(
    ("format_name", "expected"),
    [
        ("dotenv", 'TOKEN="${.:-}it\'s $5"\nPLAIN=abc-123\nNO=\'\'\n'),
        ("shell", "export TOKEN='it'\\''s $5'\nexport PLAIN='abc-123'\nexport NO=''\n"),
        ("fish", "set -gx TOKEN 'it'\\''s $5'\nset -gx PLAIN 'abc-123'\nset -gx NO ''\n"),
        ("json", '{\n  "TOKEN": "it\'s $5",\n  "PLAIN": "abc-123",\n  "NO": ""\n}\n'),
        ("yaml", '"TOKEN": "it\'s $5"\n"PLAIN": "abc-123"\n"NO": ""\n'),
    ],
)
def test_each_format_has_its_look(format_name: str, expected: str) -> None:
    """The bytes are stable: people compare such files."""
    assert renderer(format_name)(VALUES).decode() == expected


@pytest.mark.parametrize(
    ("path", "format_name"),
    [
        (".env", "dotenv"), ("conf/.env.production", "dotenv"), ("prod.ENV", "dotenv"), ("a.sh", "shell"),
        ("a.fish", "fish"), ("a.json", "json"), ("/x/a.yaml", "yaml"), ("a.yml", "yaml"),
    ],
)  # fmt: skip
def test_a_files_name_tells_the_format(path: str, format_name: str) -> None:
    """By its ending, whatever the case, and by the habit of `.env.NAME`."""
    assert format_of(path) == format_name


@pytest.mark.parametrize("path", ["secrets.txt", "secrets.tmpl", "env", "dir.json/secrets"])
def test_a_name_that_tells_nothing_is_refused(path: str) -> None:
    """The original wrote an empty file for `.tmpl`."""
    with pytest.raises(UsageError) as caught:
        format_of(path)
    assert path in caught.value.message
    assert "--format" in caught.value.hint


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_no_variables_make_a_file_that_says_so(format_name: str) -> None:
    """Nothing for lines, an empty object or mapping for the others."""
    expected = b"{}\n" if format_name in {"json", "yaml"} else b""
    assert renderer(format_name)({}) == expected


@pytest.mark.parametrize("format_name", ["dotenv", "json", "yaml"])
def test_text_formats_refuse_bytes_that_are_not_utf8(format_name: str) -> None:
    """The variable is named and its value is not, in the error or behind it."""
    with pytest.raises(ValueUnusable) as caught:
        renderer(format_name)({"BINARY": Secret.from_bytes(b"hush\xff")})
    assert "`BINARY`" in caught.value.message
    assert "hush" not in f"{caught.value.message}{caught.value.why}{caught.value.hint}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("format_name", ["shell", "fish"])
def test_shell_formats_take_bytes_that_are_not_utf8(format_name: str) -> None:
    """A shell's variable is bytes."""
    assert b"'\xff'" in renderer(format_name)({"BINARY": Secret.from_bytes(b"\xff")})


@pytest.mark.parametrize("format_name", ["dotenv", "shell", "fish"])
@pytest.mark.parametrize("value", ["hush\0", "hush\ud800"])
def test_what_no_variable_can_hold_is_refused(format_name: str, value: str) -> None:
    """A NUL would cut the value silently."""
    with pytest.raises(ValueUnusable, match="`TOKEN`"):
        renderer(format_name)({"TOKEN": Secret(value)})


def test_json_and_yaml_hold_a_nul() -> None:
    """Only a process's environment ends at one."""
    assert renderer("json")({"A": Secret("x\0")}) == b'{\n  "A": "x\\u0000"\n}\n'
    assert renderer("yaml")({"A": Secret("x\0")}) == b'"A": "x\\u0000"\n'


@pytest.mark.parametrize("format_name", ["dotenv", "shell", "fish"])
@pytest.mark.parametrize("name", ["A B", "A;touch x", "1A", "A-B", "Ä", "", "A\n"])
def test_a_name_that_a_shell_would_run_is_refused(format_name: str, name: str) -> None:
    """`export A;touch x=...` would run a command."""
    with pytest.raises(ValueUnusable):
        renderer(format_name)({name: Secret("value")})
