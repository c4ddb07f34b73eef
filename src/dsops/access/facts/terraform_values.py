"""Read the resources in the output of `terraform show -json`, with the values that are unknown until `apply`.

Format: JSON output format of Terraform, `values` of a state, and `planned_values`, `resource_changes` and
`configuration` of a plan.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dsops.document.template_functions import UNKNOWN

Values = Mapping[str, object]
_INDEX: Final = re.compile(r"\[[^\]]*\]")
_ACCOUNT_AND_REGION: Final = re.compile(r"^arn:(aws[a-z-]*):[a-z0-9-]+:([a-z0-9-]*):([0-9]{12}):")
_REFERENCE: Final = re.compile(
    r"^((?:data\.)?[\w-]+\.[\w-]+(?:\[[^\]]*\])?)\.(?:arn|id|name|bucket|url|key_id|function_name)$"
)
_MOST_STEPS: Final = 20
"""The maximum number of references through variables and outputs of modules."""


class TerraformResource(NamedTuple):
    """A resource of a plan or state. An attribute that is unknown and not configured is left out."""

    address: str
    type: str
    is_managed: bool
    values: Values
    expressions: Values | None
    """The configured attributes, as the configuration of a plan contains them; None if it is not known."""

    def text(self, key: str) -> str:
        """Return the text of an attribute; "" if it has none."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def is_configured(self, key: str) -> bool:
        """Whether the configuration sets the attribute; True if the configuration is not known."""
        return self.expressions is None or key in self.expressions


class Modules:
    """The configuration of a plan: the expressions of resources, variables and outputs, by module."""

    def __init__(self, configuration: object) -> None:
        self._root = mapping(mapping(configuration).get("root_module"))
        self._expressions: dict[tuple[str, ...], dict[object, Values]] = {}

    def expressions(self, address: str) -> Values | None:
        """Return the expressions of the resource with that address; None if they are not known."""
        path, _, local = split_address(address)
        if path not in self._expressions:
            self._expressions[path] = {
                str(resource.get("address")): mapping(resource.get("expressions"))
                for resource in objects(self._module(path).get("resources"))
            }
        found = self._expressions[path].get(local)
        return found if found is not None or not self._module(path) else {}

    def referred(self, address: str, key: str) -> list[str] | None:
        """Return the addresses of the resources that an attribute refers to; None if it is more than references."""
        path, prefix, _ = split_address(address)
        expression = mapping((self.expressions(address) or {}).get(key))
        return self._followed(path, prefix, expression, 0)

    def _followed(self, path: tuple[str, ...], prefix: str, expression: Values, steps: int) -> list[str] | None:
        names = [name for name in strings(expression.get("references")) if "." in name]
        found: list[str] = []
        for name in names:
            reference = _REFERENCE.match(name)
            if reference is not None:
                found.append(f"{prefix}{reference[1]}")
            elif name.startswith(("var.", "module.")) and steps < _MOST_STEPS:
                found += self._in_other_module(path, prefix, name, steps) or []
        return list(dict.fromkeys(found)) or None

    def _in_other_module(self, path: tuple[str, ...], prefix: str, name: str, steps: int) -> list[str] | None:
        words = name.split(".")
        if words[0] == "var" and path:
            call = self._call(path[:-1], path[-1])
            outside = prefix[: prefix.rstrip(".").rfind("module.")]
            return self._followed(
                path[:-1], outside, mapping(mapping(call.get("expressions")).get(words[1])), steps + 1
            )
        if words[0] == "module" and len(words) > 2:
            inside = (*path, _INDEX.sub("", words[1]))
            output = mapping(mapping(self._module(inside).get("outputs")).get(words[2]))
            within = f"{prefix}module.{words[1]}."
            return self._followed(inside, within, mapping(output.get("expression")), steps + 1)
        return None

    def _call(self, path: tuple[str, ...], name: str) -> Values:
        return mapping(mapping(self._module(path).get("module_calls")).get(name))

    def _module(self, path: tuple[str, ...]) -> Values:
        module = self._root
        for name in path:
            module = mapping(mapping(mapping(module.get("module_calls")).get(name)).get("module"))
        return module


