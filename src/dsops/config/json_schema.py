"""The JSON Schema of a configuration, for editors: made from the same definitions that `load` checks by.

It tells shapes and limits. What one file alone can't tell is left out: whether a missing key comes from `defaults` or
`extends`, and whether the stores and environments that are named exist.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.config.sections import STORE_SECTIONS, UNUSED_KEYS
from dsops.schema import BUILTIN_TYPES, Key, StoreType, of_operation
from dsops.transform import STEPS

_Schema = dict[str, object]

_SCALAR: _Schema = {"type": ["string", "number", "boolean"]}
_NAME_OR_NAMES: _Schema = {
    "description": "What it inherits from: one name, or several of which the later win.",
    "anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}],
}
_HAS_NAMES: _Schema = {"pattern": r"\$\{"}
_BOOLEAN: _Schema = {
    "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"^(?:true|false|yes|no|on|off)$|\$\{"}]
}
_VARIABLE_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
_NAME = r"^[^\s/:#?$-][^\s/:#?$]*$"


def json_schema(types: Mapping[str, StoreType] = BUILTIN_TYPES) -> _Schema:
    """The schema as a value that `json.dumps` takes (JSON Schema 2020-12)."""
    stores: _Schema = {
        "type": ["object", "null"],
        "propertyNames": {"pattern": _NAME},
        "additionalProperties": {"$ref": "#/$defs/store"},
    }
    properties: _Schema = {
        "version": {"description": "The version of this format.", "enum": [1, 0, "1", "0", None]},
        "envs": {
            "description": "The environments: sets of variables that a command can run with.",
            "type": ["object", "null"],
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {"$ref": "#/$defs/environment"},
        },
        "default_env": {"description": "The environment that is meant where none is named.", "type": "string"},
        "defaults": {
            "description": "Keys for all stores of a type, which each store can override.",
            "type": ["object", "null"],
            "properties": {name: {"$ref": f"#/$defs/keys of {name}"} for name in types},
        },
        "include": {
            "description": "Other files whose contents count as if they stood here; what stands here overrides them.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
    }
    for section in STORE_SECTIONS:
        properties[section] = {"description": "Where credentials and secrets come from, by name.", **stores}
    for key in UNUSED_KEYS:
        properties[key] = {"description": "A key of the original dsops without a meaning here.", "deprecated": True}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dsops.yaml",
        "type": "object",
        "properties": properties,
        "patternProperties": {"^x-": {"description": "A place for YAML anchors; not read."}},
        "additionalProperties": False,
        "$defs": {"store": _store(types), "environment": _environment(), "variable": _variable()}
        | {f"keys of {store_type.name}": _keys(store_type) for store_type in types.values()},
    }


def _store(types: Mapping[str, StoreType]) -> _Schema:
    return {
        "type": ["object", "null"],
        "properties": {
            "type": {"description": "What kind of store it is.", "type": ["string", "null"], "examples": sorted(types)},
            "extends": _NAME_OR_NAMES,
        },
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/keys of {name}"},
            }
            for name in types
        ],
    }


def _keys(store_type: StoreType) -> _Schema:
    properties: _Schema = {"type": {"const": store_type.name}, "extends": True}
    for key in store_type.keys:
        required = " Required." if key.is_required else ""
        properties[key.name] = {"description": key.help + required, "anyOf": [{"type": "null"}, _value(key)]}
        for alias in key.aliases:
            properties[alias] = {"description": f"An old name of {key.name}.", "deprecated": True}
    return {
        "description": store_type.help,
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
        **_durations(store_type),
    }


def _durations(store_type: StoreType) -> _Schema:
    """How long the session of each operation may live: of several that keys mean, the first counts."""
    rules: list[_Schema] = []
    earlier: list[_Schema] = []
    for operation in store_type.operations:
        key = next(of_operation(key, operation) for key in store_type.keys if key.name == "duration_seconds")
        told: list[_Schema] = [{"required": [name]} for name in operation.told_by]
        meant: list[_Schema] = [{"anyOf": told}] if told else []
        meant += [{"not": {"anyOf": earlier}}] if earlier else []
        rules.append({
            "if": {"allOf": meant},
            "then": {"properties": {key.name: {"anyOf": [{"type": "null"}, _value(key)]}}},
        })
        earlier = [*earlier, *told]
    return {"allOf": rules} if rules else {}


def _value(key: Key) -> _Schema:
    if key.kind == "integer":
        limits = {"minimum": key.minimum, "maximum": key.maximum}
        number = {"type": "integer"} | {name: limit for name, limit in limits.items() if limit is not None}
        return {"anyOf": [number, {"type": "string", "pattern": r"^\s*[-+]?[0-9]+\s*$|\$\{"}]}
    if key.kind == "boolean":
        return _BOOLEAN
    if key.kind in ("texts", "command"):
        items: _Schema = {"type": "array", "items": _text(key)}
        if key.maximum_items is not None:
            items["maxItems"] = key.maximum_items
        return {"anyOf": [_text(key), items]}
    if key.kind == "map":
        entries: _Schema = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
        return entries if key.maximum_items is None else {**entries, "maxProperties": key.maximum_items}
    special: dict[str, _Schema] = {
        "policy": {"type": ["string", "object"], "examples": list(key.choices)},
        "store": {"type": "string", "pattern": _NAME},
    }
    return special.get(key.kind) or _text(key)


def _text(key: Key) -> _Schema:
    """A text with its limits, which count only where it holds no `${NAME}`."""
    if key.choices:
        return {"enum": list(key.choices)}
    limits: _Schema = {}
    if key.minimum is not None:
        limits["minLength"] = key.minimum
    if key.maximum is not None:
        limits["maxLength"] = key.maximum
    # `\w` of ECMA-262, which editors use, is ASCII: it would refuse tags that AWS takes.
    if key.pattern:
        limits["pattern"] = f"^(?:{key.pattern})$"
    elif key.characters and r"\w" not in key.characters:
        limits["pattern"] = f"^{key.characters}*$"
    return {**_SCALAR, "anyOf": [_HAS_NAMES, limits]} if limits else _SCALAR


def _environment() -> _Schema:
    return {
        "type": ["object", "null"],
        "properties": {"extends": _NAME_OR_NAMES},
        "propertyNames": {"pattern": _VARIABLE_NAME},
        "additionalProperties": {"$ref": "#/$defs/variable"},
    }


def _variable() -> _Schema:
    return {
        "description": "Where a variable's value comes from; null removes one that is inherited.",
        "type": ["object", "null"],
        "properties": {
            "from": _reference(),
            "literal": {"description": "The value itself.", **_SCALAR},
            "default": {"description": "The value where the store has none.", **_SCALAR},
            "optional": {"description": "Whether the variable is left out where its secret is missing.", **_BOOLEAN},
            "transform": _transform(),
            "metadata": {"description": "Notes of your own; not read."},
        },
        "additionalProperties": False,
        "if": {"type": "object"},
        "then": {"oneOf": [{"required": ["from"]}, {"required": ["literal"]}]},
    }


def _reference() -> _Schema:
    names: _Schema = {
        "store": {"description": "The store's name, or store://NAME/KEY.", "type": "string"},
        "provider": {"description": "Another word for `store`.", "type": "string"},
        "key": {"description": "What to read: a secret's name or ARN, a parameter, a key of the store.", **_SCALAR},
        "version": {"description": "A version's id or stage.", "type": ["string", "number", "boolean", "null"]},
        "field": {
            "description": "A field of a JSON secret: a key, or a path such as .list[0].name.",
            "type": ["string", "number", "boolean", "null"],
        },
    }
    return {
        "description": "The secret that is the value.",
        "anyOf": [
            {"type": "string", "pattern": ".:."},
            {
                "type": "object",
                "properties": names,
                "additionalProperties": False,
                "oneOf": [{"required": ["store"]}, {"required": ["provider"]}],
            },
        ],
    }


def _transform() -> _Schema:
    mapping: _Schema = {
        "type": "object",
        "properties": {"type": {"enum": list(STEPS)}}
        | dict.fromkeys(STEPS, True)
        | dict.fromkeys(("path", "separator", "from", "to"), _SCALAR),
        "additionalProperties": False,
    }
    return {
        "description": "What is done to the value: one text (`trim | json_extract:.name`), or a list of steps.",
        "anyOf": [
            {"type": ["string", "null"]},
            mapping,
            {"type": "array", "items": {"anyOf": [{"type": "string"}, mapping]}},
        ],
    }
