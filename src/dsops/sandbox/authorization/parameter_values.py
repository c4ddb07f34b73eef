"""Typed access to parameters parsed by botocore's model, and the tags among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

from dsops.sandbox.authorization.authorizer import AuthorizationQuestion
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.context import Context

Parameters = Mapping[str, object]


class Asks(Protocol):
    """The authorization questions of one service."""

    def questions(self, operation: str, parameters: Parameters, caller: Caller) -> Iterator[AuthorizationQuestion]:
        """Yield all permissions that the operation needs, in AWS's order."""


def text(parameters: Parameters, name: str) -> str:
    """Return the parameter as text; "" when it is absent."""
    value = parameters.get(name)
    return "" if value is None else shown(value)


def shown(value: object) -> str:
    """Return a value as condition keys spell it, with lower-case true and false."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def texts(parameters: Parameters, name: str) -> tuple[str, ...]:
    """Return a parameter that is a list of texts; () when it is absent."""
    return tuple(str(item) for item in cast("Sequence[object]", parameters.get(name) or ()))


def inside(parameters: Parameters, name: str) -> Parameters:
    """Return a parameter that is a structure or map; {} when it is absent."""
    return cast("Parameters", parameters.get(name) or {})


def many(parameters: Parameters, name: str) -> Sequence[Parameters]:
    """Return a parameter that is a list of structures; () when it is absent."""
    return cast("Sequence[Parameters]", parameters.get(name) or ())


def listed_tags(value: object) -> Iterator[tuple[str, str]]:
    """Yield tags from any form that services use: a map, or a list of key and value in any case."""
    if isinstance(value, Mapping):
        for key, tag in value.items():
            yield str(key), str(tag)
        return
    for tag in cast("Sequence[object]", value or ()):
        if not isinstance(tag, Mapping):
            # UntagLogGroup has a list of bare keys under the same name.
            continue
        parts = {name.lower().removeprefix("tag"): str(part) for name, part in tag.items()}
        if "key" in parts:
            yield parts["key"], parts.get("value", "")


def key_if_given(key: str, parameters: Parameters, name: str) -> Context:
    """Return `key` with the parameter's value; {} when it is absent."""
    return {key: (text(parameters, name),)} if name in parameters else {}
