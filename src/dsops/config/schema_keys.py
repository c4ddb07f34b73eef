"""The JSON Schema of one key's value.

Where possible, one schema has the keywords for strings and also the keywords for numbers. An editor can then name the
violated limit instead of listing alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dsops.document import Scalar
from dsops.errors import Where
from dsops.model import Field
from dsops.schema import StoreKey, check_setting

Schema = dict[str, object]

NAMES = r"(?:^|[^$])\$\{[A-Za-z_][A-Za-z0-9_]*(?:\}|:-|:\?)"
"""A pattern for strings that contain a `${NAME}`: the value of such a string is unknown."""

STORE_NAME = r"[^\s/:#?$\x00-\x20\x7f-][^\s/:#?$\x00-\x20\x7f]*"
TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""The schema of any string. YAML's numbers and booleans are read as the string that was written."""

# Both cases of each letter are listed, because patterns in JSON Schema have no flag for case-insensitive matching.
_WORDS = "|".join(
    "".join(f"[{letter.upper()}{letter}]" for letter in word) for word in ("true", "false", "yes", "no", "on", "off")
)
BOOLEAN: Schema = {"type": ["boolean", "string"], "pattern": f"^(?:{_WORDS})$", "patternErrorMessage": "true or false"}

_ANY = r"[\s\S]"
_LONGEST_NUMBER = 20
# The addresses that `parse_address` accepts: https to any host, http only to loopback.
_LOOPBACK = r"(?:127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]\.?|\[::1\])"
_PORT_AND_PATH = r"(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?"
_ADDRESS = (
    rf"[Hh][Tt][Tt][Pp][Ss]://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]){_PORT_AND_PATH}"
    rf"|[Hh][Tt][Tt][Pp]://{_LOOPBACK}{_PORT_AND_PATH}"
)


def value_of(key: StoreKey) -> Schema:
    """Return the schema of a store key's value. Null is allowed, since it removes an inherited value."""
    special = {
        "integer": _integer,
        "boolean": _boolean,
        "texts": _texts,
        "command": _command,
        "map": _map,
        "policy": _policy,
        "store": _store,
    }.get(key.kind)
    return special(key) if special else _or_null(_text(key))


def _boolean(_key: StoreKey) -> Schema:
    text = {"pattern": rf"^\s*(?:{_WORDS})\s*$|{NAMES}", "patternErrorMessage": "true or false"}
    return {"type": ["boolean", "string", "null"], **text}


def _texts(key: StoreKey) -> Schema:
    """Return one schema for both a string and a list of strings, since keywords for strings do not apply to lists."""
    text = _text(key)
    limits = {} if key.maximum_items is None else {"maxItems": key.maximum_items}
    return {**text, "type": ["array", *_types(text), "null"], "items": text, **limits}


def _command(_key: StoreKey) -> Schema:
    first: Schema = {**TEXT, "minLength": 1}
    words: Schema = {"minItems": 1, "prefixItems": [first], "items": TEXT}
    return {"type": ["string", "array", "number", "boolean", "null"], "pattern": r"\S", **words}


def _policy(key: StoreKey) -> Schema:
    choices = "".join(f"|^{re.escape(choice)}$" for choice in key.choices)
    texts = {"pattern": rf"^\s*\{{{choices}|{NAMES}", "patternErrorMessage": "a JSON text, a mapping or `auto`"}
    return {"type": ["object", "string", "null"], **texts, "examples": list(key.choices)}


def _store(_key: StoreKey) -> Schema:
    return {"type": ["string", "null"], "pattern": f"^{STORE_NAME}$", "patternErrorMessage": "the name of a store"}


def _or_null(schema: Schema) -> Schema:
    if "enum" in schema and isinstance(schema["enum"], list):
        return {"enum": [*schema["enum"], None]}
    if "anyOf" in schema and isinstance(schema["anyOf"], list):
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {**schema, "type": [*_types(schema), "null"]}


def _types(schema: Schema) -> Sequence[str]:
    types = schema["type"]
    return types if isinstance(types, list) else [str(types)]


