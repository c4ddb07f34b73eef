"""The JSON Schema of stores: the keys of each type, and the rules between keys.

Required keys are enforced only in a self-contained file (`whole`). In other files, a key may come from `defaults`,
from an extended store, or from another file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dsops.config.schema_keys import STORE_NAME, Schema, value_of
from dsops.schema import KeyRule, Operation, StoreKey, StoreType, keys_taken, of_operation

BASES: Schema = {
    "description": "The base to inherit from: one name, or a list, in which later names win.",
    "type": ["string", "array", "null"],
    "pattern": f"^{STORE_NAME}$",
    "items": {"type": "string", "pattern": f"^{STORE_NAME}$"},
}


def store_definitions(types: Mapping[str, StoreType]) -> Schema:
    """Return the definitions of stores for the schema.

    They are `store` and `whole store`, and for each type its keys and the requirements of a whole store.
    """
    definitions: Schema = {"store": _store(types), "whole store": _whole_store(types)}
    for store_type in types.values():
        definitions[f"keys of {store_type.name}"] = _keys(store_type)
        definitions[f"whole {store_type.name}"] = _whole(store_type)
        for operation in store_type.operations:
            if operation.selected_by:
                selected = [_has_key(store_type, name) for name in operation.selected_by]
                definitions[f"{store_type.name} by {operation.name}"] = _any(selected)
    return definitions


def _store(types: Mapping[str, StoreType]) -> Schema:
    return {
        "type": ["object", "null"],
        "properties": {
            "type": {"description": "What kind of store it is.", "enum": [*sorted(types), None]},
            "extends": BASES,
        },
        "allOf": _by_type(types, "keys of"),
    }


def _whole_store(types: Mapping[str, StoreType]) -> Schema:
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"type": "string"}},
        "allOf": _by_type(types, "whole"),
    }


def _by_type(types: Iterable[str], definition: str) -> list[Schema]:
    return [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{definition} {name}"},
        }
        for name in types
    ]


def _keys(store_type: StoreType) -> Schema:
    properties: Schema = {"type": True, "extends": True}
    for key in store_type.keys:
        required = " Required." if key.is_required else ""
        if key.name == "duration_seconds" and store_type.operations:
            key = _of_any(key, store_type.operations)  # noqa: PLW2901
        value = value_of(key)
        properties[key.name] = {"description": key.help + required, **value}
        for alias in key.aliases:
            properties[alias] = {"description": f"An old name of {key.name}.", "deprecated": True, **value}
    rules = [_one_name(key.name, alias) for key in store_type.keys for alias in key.aliases]
    rules += [
        _at_most_one(store_type, group) for rule in store_type.rules if rule.holds_in_part for group in rule.apart
    ]
    return {
        "description": store_type.help,
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
        **({"allOf": rules} if rules else {}),
    }


def _of_any(key: StoreKey, operations: tuple[Operation, ...]) -> StoreKey:
    """Return the key with the lowest minimum and the highest maximum of all operations."""
    least = min(operation.least_seconds for operation in operations)
    return key._replace(minimum=least, maximum=max(operation.most_seconds for operation in operations))


def _one_name(name: str, alias: str) -> Schema:
    return {"not": {"required": [name, alias]}, "errorMessage": f"{alias} is an old name of {name}"}


def _whole(store_type: StoreType) -> Schema:
    rules: list[Schema] = [
        {**_has_key(store_type, key.name), "errorMessage": f"{key.name} is missing"}
        for key in store_type.keys
        if key.is_required
    ]
    for rule in store_type.rules:
        rules += _rule(store_type, rule)
    for operation in store_type.operations:
        rules.append(_operation(store_type, operation))
    return {"allOf": rules} if rules else {}


def _rule(store_type: StoreType, rule: KeyRule) -> list[Schema]:
    return [_at_most_one(store_type, group) for group in rule.apart if not rule.holds_in_part] + [
        {
            "if": _has_key(store_type, key),
            "then": {
                **_any([_has_key(store_type, other) for other in others]),
                "errorMessage": f"{key} needs {others[0]}",
            },
        }
        for key, others in rule.needs
    ]


def _at_most_one(store_type: StoreType, group: tuple[str, ...]) -> Schema:
    """Return a schema that allows at most one of these keys."""
    pairs = [(first, second) for index, first in enumerate(group) for second in group[index + 1 :]]
    both: list[Schema] = [
        {"allOf": [_has_key(store_type, first), _has_key(store_type, second)]} for first, second in pairs
    ]
    return {"not": _any(both), "errorMessage": f"only one of {', '.join(group)}"}


def _operation(store_type: StoreType, operation: Operation) -> Schema:
    """Return the schema of an operation: its required keys, without the keys that it refuses."""
    keys = [of_operation(key, operation) for key in store_type.keys]
    accepted_keys = keys_taken(operation)
    properties: Schema = {
        name: {"type": "null", "errorMessage": f"{name} does not go with {operation.name}"}
        for key in keys
        if key.name not in accepted_keys
        for name in (key.name, *key.aliases)
    }
    for key in keys:
        if key.name == "duration_seconds":
            properties |= dict.fromkeys((key.name, *key.aliases), value_of(key))
    needs: list[Schema] = [
        {**_has_key(store_type, name), "errorMessage": f"{operation.name} needs {name}"} for name in operation.needs
    ]
    if not operation.is_signed:
        needs.append(_selected(store_type, operation))
        properties["operation"] = {"enum": [operation.name, None]}
    requirements: Schema = {"properties": properties, "allOf": needs} if needs else {"properties": properties}
    return {"if": _meant(store_type, operation), "then": requirements}


def _selected(store_type: StoreType, operation: Operation) -> Schema:
    """Return a schema that matches if one of the operation's selecting keys is present."""
    return {"$ref": f"#/$defs/{store_type.name} by {operation.name}"}


def _meant(store_type: StoreType, operation: Operation) -> Schema:
    """Return a schema that matches if the store's keys, or its key `operation`, select this operation.

    A token or SAML response takes precedence over `operation`.
    """
    before = store_type.operations[: store_type.operations.index(operation)]
    unsigned = [
        _selected(store_type, earlier)
        for earlier in store_type.operations
        if not earlier.is_signed and earlier != operation
    ]
    by_keys: list[Schema] = [_selected(store_type, operation)] if operation.selected_by else []
    by_keys += [{"not": _selected(store_type, earlier)} for earlier in before]
    if operation.is_signed:
        by_keys.append({"not": _has_key(store_type, "operation")})
    by_operation = [_has_key(store_type, f"operation={operation.name}"), *[{"not": earlier} for earlier in unsigned]]
    return {"anyOf": [{"allOf": by_keys}, {"allOf": by_operation}]} if by_keys else {"allOf": by_operation}


def _has_key(store_type: StoreType, name: str) -> Schema:
    """Return a schema that matches if the key is present under any of its names and is not null.

    For `name=value`, the schema matches if the key has that value.
    """
    name, equals, value = name.partition("=")
    if equals:
        return {"required": [name], "properties": {name: {"const": value}}}
    key = next(key for key in store_type.keys if key.name == name)
    names = (name, *key.aliases)
    return _any([{"required": [key_name], "properties": {key_name: {"not": {"type": "null"}}}} for key_name in names])


def _any(schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
