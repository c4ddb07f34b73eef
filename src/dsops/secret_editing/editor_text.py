"""Convert a secret's value to text for an editor, and the edited text back to a value."""

from __future__ import annotations

import json
from decimal import Decimal

from dsops.errors import UsageError
from dsops.secret import Secret
from dsops.startup import NamedTuple

_INDENT = 2
_STYLES = ((", ", ": "), (",", ":"))
"""The separators that `json.dumps` writes by default, and those of compact JSON."""


class EditorText(NamedTuple):
    """The text for the editor, and the data to convert the edited text back to a value."""

    text: Secret
    separators: tuple[str, str] | None
    """The separators of the stored JSON, which the editor shows indented; None for a value shown as stored."""
    is_ascii: bool = False
    """Whether the stored JSON escapes all characters that are not ASCII."""
    adds_newline: bool = False
    """Whether a newline was added at the end for the editor, which `value_of` removes."""

    def value_of(self, edited: Secret) -> Secret:
        """Return the value to store for an edited text. Raises UsageError if it must be JSON and is not."""
        text = edited.reveal()
        if self.separators is None:
            return Secret(text.removesuffix("\n") if self.adds_newline else text)
        one_line = json.dumps(_parsed(text), separators=self.separators, ensure_ascii=self.is_ascii)
        try:
            one_line.encode("utf-8")
        except UnicodeEncodeError:
            # Half of a surrogate pair can be stored only in its escaped form.
            one_line = json.dumps(_parsed(text), separators=self.separators)
        return Secret(one_line)


def _parsed(text: str) -> object:
    """Parse an edited JSON text.

    Raises UsageError if the text is not JSON, or if the stored JSON would lose a part of it.
    """
    try:
        return json.loads(
            text, parse_int=_integer, parse_float=_exact, parse_constant=_refuse_constant, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        # The error is raised `from None`, because the original error contains the text.
        raise UsageError(
            f"the text is not JSON any more: line {error.lineno}, column {error.colno}",
            why="the stored value is a JSON object",
            hint="correct that line; to store a text that is not JSON, use `dsops set`",
        ) from None
    except RecursionError:
        raise UsageError("the text is nested too deep for JSON", hint="use fewer levels") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object. Raises UsageError if a field occurs twice, because only one of its values would be stored."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the field `{twice}` occurs twice in one object", hint="remove or rename one of the two")
    return content


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python refuses to convert a number with more than 4,300 digits
        raise _inexact() from None


def _exact(text: str) -> float:
    """Return the number. Raises UsageError if it would be stored with fewer digits, or as infinity."""
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise _inexact()
    return number


def _inexact() -> UsageError:
    return UsageError(
        "a number in the text has more digits than can be stored exactly",
        hint="write it in quotes; or pipe the whole value into `dsops set`, which stores it as it is",
    )


def _refuse_constant(name: str) -> object:
    raise UsageError(f"the text is not JSON any more: `{name}` is not a JSON number", hint="write it in quotes")


def editor_text(value: Secret) -> EditorText:
    """Return the text for an editor.

    A JSON object on one line is indented if this does not change any value. Raises UsageError for a binary value.
    """
    text = value.reveal()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            "the value is binary, and an editor would change its bytes",
            hint="read it with `dsops get` or the AWS CLI, and write it with `dsops set --from-file FILE`",
        ) from None
    try:
        content = _parsed(text)
    except UsageError:
        content = None
    for separators in _STYLES if isinstance(content, dict) else ():
        for is_ascii in (True, False):
            if json.dumps(content, separators=separators, ensure_ascii=is_ascii) == text:
                shown = json.dumps(content, indent=_INDENT, ensure_ascii=is_ascii)
                return EditorText(Secret(f"{shown}\n"), separators, is_ascii)
    adds_newline = not text.endswith("\n")
    return EditorText(Secret(f"{text}\n" if adds_newline else text), None, adds_newline=adds_newline)
