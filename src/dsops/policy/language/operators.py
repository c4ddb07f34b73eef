"""Condition operators: their names, and how each compares a request's value with the policy's values.

To add an operator, add a member to the Literal of its family. Add its negation as well if it has one. Then write the
branch that mypy reports as missing. Rules: AWS IAM User Guide, "Condition operators".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeVar, assert_never, get_args

from dsops.policy.language.letters import fold, lower_case
from dsops.policy.language.match import ArnPredicate, compile_arn, compile_glob, split_arn
from dsops.policy.language.tokens import Resolved, literal_text
from dsops.policy.language.values import (
    compare_moments,
    compare_numbers,
    read_address,
    read_bytes,
    read_moment,
    read_network,
    read_number,
)
from dsops.startup import NamedTuple

T = TypeVar("T")

Answer = bool | None
"""A comparison's result; None when the request's value does not have the operator's type."""
Matcher = Callable[[str], Answer]
"""A function that takes one request value and returns whether it matches any of the policy's values."""

Quantifier = Literal["", "ForAllValues:", "ForAnyValue:"]

PlainFamily = Literal["StringEquals", "StringEqualsIgnoreCase"]
"""Operators that compare `*` and `?` literally."""
StringFamily = Literal[PlainFamily, "StringLike"]
ArnFamily = Literal["ArnEquals", "ArnLike"]
TextFamily = Literal[StringFamily, "Bool", ArnFamily]
"""Operators that compare text. Their values may contain policy variables."""
NumberFamily = Literal[
    "NumericEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"
]
DateFamily = Literal["DateEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"]
TypedFamily = Literal[NumberFamily, DateFamily, "BinaryEquals", "IpAddress"]
"""Operators that compare numbers, dates, bytes or addresses."""
Family = Literal[TextFamily, TypedFamily, "Null"]

_NEGATIONS: Final[dict[str, Family]] = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
_FAMILIES: Final[tuple[Family, ...]] = get_args(Family)
_OPERATORS: Final[dict[str, Family]] = {family: family for family in _FAMILIES} | _NEGATIONS
OPERATORS: Final = tuple(_OPERATORS)
"""The name of every operator without quantifier and suffix, such as `StringLike`."""
PLAIN_FAMILIES: Final[tuple[PlainFamily, ...]] = get_args(PlainFamily)
STRING_FAMILIES: Final[tuple[StringFamily, ...]] = get_args(StringFamily)
ARN_FAMILIES: Final[tuple[ArnFamily, ...]] = get_args(ArnFamily)
TEXT_FAMILIES: Final[tuple[TextFamily, ...]] = get_args(TextFamily)
TYPED_FAMILIES: Final[tuple[TypedFamily, ...]] = get_args(TypedFamily)


class Operator(NamedTuple):
    """The parts of a condition operator's name."""

    quantifier: Quantifier
    family: Family
    """The operator's name without negation: StringNotEquals has the family `StringEquals`."""
    is_negated: bool
    is_if_exists: bool


def parse_operator(text: str) -> Operator:
    """Split an operator's name into its parts. Raises ValueError when AWS has no such operator."""
    quantifier: Quantifier = ""
    if text.startswith("ForAllValues:"):
        quantifier = "ForAllValues:"
    elif text.startswith("ForAnyValue:"):
        quantifier = "ForAnyValue:"
    name = text.removeprefix(quantifier)
    is_if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    family = _OPERATORS.get(name)
    if family is None:
        raise ValueError(f"`{text}` is not a condition operator")
    if family == "Null" and (is_if_exists or quantifier):
        raise ValueError(f"`{text}`: Null takes neither IfExists nor a set prefix")
    return Operator(quantifier, family, name in _NEGATIONS, is_if_exists)


def nearest_operator(text: str) -> str:
    """Return the operator with the most similar name; "" when no name is similar."""
    from difflib import get_close_matches

    quantifier = text.partition(":")[0] + ":" if ":" in text else ""
    suffix = "IfExists" if text.endswith("IfExists") else ""
    name = text.removeprefix(quantifier).removesuffix(suffix)
    names = {lower_case(operator): operator for operator in OPERATORS}
    near = get_close_matches(lower_case(name), names, n=1)
    prefixes = {"forallvalues:": "ForAllValues:", "foranyvalue:": "ForAnyValue:"}
    prefix = prefixes.get(lower_case(quantifier), "")
    return prefix + names[near[0]] + suffix if near else ""


