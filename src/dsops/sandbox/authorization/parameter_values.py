"""Parameters as botocore's model names and types them, and the tags among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

from dsops.sandbox.authorization.authorize import AuthorizationQuestion
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.context import Context

Parameters = Mapping[str, object]


class Asks(Protocol):
    """One service: what has to be allowed for an operation of it."""

    def questions(self, operation: str, parameters: Parameters, caller: Caller) -> Iterator[AuthorizationQuestion]:
        """Everything that must be allowed for the operation to be done, in AWS's order."""


def text(parameters: Parameters, name: str) -> str:
    """The parameter as text; "" when it is not given."""
    value = parameters.get(name)
    return "" if value is None else shown(value)


def shown(value: object) -> str:
    """A value as condition keys have it: true and false in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def texts(parameters: Parameters, name: str) -> tuple[str, ...]:
    """The parameter that is a list of texts; () when it is not given."""
    return tuple(str(each) for each in cast("Sequence[object]", parameters.get(name) or ()))


def inside(parameters: Parameters, name: str) -> Parameters:
    """The parameter that is a structure or a map; {} when it is not given."""
    return cast("Parameters", parameters.get(name) or {})


def many(parameters: Parameters, name: str) -> Sequence[Parameters]:
    """The parameter that is a list of structures; () when it is not given."""
    return cast("Sequence[Parameters]", parameters.get(name) or ())


def listed_tags(value: object) -> Iterator[tuple[str, str]]:
    """Tags in any of the forms that services write them in: a map, or a list of key and value in any case."""
    if isinstance(value, Mapping):
        for key, tag in value.items():
            yield str(key), str(tag)
        return
    for tag in cast("Sequence[object]", value or ()):
        if not isinstance(tag, Mapping):
            # UntagLogGroup has keys alone under the same name.
            continue
        parts = {name.lower().removeprefix("tag"): str(part) for name, part in tag.items()}
        if "key" in parts:
            yield parts["key"], parts.get("value", "")


def key_if_given(key: str, parameters: Parameters, name: str) -> Context:
    """`key` with the parameter's value; nothing when it is not given."""
    return {key: (text(parameters, name),)} if name in parameters else {}
