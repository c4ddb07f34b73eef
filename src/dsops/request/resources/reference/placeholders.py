"""Fill the placeholders of ARN formats, such as `cluster/${ClusterName}`, with the parameters of a request.

A placeholder without a parameter is unknown. A parameter that may be a new name, or that names another thing, fills no
placeholder: a policy must not allow a request because of a value that AWS does not use as the resource.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from dsops.request.parameter_values import Parameters, shown
from dsops.service_reference import ResourceKind

_MARK: Final = re.compile(r"\$\{(\w+)\}")
_PLACE: Final = frozenset({"Partition", "Region", "Account"})
_SIDES: Final = ("source", "target", "destination", "current")
"""Prefixes of parameters that name one of two resources, as in `SourceSnapshotId` and `TargetSnapshotId`."""
_ENDS: Final = ("name", "id", "identifier", "arn", "")
_ENDS_OF_IDS: Final = ("id", "identifier", "arn", "name", "")
"""Endings of parameters after the name of the thing, the best first. For an id, those of ids are the best."""
_IDENTIFIERS: Final = ("id", "identifier", "arn", "name")
_GENERIC: Final = ("name", "id", "identifier")
_GENERAL: Final = ("resourcearn", "resourceid", "resourcename", "resource", "arn")


class ArnPlace(NamedTuple):
    """The partition, region and account with which a request's ARNs begin."""

    partition: str
    region: str
    account: str


class ParameterTexts(NamedTuple):
    """The strings of one parameter, and its name in lower case without dashes and the plural `s`."""

    name: str
    texts: tuple[str, ...]
    is_required: bool


class _Named(NamedTuple):
    """A value of a parameter that fills a placeholder."""

    parameter: str
    side: str
    """`source`, `target` and so on; "" for a parameter without such a prefix."""
    text: str


def values_of(parameters: Parameters, required: Collection[str]) -> list[ParameterTexts]:
    """Return the strings at the top level of the parameters. `required` are names as `folded` returns them."""
    return [value for name, raw in parameters.items() for value in _values(folded(name), raw, required)]


def folded(name: str) -> str:
    """Return a name in lower case without dashes and underscores."""
    return name.lower().replace("-", "").replace("_", "")


def named(values: Sequence[ParameterTexts], names: Sequence[str]) -> tuple[str, ...]:
    """Return the strings of the first parameter that has one of these names."""
    for name in names:
        found = [text for value in values if value.name == name for text in value.texts]
        if found:
            return tuple(dict.fromkeys(found))
    return ()


