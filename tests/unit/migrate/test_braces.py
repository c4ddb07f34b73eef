"""Find lines that begin inside braces, where an entry may not end with its line."""

from __future__ import annotations

import pytest

from dsops.migrate.braces import lines_between_braces
from dsops.migrate.lines import Lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {b: 1,\n  c: 2}\nd: 3", {2}),
        ("a: [1,\n  {b: 2,\n  c: 3}\n  ]\nd: 3", {2, 3, 4}),
        ('a: {b: \'}\',\n  c: "}\\"}"}\nd: 3', {2}),
        ("a: x{b\nc: d[\ne: it's\nf: 1", set()),
        ("a: # {\n  b: 1", set()),
        ("a: |\n  b: {\n\n  '\nc: 1", set()),
        ("a: >-  # why\n  {\nc: 1", set()),
        ("a: 'b\n  c'\nd: 1", {2}),
        ("- {a: 1,\n   b: 2}\n- c", {2}),
        ("a: !!map {b: 1,\n  c: 2}\nd: &x [1,\n  2]", {2, 4}),
        ("'a': {\r\n  b: 1\r\n  }\r\nc: 1", {2, 3}),
    ],
)
def test_lines_inside_are_found(text: str, expected: set[int]) -> None:
    """Lines that begin inside braces are found; braces in plain text, comments, quotes and block text are ignored."""
    assert expected == lines_between_braces(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {b: 1,\n  x: 2,\n  c: 3}", "a: {b: 1,\n  c: 3}"),
        ("a: {b: 1,\n  x: 2, c: 3}", "a: {b: 1,\n  c: 3}"),
        ("a: {b: 1,\n  x: 2}", "a: {b: 1,\n  }"),
    ],
)
def test_an_entry_of_its_own_line_is_taken_out_there(text: str, expected: str) -> None:
    """An entry on its own line inside braces is deleted.

    A comment in its place could hide a closing brace or a neighbouring entry.
    """
    lines = Lines(text)

    assert lines.comment_out(2, "x")
    assert expected == lines.text.replace("  \n", "")
