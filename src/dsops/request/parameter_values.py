"""Read typed values and tags from parameters that were parsed by botocore's model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

from dsops.request.question import AuthorizationQuestion, CallerView, Context

Parameters = Mapping[str, object]


class Asks(Protocol):
    """Yields the authorization checks of one service."""

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks that the operation requires, in AWS's order."""


def text(parameters: Parameters, name: str) -> str:
    """Return a parameter as text; "" if the parameter is absent."""
    value = parameters.get(name)
    return "" if value is None else shown(value)


def shown(value: object) -> str:
    """Return a value as condition keys write it, with `true` and `false` in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def texts(parameters: Parameters, name: str) -> tuple[str, ...]:
    """Return a parameter that is a list of strings; () if the parameter is absent."""
    return tuple(str(item) for item in cast("Sequence[object]", parameters.get(name) or ()))


def inside(parameters: Parameters, name: str) -> Parameters:
    """Return a parameter that is a structure or map; {} if the parameter is absent."""
    return cast("Parameters", parameters.get(name) or {})


def many(parameters: Parameters, name: str) -> Sequence[Parameters]:
    """Return the structures in a parameter that is a list; () for another type, or if the parameter is absent."""
    value = parameters.get(name)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else ()


def listed_tags(value: object) -> Iterator[tuple[str, str]]:
    """Yield the tags in a map, or in a list of `Key` and `Value` in any capitalization."""
    if isinstance(value, Mapping):
        for key, tag in value.items():
            yield str(key), str(tag)
        return
    if not isinstance(value, list):
        # This is not a list of tags: in Verified Permissions, the parameter `tags` is a flag.
        return
    for tag in value:
        if not isinstance(tag, Mapping):
            # This is a tag key without a value, as in UntagLogGroup's parameter `tags`.
            continue
        parts = {name.lower().removeprefix("tag"): str(part) for name, part in tag.items()}
        if "key" in parts:
            yield parts["key"], parts.get("value", "")


def key_if_given(key: str, parameters: Parameters, name: str) -> Context:
    """Return the condition key with the parameter's value; {} if the parameter is absent."""
    return {key: (text(parameters, name),)} if name in parameters else {}
