"""A template with its parameters: which resources it has, in which order, and the values of their properties."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from dsops.document import Mapping as MappingNode
from dsops.document import parse_json, parse_yaml, to_plain
from dsops.document.template_functions import UNKNOWN, Functions, Lookup
from dsops.request.wire.errors import refusal
from dsops.sandbox.cloudformation.handler import Made, invalid
from dsops.sandbox.cloudformation.shape import check_shape

Content = Mapping[str, Any]  # Any: a template may contain any JSON values.
_VARIABLE: Final = re.compile(r"\$\{([^!{}][^{}]*)\}")
_FROM_SSM: Final = "AWS::SSM::Parameter::Value<"
_DYNAMIC: Final = "{{resolve:"


def read_template(text: str) -> Content:
    """Parse a template in JSON or YAML. Raises ValidationError."""
    is_json = text.lstrip("\ufeff \t\r\n").startswith("{")
    document = parse_json(text, "template") if is_json else parse_yaml(text, "template", has_functions=True)
    if document.problems:
        raise invalid(f"Template format error: {document.problems[0].message}")
    template = to_plain(document.root) if isinstance(document.root, MappingNode) else None
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict) or not template["Resources"]:
        raise invalid("Template format error: At least one Resources member must be defined.")
    check_shape(template)
    if "Transform" in template:
        raise refusal("NotImplemented", "The dsops sandbox runs no macros. Nothing was done.", 501)
    return template


class Surroundings(NamedTuple):
    """What a template's functions refer to beyond the template."""

    pseudo: Mapping[str, str]
    """The values of pseudo parameters, such as `AWS::AccountId`."""
    imported: Callable[[str], object]
    """Returns the value that another stack exports under a name; UNKNOWN if there is none."""
    read_parameter: Callable[[str], str]
    """Returns the value of a parameter in Parameter Store."""


