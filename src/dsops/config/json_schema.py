"""The JSON Schema of a configuration, for editors, generated from the definitions that `load` uses.

The schema accepts what `dsops validate` accepts. It can't check facts that one file does not show or that a schema
can't express:

- whether named stores, environments and files exist
- what `defaults` and `extends` add
- the grammar of a session policy
- relations between two values

A test compares the schema with `dsops validate` on mutations of the examples.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.config.schema_keys import STORE_NAME, Schema
from dsops.config.schema_stores import store_definitions
from dsops.config.schema_variables import variable_definitions
from dsops.config.sections import STORE_SECTIONS, UNUSED_KEYS
from dsops.schema import BUILTIN_TYPES, StoreType

_NO_NAMES = {"minLength": 1, "not": {"type": "string", "pattern": r"\$\{"}}


def json_schema(types: Mapping[str, StoreType] = BUILTIN_TYPES) -> Schema:
    """Return the schema as a value for `json.dumps` (JSON Schema 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": _properties(types),
        "patternProperties": {"^x-": {"description": "A place for YAML anchors; not read."}},
        "additionalProperties": False,
        # Without `include`, `defaults` and `extends`, the file contains its stores and environments completely.
        "if": {
            "not": {"anyOf": [{"required": ["include"]}, {"required": ["defaults"]}]},
            "properties": {
                section: {"additionalProperties": {"properties": {"extends": False}}} for section in STORE_SECTIONS
            },
        },
        "then": {
            "properties": {
                **{section: {"additionalProperties": {"$ref": "#/$defs/whole store"}} for section in STORE_SECTIONS},
                "envs": {"additionalProperties": {"$ref": "#/$defs/whole environment"}},
            }
        },
        "$defs": store_definitions(types) | variable_definitions(),
    }


def _properties(types: Mapping[str, StoreType]) -> Schema:
    properties: Schema = {
        "version": {"description": "The version of this format.", "enum": [1, 0, "1", "0", None]},
        "envs": {
            "description": "The environments: sets of variables that a command can run with.",
            "type": ["object", "null"],
            "propertyNames": {"pattern": f"^{STORE_NAME}$"},
            "additionalProperties": {"$ref": "#/$defs/environment"},
        },
        "default_env": {"description": "The environment that is meant where none is named.", "type": "string"},
        "defaults": {
            "description": "Keys for all stores of a type, which each store can override.",
            "type": ["object", "null"],
            "properties": {
                name: {"$ref": f"#/$defs/keys of {name}", "properties": {"type": False, "extends": False}}
                for name in types
            },
            "additionalProperties": False,
        },
        "include": {
            "description": "Other files whose contents count as if they stood here; what stands here overrides them.",
            "type": ["string", "array"],
            **_NO_NAMES,
            "items": {"type": "string", **_NO_NAMES},
        },
    }
    for section in STORE_SECTIONS:
        properties[section] = {
            "description": "Where credentials and secrets come from, by name.",
            "type": ["object", "null"],
            "propertyNames": {"pattern": f"^{STORE_NAME}$"},
            "additionalProperties": {"$ref": "#/$defs/store"},
        }
    for key in UNUSED_KEYS:
        properties[key] = {"description": "A key of the original dsops without a meaning here.", "deprecated": True}
    return properties