def split_address(address: str) -> tuple[tuple[str, ...], str, str]:
    """Split an address into the names of its modules, the text before the resource, and the resource without index."""
    path: list[str] = []
    rest = address
    while rest.startswith("module."):
        name = re.match(r"module\.([\w-]+)(?:\[[^\]]*\])?\.", rest)
        if name is None:
            break
        path.append(name[1])
        rest = rest[name.end() :]
    return tuple(path), address[: len(address) - len(rest)], _INDEX.sub("", rest)


def read_resources(root: Values, values: object) -> Iterator[TerraformResource]:
    """Yield the resources of `values`, which is a plan's `planned_values` or the `values` of a state."""
    modules = Modules(root.get("configuration"))
    is_plan = values is root.get("planned_values")
    unknown = {
        str(change.get("address")): mapping(change.get("change")).get("after_unknown")
        for change in objects(root.get("resource_changes"))
    }
    for item in _items(mapping(mapping(values).get("root_module"))):
        address = str(item.get("address", ""))
        expressions = modules.expressions(address) if is_plan else None
        known = mapping(item.get("values"))
        if is_plan:
            known = _with_unknown(known, mapping(unknown.get(address)), expressions)
        yield TerraformResource(
            address, str(item.get("type", "")), item.get("mode", "managed") == "managed", known, expressions
        )


def _with_unknown(known: Values, unknown: Values, expressions: Values | None) -> Values:
    """Return the attributes with UNKNOWN for those that are configured and not known yet."""
    merged = dict(known)
    for key, value in unknown.items():
        if value is True and expressions is not None and key not in expressions:
            merged.pop(key, None)
        else:
            merged[key] = _merged(known.get(key), value)
    return merged


def _merged(known: object, unknown: object) -> object:
    if unknown is True:
        return UNKNOWN
    if isinstance(unknown, dict) and unknown:
        of_known = mapping(known)
        return {**of_known, **{key: _merged(of_known.get(key), value) for key, value in unknown.items()}}
    if isinstance(unknown, list) and isinstance(known, list):
        rest = known[len(unknown) :]
        return [*(_merged(item, flag) for item, flag in zip(known, unknown, strict=False)), *rest]
    return known


def _items(module: Values) -> Iterator[Values]:
    """Yield the resources of a module and of the modules in it."""
    pending = [module]
    while pending:
        current = pending.pop()
        yield from objects(current.get("resources"))
        pending += objects(current.get("child_modules"))


def place_of(root: Values, fallback_account: str) -> tuple[str, str, str]:
    """Return the partition, the account and the region of a plan or state."""
    found: Counter[tuple[str, str]] = Counter()
    regions: Counter[str] = Counter()
    account = ""
    sides = (root.get("planned_values"), root.get("values"), mapping(root.get("prior_state")).get("values"))
    for item in (item for side in sides for item in _items(mapping(mapping(side).get("root_module")))):
        values = mapping(item.get("values"))
        if item.get("type") == "aws_caller_identity":
            account = str(values.get("account_id") or account)
        arn = _ACCOUNT_AND_REGION.match(str(values.get("arn", "")))
        if arn is not None and item.get("mode", "managed") == "managed":
            found[arn[1], arn[3]] += 1
            regions.update([arn[2]] if arn[2] else [])
    partition, common = max(found, key=found.__getitem__) if found else ("aws", fallback_account)
    configured = mapping(mapping(mapping(root.get("configuration")).get("provider_config")).get("aws"))
    region = mapping(mapping(configured.get("expressions")).get("region")).get("constant_value")
    return partition, account or common, str(region or max(regions, key=regions.__getitem__, default="us-east-1"))


def mapping(value: object) -> Values:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Values]:
    """Return the objects in a list; [] for any other value."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """Return the texts in a list; [] for any other value."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