class StackTemplate:
    """A template with the values of its parameters."""

    def __init__(self, content: Content, given: Mapping[str, str], surroundings: Surroundings) -> None:
        self.content = content
        self.parameters = _parameters(content, given)
        self._given = dict(surroundings.pseudo)
        self._resolved_parameters = {
            name: self._typed(name, value, surroundings.read_parameter) for name, value in self.parameters.items()
        }
        self._conditions: dict[str, bool] = {}
        self._made: Mapping[str, Made] = {}
        lookup = Lookup(self._reference, self._attribute, surroundings.imported, self._holds)
        self._functions = Functions(lookup, surroundings.pseudo, content.get("Mappings") or {})
        self.resources: Mapping[str, Mapping[str, Any]] = {
            name: resource
            for name, resource in content["Resources"].items()
            if "Condition" not in resource or self._holds(str(resource["Condition"]))
        }
        """The resources whose condition holds."""

    def properties(self, logical_id: str, made: Mapping[str, Made]) -> dict[str, Any]:
        """Return a resource's properties with the functions resolved. `made`: the resources that exist.

        Raises ValidationError for a function whose value is not known.
        """
        self._made = made
        resolved = self._functions.resolve(self.resources[logical_id].get("Properties") or {})
        check_known(resolved, logical_id)
        return resolved if isinstance(resolved, dict) else {}

    def outputs(self, made: Mapping[str, Made]) -> Iterator[tuple[str, str, str, str]]:
        """Yield the key, value, description and export name of each output whose condition holds."""
        self._made = made
        for key, output in (self.content.get("Outputs") or {}).items():
            if "Condition" in output and not self._holds(str(output["Condition"])):
                continue
            value = self._functions.resolve(output.get("Value"))
            export = self._functions.resolve((output.get("Export") or {}).get("Name", ""))
            check_known([value, export], key)
            yield key, str(value), str(output.get("Description", "")), str(export)

    def order(self) -> list[str]:
        """Return the resources, each after those on which it depends. Raises ValidationError for a cycle."""
        needed = {name: _dependencies(resource, self.resources) - {name} for name, resource in self.resources.items()}
        ordered: list[str] = []
        while needed:
            done = set(ordered)
            ready = [name for name, others in needed.items() if others <= done]
            if not ready:
                raise invalid(f"Circular dependency between resources: [{', '.join(sorted(needed))}]")
            ordered += ready
            for name in ready:
                del needed[name]
        return ordered

    def _typed(self, name: str, value: str, read_parameter: Callable[[str], str]) -> object:
        of_type = str(self.content["Parameters"][name].get("Type", "String"))
        if of_type.startswith(_FROM_SSM):
            value = read_parameter(value)
            of_type = of_type[len(_FROM_SSM) :]
        is_list = of_type.startswith(("List<", "CommaDelimitedList"))
        return [item.strip() for item in value.split(",")] if is_list else value

    def _reference(self, name: str) -> object:
        if name in self._resolved_parameters:
            return self._resolved_parameters[name]
        return self._made[name].id if name in self._made else UNKNOWN

    def _attribute(self, name: str, attribute: str) -> object:
        return self._made[name].attributes.get(attribute, UNKNOWN) if name in self._made else UNKNOWN

    def _holds(self, name: str) -> bool:
        if name not in self._conditions:
            written = (self.content.get("Conditions") or {}).get(name)
            if written is None:
                raise invalid(f"Template format error: Unresolved condition dependency {name}")
            self._conditions[name] = False  # ends the recursion if conditions refer to each other in a cycle
            self._conditions[name] = self._is_true(written)
        return self._conditions[name]

    def _is_true(self, written: object) -> bool:
        if not isinstance(written, dict) or len(written) != 1:
            raise invalid("Template format error: Every Condition must be a function")
        ((name, argument),) = written.items()
        items = argument if isinstance(argument, list) else []
        match name:
            case "Condition":
                return self._holds(str(argument))
            case "Fn::Equals" if len(items) == 2:
                one, other = (self._functions.resolve(item) for item in items)
                return str(one) == str(other)
            case "Fn::Not" if len(items) == 1:
                return not self._is_true(items[0])
            case "Fn::And":
                return all(self._is_true(item) for item in items)
            case "Fn::Or":
                return any(self._is_true(item) for item in items)
        raise invalid(f"Template validation error: {name} can't be used in a condition")


def _parameters(content: Content, given: Mapping[str, str]) -> dict[str, str]:
    declared = content.get("Parameters") or {}
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {
        name: given.get(name, str(parameter["Default"]) if "Default" in parameter else None)
        for name, parameter in declared.items()
    }
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    for name, value in values.items():
        allowed = declared[name].get("AllowedValues")
        if allowed is not None and value not in [str(item) for item in allowed]:
            raise invalid(f"Parameter '{name}' must be one of AllowedValues")
    return {name: value for name, value in values.items() if value is not None}


def check_known(value: object, place: str) -> None:
    """Raise ValidationError if a value contains a function that could not be resolved."""
    if value is UNKNOWN:
        raise invalid(f"Template error: a function in {place} refers to a value that does not exist")
    if isinstance(value, str) and _DYNAMIC in value:
        raise invalid(f"The dsops sandbox does not resolve dynamic references such as {_DYNAMIC}ssm:...}}}} in {place}")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        check_known(item, place)


def _dependencies(resource: Mapping[str, Any], names: Mapping[str, object]) -> set[str]:
    written = resource.get("DependsOn") or []
    found = {written} if isinstance(written, str) else set(written)
    found |= set(_references(resource.get("Properties")))
    return found & names.keys()


def _references(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for name, argument in value.items():
            if name == "Ref":
                yield str(argument)
            elif name == "Fn::GetAtt":
                yield str(next(iter(argument), "")) if isinstance(argument, list) else str(argument).partition(".")[0]
            elif name == "Fn::Sub":
                text = argument[0] if isinstance(argument, list) and argument else argument
                yield from (variable.partition(".")[0].strip() for variable in _VARIABLE.findall(str(text)))
            yield from _references(argument)