class Filler:
    """Finds the ARNs of resource types in the parameters of one request.

    - `unknown`: takes the place of a placeholder that no parameter fills
    - `is_new`: the operation makes a resource, so a generic parameter such as `resourceArn` names another one
    - `has_named_ids`: the ids in the ARNs of the service are the names of the resources
    """

    def __init__(
        self,
        operation: str,
        values: Sequence[ParameterTexts],
        place: ArnPlace,
        unknown: str,
        *,
        is_new: bool,
        has_named_ids: bool,
    ) -> None:
        self._operation = operation.lower()
        self._values = [value for value in values if any(value.texts)]
        self._by_name: dict[str, list[tuple[ParameterTexts, str]]] = {}
        for value in self._values:
            self._by_name.setdefault(value.name, []).append((value, ""))
            for side in _SIDES:
                if value.name.startswith(side):
                    self._by_name.setdefault(value.name.removeprefix(side), []).append((value, side))
        self._place = place
        self._unknown = unknown
        self._is_new = is_new
        self._has_named_ids = has_named_ids
        self._has_required = any(value.is_required and value.name.endswith(_IDENTIFIERS) for value in values)

    def arns_of(self, kind: ResourceKind, name: str, kinds: Collection[ResourceKind]) -> list[str]:
        """Return the ARNs of one of the action's resource types; `*` for an ARN that has none of their formats.

        `name` is the name that parameters use for the type.
        """
        for template in kind.arn.split(", "):
            # Lex has two formats for its bots: those of V2, and those of V1.
            found = self._in_format(template, name, kinds)
            if found:
                return found
        return []

    def is_unclear(self, kinds: Collection[ResourceKind]) -> bool:
        """Whether a parameter that the request must have is an ARN of the service in a format that no type has."""
        formats = [template for kind in kinds for template in kind.arn.split(", ")]
        services = {template.split(":")[2] for template in formats}
        return any(
            text.startswith("arn:")
            and {*text.split(":")[2:3]} <= services
            and not any(fits(template, text) for template in formats)
            for value in self._values
            if value.is_required and value.name.endswith("arn")
            for text in value.texts
        )

    def _in_format(self, template: str, name: str, kinds: Collection[ResourceKind]) -> list[str]:
        placeholders = names_in(template)
        if not placeholders and len(kinds) == 1:
            return [filled(template, self._place, {})]
        own = (
            {alias for alias, _ in self._names(placeholders[-1], name, is_only=len(kinds) == 1)}
            if placeholders
            else set()
        )
        whole = [
            text
            for value in self._values
            if value.name.endswith(("arn", "resource")) or _without_side(value.name) in own
            for text in value.texts
            if fits(template, text)
        ]
        if not placeholders:
            # An ARN without a name, such as `marketplace/model-endpoint/all-access`, is not named by any parameter.
            return whole
        made = self._made(template, name, kinds, placeholders, is_whole=bool(whole))
        return [*dict.fromkeys([*whole, *made])]

    def _made(
        self, template: str, name: str, kinds: Collection[ResourceKind], placeholders: Sequence[str], *, is_whole: bool
    ) -> Iterator[str]:
        """Yield the ARNs of resources that parameters name without an ARN."""
        *outer, own = placeholders
        above = {parent: self._parent(template, parent, name, placeholders) for parent in outer}
        used = {value.parameter for values in above.values() for value in values}
        matches = self._matches(own, self._names(own, name, is_only=len(kinds) == 1))
        owns = [value for value in matches if value.parameter not in used]
        if not owns and not is_whole and any(above[parent] and _is_same(name, _stem(parent)) for parent in outer):
            # A stack's ARN has its name and an id that only AWS knows.
            owns = [_Named("", "", self._unknown)]
        for value in owns:
            if value.text.startswith("arn:"):
                if not any(fits(part, value.text) for other in kinds for part in other.arn.split(", ")):
                    yield "*"
                continue
            for row in self._rows(above, value.side):
                yield filled(template, self._place, {**row, own: value.text})

    def _parent(self, template: str, parent: str, kind: str, placeholders: Sequence[str]) -> list[_Named]:
        """Return the values for a placeholder in the middle of an ARN, which are names, or parts of a parent's ARN."""
        others = {other.lower() for other in placeholders if other != parent}
        stem = _stem(parent)
        # The ARN of a configuration recorder, `configuration-recorder/${RecorderName}/${RecorderId}`, contains the
        # resource's own name in the middle.
        names = _specific(parent.lower(), (stem, kind) if stem and kind.endswith(stem) else (stem,))
        values = []
        for value in self._matches(parent, [(name, False) for name in names if name not in others]):
            inner = _within(template, parent, value.text) if value.text.startswith("arn:") else value.text
            values += [value._replace(text=inner)] if inner not in {"", self._unknown} else []
        return values

    def _rows(self, above: Mapping[str, Sequence[_Named]], side: str) -> list[dict[str, str]]:
        """Return the combinations of the parents' values. A source's parents are those of the source."""
        rows: list[dict[str, str]] = [{}]
        for parent, values in above.items():
            near = [value for value in values if value.side == side] or [value for value in values if not value.side]
            texts = [value.text for value in near or values] or [self._unknown]
            rows = [{**row, parent: text} for row in rows for text in texts]
        return rows

    def _names(self, placeholder: str, kind: str, *, is_only: bool) -> list[tuple[str, bool]]:
        """Return the names of parameters for the last placeholder, the best first, and whether each is generic."""
        stem = _stem(placeholder)
        generic: list[str] = []
        if stem in self._operation or kind in self._operation:
            generic += ["id", "identifier", "name"] if _is_id(placeholder) else ["name", "id", "identifier"]
        if is_only and not self._is_new:
            generic += _GENERAL
            if not self._operation.startswith(("list", "describe", "search")):
                # As in StopLogging, whose parameter `Name` names the trail: the action acts on no other type of
                # resource.
                generic.append("name")
        lower = placeholder.lower()
        names = [name for name in _specific(lower, (stem, kind)) if name not in _GENERIC]
        if lower in _GENERIC and (is_only or kind in self._operation):
            generic = [lower, *generic]
        return [(name, False) for name in names] + [(name, True) for name in dict.fromkeys(generic)]

    def _matches(self, placeholder: str, names: Sequence[tuple[str, bool]]) -> list[_Named]:
        """Return the values of the best parameter. One that the request must have is better than an optional one.

        The name of a thing whose ARN has an id says only that the request has such a thing.
        """
        groups = [group for name, is_generic in names if (group := self._group(name, is_generic=is_generic))]
        is_id = _is_id(placeholder) and not self._has_named_ids
        if is_id:
            groups.sort(key=lambda group: all(_is_name(value.name, placeholder) for value, _ in group))
        needed = [group for group in groups if any(value.is_required for value, _ in group)]
        return [
            _Named(value.name, side, self._read(value.name, text, is_name=is_id and _is_name(value.name, placeholder)))
            for value, side in (needed or groups or [[]])[0]
            for text in value.texts
            if text
        ]

    def _read(self, parameter: str, text: str, *, is_name: bool) -> str:
        """Return the text for a placeholder; unknown for a name where AWS has an id or wants an ARN."""
        is_no_arn = parameter.removesuffix("s").endswith("arn") and not text.startswith("arn:")
        return self._unknown if is_name or is_no_arn else text

    def _group(self, name: str, *, is_generic: bool) -> list[tuple[ParameterTexts, str]]:
        """Return the parameters of a name, with the side of each. An optional `name` may be a new one."""
        group = self._by_name.get(name, [])
        if not is_generic or not group:
            return group
        is_needed = name == "name" and self._has_required
        return [(value, "") for value, side in group if not side and (value.is_required or not is_needed)]


