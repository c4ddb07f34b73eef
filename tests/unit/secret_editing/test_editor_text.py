"""The text that an editor shows, and the value that is stored after the edit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.errors import UsageError
from dsops.secret import Secret
from dsops.secret_editing import editor_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("hush", "hush\n"),
        ("hush\n", "hush\n"),
        ("two\nlines", "two\nlines\n"),
        ('{"a": "ü", "b": 1}', '{\n  "a": "ü",\n  "b": 1\n}\n'),
        ('{"a":"1"}', '{\n  "a": "1"\n}\n'),
        ('{"a":  "1"}', '{"a":  "1"}\n'),
        ('{"n": 1e5}', '{"n": 1e5}\n'),
        ('{"a": "1", "a": "2"}', '{"a": "1", "a": "2"}\n'),
        ("[1]", "[1]\n"),
    ],
)
def test_a_json_object_on_one_line_is_indented(value: str, shown: str) -> None:
    """A JSON object is shown indented if it can be stored again unchanged; other values are shown as stored."""
    text = editor_text(Secret(value))
    assert shown == text.text.reveal()
    assert value == text.value_of(text.text).reveal()


def test_an_edited_object_is_stored_in_the_old_style() -> None:
    """The edited object is stored on one line with the separators of the old value."""
    compact, spaced = editor_text(Secret('{"a":"1"}')), editor_text(Secret('{"a": "1"}'))
    edited = Secret('{\n  "a": "2",\n  "b": "ü"\n}\n')
    assert '{"a":"2","b":"\\u00fc"}' == compact.value_of(edited).reveal()
    assert '{"a": "2", "b": "\\u00fc"}' == spaced.value_of(edited).reveal()


def test_an_object_that_is_no_json_any_more_is_refused() -> None:
    """The error for invalid JSON names line and column, and contains no part of the text."""
    with pytest.raises(UsageError, match="line 2, column 8") as raised:
        editor_text(Secret('{"a": "1"}')).value_of(Secret('{\n  "a": hush-7\n}'))
    assert "hush" not in f"{raised.value!r} {raised.value.why} {raised.value.hint} {raised.value.__cause__!r}"


@pytest.mark.parametrize(
    "edited",
    [
        '{"a": "hush", "a": "2"}',
        '{"a": 3.14159265358979323846}',
        '{"a": 1e400}',
        '{"a": Infinity}',
        f'{{"a": {"9" * 5000}}}',
    ],
)
def test_an_edit_that_would_lose_something_is_refused(edited: str) -> None:
    """A repeated field or a very long number is an error, because only a part of it would be stored."""
    with pytest.raises(UsageError) as raised:
        editor_text(Secret('{"a": "1"}')).value_of(Secret(edited))
    assert "hush" not in f"{raised.value!r} {raised.value.hint} {raised.value.__cause__!r}"


def test_half_a_surrogate_pair_stays_an_escape() -> None:
    r"""A lone surrogate such as `\ud800` in the edited text stays escaped, because it can't be encoded.

    It stays escaped even if the old value had no escapes.
    """
    edited = editor_text(Secret('{"a": "ü"}')).value_of(Secret('{"a": "ü\\ud800"}'))
    assert '{"a": "\\u00fc\\ud800"}' == edited.reveal()


def test_binary_values_are_refused() -> None:
    """A value that is not UTF-8 is refused, because an editor would change its bytes."""
    with pytest.raises(UsageError, match="binary"):
        editor_text(Secret.from_bytes(b"\xff\xfe"))


@given(st.text() | st.dictionaries(st.text(), st.text() | st.floats()).map(json.dumps))
def test_an_unchanged_text_is_the_old_value(value: str) -> None:
    """For every value, the unchanged text of the editor gives exactly the same value again."""
    text = editor_text(Secret(value))
    text.text.reveal().encode()
    assert value == text.value_of(text.text).reveal()
