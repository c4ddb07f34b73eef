"""The JSON Schema of environments: variables, their references and transforms."""

from __future__ import annotations

from dsops.config.schema_keys import BOOLEAN, STORE_NAME, TEXT, Schema
from dsops.config.schema_stores import BASES
from dsops.transform import STEPS

_VARIABLE_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
_URL = (
    rf"store://{STORE_NAME}/(?:[^?#]+(?:\?version=[^?#&]*)?(?:#[^?#]*)?"
    r"|[^?#]+#[^?#]*\?version=[^?#&]*|[^?#]*\$\{[\s\S]*)"
)
_NULL_OR_TEXT = {"type": ["string", "number", "boolean", "null"]}

_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*')"""
_STEP_OF_PATH = rf"""(?:\.?\[\s*(?:-?[0-9]{{1,9}}|{_QUOTED})\s*\]|\.(?:{_QUOTED}|[^.\[\]"'|]+))"""
_PATH = rf"""(?:\.|(?:(?:[^.\[\]"'|]+|{_QUOTED}){_STEP_OF_PATH}*|{_STEP_OF_PATH}+))"""
_KEYS = {"none": (), "path": ("path",), "separator": ("separator",), "replacement": ("from", "to")}


def variable_definitions() -> Schema:
    """Return the definitions `environment`, `whole environment` and `variable`."""
    return {
        "environment": {
            "type": ["object", "null"],
            "properties": {"extends": BASES},
            "propertyNames": {"pattern": _VARIABLE_NAME},
            "additionalProperties": {"$ref": "#/$defs/variable"},
        },
        # Null is allowed: it removes an inherited variable.
        "whole environment": {
            "if": {"properties": {"extends": {"type": "null"}}},
            "then": {"properties": {"extends": True}, "additionalProperties": {"type": "object"}},
        },
        "variable": _variable(),
    }


def _variable() -> Schema:
    return {
        "description": "Where a variable's value comes from; null removes one that is inherited.",
        "type": ["object", "null"],
        "properties": {
            "from": _reference(),
            "literal": {"description": "The value itself.", **TEXT},
            "default": {"description": "The value where the store has none.", **TEXT},
            "optional": {"description": "Whether the variable is left out where its secret is missing.", **BOOLEAN},
            "transform": _transform(),
            "metadata": {"description": "Notes of your own; not read."},
        },
        "additionalProperties": False,
        "if": {"type": "object"},
        "then": {"oneOf": [{"required": ["from"]}, {"required": ["literal"]}]},
    }


def _reference() -> Schema:
    named = {"type": "string", "pattern": f"^(?:{STORE_NAME}|{_URL})$", "patternErrorMessage": "the name of a store"}
    is_url: list[Schema] = [
        {"required": [name], "properties": {name: {"type": "string", "pattern": "^store://"}}}
        for name in ("store", "provider")
    ]
    return {
        "description": "The secret that is the value.",
        "type": ["string", "object"],
        "pattern": rf"^(?:{_URL}|\s*(?!store:/){STORE_NAME}\s*:[\s\S]+)$",
        "patternErrorMessage": "write {store: NAME, key: KEY}, store://NAME/KEY or NAME:KEY",
        "properties": {
            "store": {"description": "The store's name, or store://NAME/KEY.", **named},
            "provider": {"description": "Another word for `store`.", **named},
            "key": {
                "description": "What to read: a secret's name or ARN, a parameter, a key of the store.",
                **_NULL_OR_TEXT,
                "minLength": 1,
            },
            "version": {"description": "A version's id or stage.", **_NULL_OR_TEXT},
            "field": {
                "description": "A field of a JSON secret: a key, or a path such as .list[0].name.",
                **_NULL_OR_TEXT,
            },
        },
        "additionalProperties": False,
        "if": {"type": "object"},
        "then": {
            "oneOf": [{"required": ["store"]}, {"required": ["provider"]}],
            "if": {"anyOf": is_url},
            "then": {"properties": {"key": {"type": "null"}}},
            "else": {"required": ["key"], "properties": {"key": {"not": {"type": "null"}}}},
        },
    }


