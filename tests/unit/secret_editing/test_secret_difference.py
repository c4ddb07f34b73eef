"""The differences between two values: by field for JSON objects."""

from __future__ import annotations

from dsops.secret import Secret
from dsops.secret_editing import changes_between


def changes(old: str, new: str) -> list[tuple[str, str, str | None, str | None]]:
    """The changes as plain tuples."""
    return [
        (each.field, each.kind, text(each.old), text(each.new)) for each in changes_between(Secret(old), Secret(new))
    ]


def text(value: Secret | None) -> str | None:
    """The plain value, if there is one."""
    return value.reveal() if value is not None else None


def test_fields_are_compared_by_name() -> None:
    """Added, removed and changed fields are listed in the order of the fields; equal fields are not listed."""
    assert [("b", "changed", "2", "3"), ("c", "removed", "[1]", None), ("d", "added", None, "x")] == changes(
        '{"a": "1", "b": 2, "c": [1]}', '{"a": "1", "b": 3, "d": "x"}'
    )


def test_a_number_is_not_the_text_of_its_digits() -> None:
    """A field that changes from a number to a string is listed, and both values are shown as JSON."""
    assert [("a", "changed", "1", '"1"')] == changes('{"a": 1}', '{"a": "1"}')
    assert [("a", "changed", "1", "2")] == changes('{"a": 1}', '{"a": "2"}')


def test_other_values_are_compared_as_a_whole() -> None:
    """If one of the values is not a JSON object, the whole value has changed."""
    assert [("", "changed", "old", "new")] == changes("old", "new")
    assert [("", "changed", "{}", "[]")] == changes("{}", "[]")


def test_equal_values_have_no_differences() -> None:
    """Equal values have no differences, nor have JSON objects that differ only in white space."""
    assert [] == changes("same", "same")
    assert [] == changes('{"a": 1}', '{"a":1}')


def test_the_repr_shows_no_value() -> None:
    """The repr of a change shows no value."""
    assert "hush" not in repr(changes_between(Secret('{"a": "hush"}'), Secret('{"a": "hush-2"}')))