def _integer(key: StoreKey) -> Schema:
    number = {name: limit for name, limit in (("minimum", key.minimum), ("maximum", key.maximum)) if limit is not None}
    texts = {"pattern": rf"^\s*[-+]?[0-9]{{1,15}}\s*$|{NAMES}", "patternErrorMessage": "a whole number"}
    return {"type": ["integer", "string", "null"], **number, **texts}


def _map(key: StoreKey) -> Schema:
    """Return the schema of a map. Keys and values have the same character class but separate length limits."""
    characters = _class_of(key.characters)
    entries: Schema = {
        "type": ["object", "null"],
        "additionalProperties": {
            "type": ["string", "number", "boolean", "null"],
            **_pattern(characters, 0, key.maximum_value),
        },
    }
    names = _pattern(characters, key.minimum or 0, key.maximum)
    if names:
        entries["propertyNames"] = names
    return entries if key.maximum_items is None else {**entries, "maxProperties": key.maximum_items}


def _pattern(characters: str, minimum: int, maximum: int | None) -> Schema:
    if not characters and not minimum and maximum is None:
        return {}
    length = f"{{{minimum},{'' if maximum is None else maximum}}}"
    return {"pattern": rf"^{characters or _ANY}{length}$|{NAMES}"}


def _text(key: StoreKey) -> Schema:
    """Return the schema of a string, with limits that apply only if the string contains no `${NAME}`."""
    if key.choices:
        return {"anyOf": [{"enum": list(key.choices)}, {"type": "string", "pattern": NAMES}]}
    schema: Schema = {"type": _types_of(key), **_numbers(key)}
    message = {"patternErrorMessage": key.shape} if key.shape else {}
    if key.kind == "url":
        return {"type": "string", "pattern": f"^(?:{_ADDRESS})$|{NAMES}", "patternErrorMessage": "an https address"}
    if key.pattern:
        longest = "" if key.maximum is None else rf"(?!{_ANY}{{{key.maximum + 1}}})"
        return {**schema, "pattern": rf"^{longest}(?:{_for_ecma(key.pattern)})$|{NAMES}", **message}
    limits = _pattern(_class_of(key.characters), key.minimum or 0, key.maximum)
    return {**schema, **limits, **(message if limits else {})}


def _class_of(characters: str) -> str:
    r"""Return the character class in a form that all dialects interpret alike.

    In ECMA-262, which editors use, `\\w` is ASCII only.
    """
    if r"\w" not in characters:
        return characters
    refused = "".join(rf"\x{code:02x}" for code in range(128) if not re.fullmatch(characters, chr(code)))
    return f"[^{refused}]"


def _for_ecma(pattern: str) -> str:
    """Return the pattern with character classes that all dialects interpret alike."""
    return re.sub(r"\[[^\]]*\\w[^\]]*\]", lambda match: _class_of(match.group()), pattern)


def _takes(key: StoreKey, text: str) -> bool:
    """Whether the loader accepts the text as the key's value."""
    where = Where("")
    checked = check_setting(key, Field(Scalar(text, "text", 1), where), "")
    return not checked.problems and not checked.limits


def _types_of(key: StoreKey) -> list[str]:
    """Return the JSON types of a key: string, and the types that an editor's YAML may give to such a string."""
    number = "number" if _takes(key, "1.5") else "integer"
    has_numbers = any(_takes(key, "1" * length) for length in range(1, _LONGEST_NUMBER))
    booleans = ["boolean"] if _takes(key, "true") or _takes(key, "false") else []
    return ["string", *([number] if has_numbers else []), *booleans]


def _numbers(key: StoreKey) -> Schema:
    """Return the limits for a number that is written in place of a string.

    An editor parses the number, so the limits can't consider leading zeros.
    """
    lengths = [length for length in range(1, _LONGEST_NUMBER) if _takes(key, "1" * length)]
    if not lengths:
        return {}
    least = 0 if _takes(key, "0" * lengths[0]) and key.pattern else 10 ** (lengths[0] - 1)
    limits: Schema = {} if lengths[0] == 1 and _takes(key, "-1") else {"minimum": 0 if lengths[0] == 1 else least}
    return limits if lengths[-1] == _LONGEST_NUMBER - 1 else {**limits, "maximum": 10 ** lengths[-1] - 1}