def _of_kind(*kinds: str) -> list[str]:
    return [name for name, kind in STEPS.items() if kind in kinds]


def _any_of(*kinds: str) -> str:
    return f"(?:{'|'.join(_of_kind(*kinds))})"


def _transform() -> Schema:
    plain, path, separator, replacement = map(_any_of, ("none", "path", "separator", "replacement"))
    item = "|".join(
        (rf"{plain}\s*:?", rf"{path}\s*:{_PATH}", rf"{separator}\s*:[\s\S]+", rf"{replacement}\s*:[^:]+:[\s\S]*")
    )
    # A quoted argument may contain any character. A separator directly after the `:` belongs to the argument.
    step = "|".join(
        (
            rf"{plain}\s*:?",
            rf"{path}\s*:\s*{_PATH}",
            rf"""{separator}\s*:\s*(?:{_QUOTED}|[^\s"'][^|]*|\s[^|]*)(?<!"")(?<!'')""",
            rf"{replacement}\s*:\s*(?:{_QUOTED}|[^:][^:|]*):(?:\s*{_QUOTED}|[^|]*)",
        )
    )
    text = {"pattern": rf"^\s*(?:(?:{step})\s*(?:[|,]\s*(?:{step})\s*)*)?$", "patternErrorMessage": _forms()}
    mapping = _step_of_mapping()
    return {
        "description": "What is done to the value: one text (`trim | json_extract:.name`), or a list of steps.",
        "type": ["string", "array", "object", "null"],
        **text,
        "items": {
            "type": ["string", "object"],
            "pattern": rf"^\s*(?:{item})$",
            "patternErrorMessage": _forms(),
            **mapping,
        },
        **mapping,
    }


def _forms() -> str:
    needs = f"{', '.join(_of_kind('path', 'separator', 'replacement'))} with an argument after `:`"
    return f"{', '.join(_of_kind('none'))}; {needs}"


def _step_of_mapping() -> Schema:
    """Return the schema of a transform step that is written as a mapping.

    The forms are `{type: NAME, KEY: ARGUMENT}`, `{NAME: ARGUMENT}`, `{NAME: {KEY: ...}}` and `{NAME: [...]}`.
    """
    arguments: Schema = {
        "path": {**TEXT, "pattern": f"^{_PATH}$"},
        "separator": {**TEXT, "minLength": 1},
        "from": {**TEXT, "minLength": 1},
        "to": TEXT,
    }
    properties: Schema = {"type": {"enum": list(STEPS)}, **arguments}
    rules: list[Schema] = []
    for name, kind in STEPS.items():
        keys = _KEYS[kind]
        values = [arguments[key] for key in keys]
        properties[name] = _argument(keys, values)
        rules.append(
            {
                "if": {"required": ["type"], "properties": {"type": {"const": name}}},
                "then": {"required": ["type", *keys], "maxProperties": 1 + len(keys)},
            }
        )
    rules.append(
        {
            "if": {"type": "object", "not": {"required": ["type"]}},
            "then": {"minProperties": 1, "maxProperties": 1, "propertyNames": {"enum": list(STEPS)}},
        }
    )
    return {"properties": properties, "additionalProperties": False, "allOf": rules}


def _argument(keys: tuple[str, ...], values: list[object]) -> Schema:
    by_name: Schema = {
        "type": "object",
        "required": list(keys),
        "properties": dict(zip(keys, values, strict=True)),
        "additionalProperties": False,
    }
    in_order: Schema = {"type": "array", "prefixItems": values, "minItems": len(keys), "maxItems": len(keys)}
    if not keys:
        in_order = {"type": "array", "maxItems": 0}
    forms = [by_name, in_order, *([{"type": "null"}] if not keys else values if len(keys) == 1 else [])]
    return {"anyOf": list(reversed(forms))}