def names_in(template: str) -> tuple[str, ...]:
    """Return the placeholders of an ARN format, such as `ClusterName`."""
    return tuple(name for name in _MARK.findall(template) if name not in _PLACE)


def filled(template: str, place: ArnPlace, names: Mapping[str, str]) -> str:
    """Return the ARN with `*` for placeholders that have no value."""
    known = {"Partition": place.partition, "Region": place.region, "Account": place.account, **names}
    return _MARK.sub(lambda mark: known.get(mark[1], "*"), template)


def fits(template: str, arn: str) -> bool:
    """Whether the ARN matches the format `template`."""
    return _pattern(template).fullmatch(arn) is not None


def _within(template: str, parent: str, arn: str) -> str:
    """Return the text at a placeholder of a parent's ARN, such as a bucket's; "" if the ARN has another format."""
    head, mark, _ = template.partition(f"${{{parent}}}")
    match = _pattern(f"{head}{mark}").fullmatch(arn)
    return match[match.lastindex or 0] if match else ""


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _MARK.split(template)
    written = [re.escape(part) if index % 2 == 0 else _any_of(part) for index, part in enumerate(parts)]
    return re.compile("".join(written))


def _any_of(name: str) -> str:
    # A colon is excluded, because the text after it could be taken for the value of another placeholder.
    return "[^:]*" if name in _PLACE else "([^:]+)"


@cache
def _specific(placeholder: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of parameters that name the thing itself, the best first."""
    ends = _ENDS_OF_IDS if _is_id(placeholder) else _ENDS
    return tuple(dict.fromkeys([placeholder, *(f"{part}{end}" for part in parts if part for end in ends)]))


def _is_name(parameter: str, placeholder: str) -> bool:
    return parameter.endswith(("name", "names")) and not parameter.endswith(placeholder.lower())


def _stem(placeholder: str) -> str:
    return placeholder.lower().removesuffix("name").removesuffix("id").removesuffix("identifier")


def _is_same(kind: str, stem: str) -> bool:
    """Whether a placeholder is for the resource itself: `RecorderName` of a configuration recorder."""
    return bool(stem) and (kind.endswith(stem) or stem.startswith(kind))


def _is_id(placeholder: str) -> bool:
    return placeholder.lower().endswith(("id", "identifier"))


def _without_side(parameter: str) -> str:
    return next((parameter.removeprefix(side) for side in _SIDES if parameter.startswith(side)), parameter)


def _values(name: str, setting: object, required: Collection[str]) -> Iterator[ParameterTexts]:
    if isinstance(setting, str | bool | int):
        yield ParameterTexts(name, (shown(setting),), name in required)
    elif isinstance(setting, list) and setting and all(isinstance(item, str) for item in setting):
        yield ParameterTexts(name, tuple(setting), name in required)
        yield ParameterTexts(name.removesuffix("s"), tuple(setting), name in required)
