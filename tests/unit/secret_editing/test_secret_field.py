"""One field of a JSON secret is set in its text; everything else keeps its notation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.errors import DsopsError, FieldMissing, UsageError
from dsops.secret import Secret
from dsops.secret_editing import with_field


def after(text: str, name: str, field: str) -> str:
    """The object's text after the field was set."""
    return with_field(Secret(text), name, Secret(field), "secret `x`").reveal()


@pytest.mark.parametrize(
    ("text", "name", "field", "expected"),
    [
        ('{"a": "1", "b": "2"}', "a", "3", '{"a": "3", "b": "2"}'),
        ('{"a": "1", "b": "2"}', "c", "3", '{"a": "1", "b": "2", "c": "3"}'),
        ('{"a":"1","b":"2"}', "c", "3", '{"a":"1","b":"2","c": "3"}'),
        ('{\n  "a": "1",\n  "b": "2"\n}\n', "c", "3", '{\n  "a": "1",\n  "b": "2",\n  "c": "3"\n}\n'),
        ('{\n  "a": "1"\n}', "c", "3", '{\n  "a": "1",\n  "c": "3"\n}'),
        ('{"a": "1"}', "c", "3", '{"a": "1", "c": "3"}'),
        ("{}", "a", "1", '{"a": "1"}'),
        (" { } ", "a", "1", ' {"a": "1" } '),
        (
            '{"n": 1e400, "big": 12345678901234567890.10, "a": "x"}',
            "a",
            "y",
            '{"n": 1e400, "big": 12345678901234567890.10, "a": "y"}',
        ),
        ('{"port": 5432, "a": "x"}', "port", "5433", '{"port": 5433, "a": "x"}'),
        ('{"tls": true}', "tls", " false\n", '{"tls": false}'),
        ('{"o": {"o": "inner"}, "p": "x"}', "o", '{"k": [1]}', '{"o": {"k": [1]}, "p": "x"}'),
        ('{"a": "1"}', "a", 'q"\\\nü', '{"a": "q\\"\\\\\\nü"}'),
        ('{"a.b": "1", "a": {"b": "2"}}', "a.b", "3", '{"a.b": "3", "a": {"b": "2"}}'),
    ],
)
def test_only_that_field_changes(text: str, name: str, field: str, expected: str) -> None:
    """The named field gets the value, and all other characters stay as they are."""
    assert expected == after(text, name, field)


@pytest.mark.parametrize("text", ["hush-7", "[1]", '"hush-7"', "", '{"a": "hush-7"', "{'a': 'hush-7'}", "[" * 100_000])
def test_a_value_that_is_no_object_has_no_fields(text: str) -> None:
    """If the value is not a JSON object, the error says so, and does not contain the value."""
    with pytest.raises(FieldMissing) as raised:
        after(text, "a", "new-hush-8")
    assert "hush" not in text_of(raised.value)


def text_of(error: DsopsError) -> str:
    """All texts of the error and of what caused it."""
    return f"{error!r} {error.message} {error.why} {error.hint} {error.__cause__!r}"


def test_a_number_is_not_replaced_by_a_text() -> None:
    """If a field's old value is not a string, the new value must be JSON.

    The error contains neither value.
    """
    with pytest.raises(UsageError, match="is not JSON") as raised:
        after('{"port": 5432}', "port", "hush-9")
    assert "hush-9" not in text_of(raised.value)
    assert raised.value.__suppress_context__


def test_a_field_that_is_there_twice_is_refused() -> None:
    """If the object has the field twice, setting it is an error, because it is unclear which one is read."""
    with pytest.raises(FieldMissing, match="2 times"):
        after('{"a": "1", "a": "2"}', "a", "3")


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    """A new value that is not UTF-8 is an error, because a JSON text can't contain such bytes."""
    with pytest.raises(UsageError, match="not UTF-8"):
        with_field(Secret('{"a": "1"}'), "a", Secret.from_bytes(b"\xff"), "secret `x`")


@given(
    st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)),
    st.text(),
    st.text(),
    st.sampled_from([None, 2, 4]),
)
def test_the_result_is_the_object_with_that_field(
    content: dict[str, object], name: str, field: str, indent: int | None
) -> None:
    """The new text, read as JSON, is the old object with that field changed, in the old order."""
    if not isinstance(content.get(name, ""), str):
        del content[name]
    result = json.loads(after(json.dumps(content, indent=indent), name, field))
    assert list((content | {name: field}).items()) == list(result.items())
