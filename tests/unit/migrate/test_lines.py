"""Edit a configuration line by line, so that only the intended part changes."""

from __future__ import annotations

import pytest

from dsops.document import parse_yaml, to_plain
from dsops.migrate.lines import Lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    duration: 900", "    seconds: 900"),
        ('"duration" : 900', '"seconds" : 900'),
        ("  - duration: 900", "  - seconds: 900"),
        ("a: {type: x, duration: 900} # duration: 1", "a: {type: x, seconds: 900} # duration: 1"),
        ("duration: duration", "seconds: duration"),
        ("a: {duration: '# duration', b: c}", "a: {seconds: '# duration', b: c}"),
        ("duration:\r", "seconds:\r"),
    ],
)
def test_a_key_is_renamed_where_it_stands(line: str, expected: str) -> None:
    """A key is renamed in place, even if it is quoted or inside braces; comments and values are kept."""
    lines = Lines(f"x: y\n{line}\nz: 1\n")

    assert lines.rename(2, "duration", "seconds")
    assert f"x: y\n{expected}\nz: 1\n" == lines.text


@pytest.mark.parametrize(
    "line", ["a: {duration: 1, b: {duration: 2}}", "my-duration: 1", "# duration: 1", "durations: 1", "a: duration"]
)
def test_an_ambiguous_key_is_left_alone(line: str) -> None:
    """A key that occurs twice in the line, or not at all, is not renamed."""
    lines = Lines(line)

    assert not lines.rename(1, "duration", "seconds")
    assert line == lines.text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("version: 0", "version: 1"),
        ("version: 0  # old", "version: 1  # old"),
        ("version:   '0'", "version:   1"),
        ("{version: 0, a: b}", "{version: 1, a: b}"),
    ],
)
def test_a_value_is_replaced(line: str, expected: str) -> None:
    """A value is replaced with its quotes; comments, white space and neighbouring entries are kept."""
    lines = Lines(line)

    assert lines.set_value(1, "version", "0", "1")
    assert expected == lines.text


@pytest.mark.parametrize("line", ["version: 01", "version: 0.5", "aversion: 0", "version: 1"])
def test_another_value_is_left(line: str) -> None:
    """A value that only begins with the old value is not replaced."""
    assert not Lines(line).set_value(1, "version", "0", "1")


BLOCKS = {
    "a scalar": "x: 1",
    "a mapping": "x:\n  a: b\n\n  # inner\n  c: d",
    "a list as far left": "x:\n- a\n- b: c\n  d: e",
    "a block of text": "x: |\n  # no comment\n\n  text",
    "braces over lines": "x: {\n    a: b\n  }",
    "windows": "x:\r\n  a: b\r",
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
@pytest.mark.parametrize("indent", ["", "    "])
def test_an_entry_becomes_a_comment_with_all_of_it(block: str, indent: str) -> None:
    """All lines of an entry become comments, and the lines around it keep their meaning."""
    inner = "\n".join(f"{indent}{line}" if line.strip() else line for line in block.split("\n"))
    head = "top:\n" if indent else ""
    text = f"{head}{indent}before: 1\n{inner}\n{indent}# kept\n{indent}after: 2\n"
    number = text.split("\n").index(next(line for line in text.split("\n") if line.strip().startswith("x:"))) + 1
    lines = Lines(text)
    assert lines.comment_out(number, "x")
    document = parse_yaml(lines.text, "file")
    values: object = {"before": 1, "after": 2}

    assert () == document.problems
    assert document.root is not None
    assert ({"top": values} if indent else values) == to_plain(document.root)
    assert text.count("\n") == lines.text.count("\n")
    assert f"{indent}# kept\n" in lines.text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a: {x: 1, b: 2}", "a: {b: 2}"),
        ("a: {b: 2, x: 1}", "a: {b: 2}"),
        ("a: {b: 2, x: 1, c: 3}", "a: {b: 2, c: 3}"),
        ("a: {x: 1}", "a: {}"),
        ('a: {x: "1, 2", b: 2}', "a: {b: 2}"),
        ("a: {b: 2, x: [1, 2]}", "a: {b: 2}"),
        ("a: {b: 2, x: {y: 1}}", "a: {b: 2}"),
    ],
)
def test_an_entry_between_braces_is_taken_out(line: str, expected: str) -> None:
    """An entry between braces is deleted together with its comma."""
    lines = Lines(line)

    assert lines.comment_out(1, "x")
    assert expected == lines.text


@pytest.mark.parametrize("line", ["a: {x: {y: {z: 1}}, b: 2}", "a: {x: 'it''s', b: 2}", "a: {x: 1", "a: {x: *b, c: d}"])
def test_an_unclear_end_is_not_guessed(line: str) -> None:
    """If the end of an entry is unclear, the line is not changed, so that the user sees and edits it."""
    lines = Lines(line)

    assert "" == lines.comment_out(1, "x")
    assert line == lines.text
