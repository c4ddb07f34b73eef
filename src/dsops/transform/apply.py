"""Apply transforms to a secret value. No error, and no cause of an error, shows a part of the value."""

from __future__ import annotations

import binascii
from collections.abc import Callable

from dsops.document import parse_yaml
from dsops.errors import FieldMissing, TransformFailed, ValueUnusable
from dsops.model import MAX_RUN_CHARACTERS, MAX_VALUE_CHARACTERS, Budget, Transform
from dsops.secret import Secret
from dsops.transform.extract import extract, extract_from_yaml, items_of
from dsops.transform.parse import describe

_BASE64_URL = str.maketrans("-_", "+/")
_WHITE_SPACE = str.maketrans("", "", " \t\r\n")
_LIST_SEPARATORS = ("\n", ",", ";", "|", " ")


def apply(value: Secret, transforms: tuple[Transform, ...], budget: Budget | None = None) -> Secret:
    """Apply the transforms in order. Raises TransformFailed, which names the step and never shows the value.

    Before a step runs, an upper limit for the length of its result is checked. `budget` limits the total size of a
    run's values.
    """
    budget = budget or Budget()
    for transform in transforms:
        before = value.reveal()
        length = _length_after(before, transform)
        if not budget.take(length) or length > max(len(before), MAX_VALUE_CHARACTERS):
            why = f"it would make more than {MAX_VALUE_CHARACTERS:,} characters, or all values {MAX_RUN_CHARACTERS:,}"
            raise _failed(transform, why, "shorten the chain, or its arguments")
        value = _FUNCTIONS[transform.name](value, transform)
    return value


def _length_after(text: str, transform: Transform) -> int:
    """Return an upper limit for the length of a step's result, in characters."""
    if transform.name == "replace":
        growth = len(transform.replacement) - len(transform.argument)
        return len(text) + growth * text.count(transform.argument) if growth > 0 else len(text)
    if transform.name == "join":
        # Every item but the first follows a separator in the value. Numbers and empty strings are items, too.
        separators = max(text.count(separator) for separator in _LIST_SEPARATORS)
        return len(text) + len(transform.argument) * separators
    if transform.name == "multiline_to_single":
        return len(text) + text.count("\n")
    if transform.name == "base64_encode":
        return 4 * ((len(text.encode("utf-8", "surrogateescape")) + 2) // 3)
    return len(text)


def _trim(value: Secret, _: Transform) -> Secret:
    return Secret(value.reveal().strip())


def _multiline_to_single(value: Secret, _: Transform) -> Secret:
    return Secret(value.reveal().replace("\r", "").replace("\n", "\\n"))


def _base64_encode(value: Secret, _: Transform) -> Secret:
    return Secret(binascii.b2a_base64(value.reveal_bytes(), newline=False).decode("ascii"))


def _base64_decode(value: Secret, transform: Transform) -> Secret:
    text = value.reveal().translate(_WHITE_SPACE).translate(_BASE64_URL).rstrip("=")
    try:
        decoded = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        decoded = None
    if decoded is None:  # raised outside of `except`, because binascii's message contains the length of the value
        raise _failed(transform, "the value is not base64")
    return Secret.from_bytes(decoded)


def _json_extract(value: Secret, transform: Transform) -> Secret:
    return _field(transform, lambda: extract(value, transform.argument))


def _yaml_extract(value: Secret, transform: Transform) -> Secret:
    # The document's problems may quote an anchor or key of the value. Therefore the error shows only the line.
    document = parse_yaml(value.reveal(), "")
    root = document.root
    if root is None:
        line = document.problems[0].where.line if document.problems else 1
        raise _failed(transform, f"the value is not YAML (its line {line})")
    return _field(transform, lambda: extract_from_yaml(root, transform.argument))


def _field(transform: Transform, get: Callable[[], Secret]) -> Secret:
    try:
        return get()
    except (FieldMissing, ValueUnusable) as error:
        hint = error.hint if error.why else f"leave out `{transform.name}` to get the whole value"
        raise _failed(transform, error.why or error.message, hint) from error


def _replace(value: Secret, transform: Transform) -> Secret:
    return Secret(value.reveal().replace(transform.argument, transform.replacement))


def _join(value: Secret, transform: Transform) -> Secret:
    text = value.reveal()
    items = items_of(value)
    if items is None:
        for separator in _LIST_SEPARATORS:
            items = [item.strip() for item in text.split(separator) if item.strip()]
            if len(items) > 1:
                break
        else:
            return value
    return Secret(transform.argument.join(items))


def _failed(transform: Transform, why: str, hint: str = "") -> TransformFailed:
    return TransformFailed(
        f"the transform `{describe(transform)}` can't be applied", why=why, hint=hint, where=transform.where
    )


_FUNCTIONS: dict[str, Callable[[Secret, Transform], Secret]] = {
    "trim": _trim,
    "multiline_to_single": _multiline_to_single,
    "base64_encode": _base64_encode,
    "base64_decode": _base64_decode,
    "json_extract": _json_extract,
    "yaml_extract": _yaml_extract,
    "replace": _replace,
    "join": _join,
}