def text_matcher(family: TextFamily, values: Sequence[Sequence[Resolved]]) -> Matcher:
    """Compile the comparison with the policy's text values, whose variables are already resolved."""
    match family:
        case "StringEquals":
            return frozenset(map(literal_text, values)).__contains__
        case "StringEqualsIgnoreCase" | "Bool":
            folded = frozenset(fold(literal_text(value)) for value in values)
            return lambda value: fold(value) in folded
        case "StringLike":
            globs = [compile_glob(value) for value in values]
            return globs[0] if len(globs) == 1 else lambda value: any(glob(value) for glob in globs)
        case "ArnEquals" | "ArnLike":
            return arn_matcher(map(compile_arn, values))
        case _:
            assert_never(family)


def arn_matcher(patterns: Iterable[ArnPredicate | None]) -> Matcher:
    """Compile the comparison with ARN patterns. A text with fewer than six parts is no ARN and matches nothing."""
    arns = [arn for arn in patterns if arn is not None]

    def matches_arn(value: str) -> bool:
        parts = split_arn(value)
        return parts is not None and any(arn(parts) for arn in arns)

    return matches_arn


def typed_matcher(family: TypedFamily, values: Sequence[str]) -> Matcher:
    """Compile the comparison with typed values. Raises ValueError for a value that is not of the family's type."""
    match family:
        case "BinaryEquals":
            accepted = frozenset(_read_all(values, read_bytes, "base64"))
            return lambda value: read_bytes(value) in accepted
        case "IpAddress":
            return _networks(values)
        case (
            "NumericEquals"
            | "NumericLessThan"
            | "NumericLessThanEquals"
            | "NumericGreaterThan"
            | "NumericGreaterThanEquals"
        ):
            return _ordering(values, read_number, compare_numbers, family, "a number")
        case "DateEquals" | "DateLessThan" | "DateLessThanEquals" | "DateGreaterThan" | "DateGreaterThanEquals":
            expected = "a date (2026-01-31T12:00:00Z) or epoch seconds"
            return _ordering(values, read_moment, compare_moments, family, expected)
        case _:
            assert_never(family)


def _holds(family: NumberFamily | DateFamily, order: int) -> bool:
    """Whether the operator accepts the result of a comparison.

    `order` is negative if the request's value is less than the policy's, 0 if they are equal, and positive otherwise.
    """
    match family:
        case "NumericEquals" | "DateEquals":
            return order == 0
        case "NumericLessThan" | "DateLessThan":
            return order < 0
        case "NumericLessThanEquals" | "DateLessThanEquals":
            return order <= 0
        case "NumericGreaterThan" | "DateGreaterThan":
            return order > 0
        case "NumericGreaterThanEquals" | "DateGreaterThanEquals":
            return order >= 0
        case _:
            assert_never(family)


def _read_all(values: Sequence[str], read: Callable[[str], T | None], expected: str) -> list[T]:
    read_values = []
    for value in values:
        read_value = read(value)
        if read_value is None:
            raise ValueError(f"`{value}` is not {expected}")
        read_values.append(read_value)
    return read_values


def _networks(values: Sequence[str]) -> Matcher:
    networks = _read_all(values, read_network, "an IP address or CIDR range")

    def matches(value: str) -> Answer:
        address = read_address(value)
        return None if address is None else any(network(address) for network in networks)

    return matches


def _ordering(
    values: Sequence[str],
    read: Callable[[str], T | None],
    compare: Callable[[T, T], int],
    family: NumberFamily | DateFamily,
    expected: str,
) -> Matcher:
    bounds = _read_all(values, read, expected)

    def matches(value: str) -> Answer:
        actual = read(value)
        return None if actual is None else any(_holds(family, compare(actual, bound)) for bound in bounds)

    return matches
