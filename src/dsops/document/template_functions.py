"""Resolve CloudFormation's functions, as far as the caller knows the values that they refer to.

Before a deployment, a parameter, an import of a stack that is not read, and most attributes are not known. They become
`UNKNOWN`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple


class Later(Enum):
    """The value of what is known only after the deployment."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Later.UNKNOWN
_ABSENT: Final = object()
"""The value of `Ref: AWS::NoValue`, which takes a property away."""
_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_LONGEST: Final = 1_000_000
"""The longest text that a function returns. Nested functions can double a text at each level."""


class Lookup(NamedTuple):
    """What a template's functions can refer to."""

    reference: Callable[[str], object]
    """Returns what `Ref` of a resource is, given its logical id; None for a name that is no resource."""
    attribute: Callable[[str, str], object]
    """Returns an attribute of a resource, given its logical id and the attribute's name."""
    imported: Callable[[str], object]
    """Returns what another stack exports under a name."""
    condition: Callable[[str], bool] | None = None
    """Returns whether one of the template's conditions holds; None if conditions are not known yet."""


class Functions:
    """Resolves the functions of one template.

    - `pseudo`: the values of pseudo parameters, such as `AWS::AccountId`.
    - `mappings`: the template's `Mappings`.
    """

    def __init__(self, lookup: Lookup, pseudo: Mapping[str, str], mappings: Mapping[str, object]) -> None:
        self._lookup = lookup
        self._pseudo = pseudo
        self._mappings = mappings
        self._functions: Mapping[str, Callable[[object], object]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_attribute,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::If": self._if,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::FindInMap": self._find_in_map,
            "Fn::ImportValue": self._import,
            "Fn::Base64": self._base64,
            "Fn::ToJsonString": self._json,
        }

    def resolve(self, value: object) -> object:
        """Return the value with its functions resolved. What can't be resolved is UNKNOWN."""
        resolved = self._resolved(value)
        return None if resolved is _ABSENT else resolved

    def _resolved(self, value: object) -> object:
        if isinstance(value, list):
            items = [self._resolved(item) for item in value]
            return [item for item in items if item is not _ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in self._functions:
                return self._functions[name](argument)
            if str(name).startswith("Fn::"):
                return UNKNOWN
        of_keys = {key: self._resolved(item) for key, item in value.items()}
        return {key: item for key, item in of_keys.items() if item is not _ABSENT}

    def _ref(self, argument: object) -> object:
        name = str(argument)
        if name == "AWS::NoValue":
            return _ABSENT
        if name in self._pseudo:
            return self._pseudo[name]
        value = self._lookup.reference(name)
        return UNKNOWN if value is None else value

    def _get_attribute(self, argument: object) -> object:
        if isinstance(argument, str):
            argument = argument.split(".", 1)
        if not isinstance(argument, list) or len(argument) != 2 or not all(isinstance(item, str) for item in argument):
            return UNKNOWN
        return self._lookup.attribute(argument[0], argument[1])

    def _sub(self, argument: object) -> object:
        own: Mapping[str, object] = {}
        if isinstance(argument, list) and len(argument) == 2:
            own = argument[1] if isinstance(argument[1], dict) else {}
            argument = argument[0]
        if not isinstance(argument, str):
            return UNKNOWN
        parts: list[str] = []
        values: dict[str, object] = {}
        end = length = 0
        for variable in _VARIABLE.finditer(argument):
            name = variable[1].strip()
            if name not in values:
                values[name] = f"${{{name[1:]}}}" if name.startswith("!") else self._variable(name, own)
            value = values[name]
            length += len(str(value))
            if not isinstance(value, str | int) or length > _LONGEST:
                return UNKNOWN
            parts += [argument[end : variable.start()], str(value)]
            end = variable.end()
        return "".join([*parts, argument[end:]])

    def _variable(self, name: str, own: Mapping[str, object]) -> object:
        if name in own:
            return self._resolved(own[name])
        return self._get_attribute(name) if "." in name else self._ref(name)

    def _join(self, argument: object) -> object:
        resolved = self._resolved(argument)
        if not isinstance(resolved, list) or len(resolved) != 2 or not isinstance(resolved[1], list):
            return UNKNOWN
        separator, items = resolved
        if not isinstance(separator, str) or not all(isinstance(item, str | int) for item in items):
            return UNKNOWN
        if sum(len(separator) + len(str(item)) for item in items) > _LONGEST:
            return UNKNOWN
        return separator.join(map(str, items))

    def _if(self, argument: object) -> object:
        """Return the branch that the condition selects. If it is not known, return both branches' equal value."""
        if not isinstance(argument, list) or len(argument) != 3:
            return UNKNOWN
        if self._lookup.condition is not None:
            return self._resolved(argument[1 if self._lookup.condition(str(argument[0])) else 2])
        one, other = (self._resolved(branch) for branch in argument[1:])
        return one if one == other else UNKNOWN

    def _select(self, argument: object) -> object:
        resolved = self._resolved(argument)
        if not isinstance(resolved, list) or len(resolved) != 2 or not isinstance(resolved[1], list):
            return UNKNOWN
        index = str(resolved[0])
        return resolved[1][int(index)] if index.isdecimal() and int(index) < len(resolved[1]) else UNKNOWN

    def _split(self, argument: object) -> object:
        resolved = self._resolved(argument)
        if not isinstance(resolved, list) or len(resolved) != 2:
            return UNKNOWN
        separator, text = resolved
        return text.split(separator) if isinstance(text, str) and isinstance(separator, str) and separator else UNKNOWN

    def _find_in_map(self, argument: object) -> object:
        resolved = self._resolved(argument)
        if not isinstance(resolved, list) or len(resolved) != 3 or not all(isinstance(key, str) for key in resolved):
            return UNKNOWN
        value: object = self._mappings
        for key in resolved:
            value = value.get(key) if isinstance(value, dict) else None
        return UNKNOWN if value is None else value

    def _base64(self, argument: object) -> object:
        text = self._resolved(argument)
        return base64.b64encode(text.encode()).decode() if isinstance(text, str) else UNKNOWN

    def _json(self, argument: object) -> object:
        try:
            return json.dumps(self._resolved(argument))
        except TypeError:  # an unknown value in it
            return UNKNOWN

    def _import(self, argument: object) -> object:
        name = self._resolved(argument)
        return self._lookup.imported(name) if isinstance(name, str) else UNKNOWN
