"""The names of condition operators: what each is made of, and which one an author may have meant."""

from __future__ import annotations

from typing import Final, Literal

from dsops.policy.language.letters import lower_case
from dsops.startup import NamedTuple

Quantifier = Literal["", "ForAllValues:", "ForAnyValue:"]


class Operator(NamedTuple):
    """A condition operator, taken apart."""

    quantifier: Quantifier
    family: str
    """The operator that says what matches: `StringEquals` for StringNotEquals too."""
    is_negated: bool
    is_if_exists: bool


def _negations(names: str) -> dict[str, tuple[str, bool]]:
    """`A/B` is an operator A and its negation B."""
    table = {}
    for pair in names.split():
        positive, _, negative = pair.partition("/")
        table[positive] = (positive, False)
        if negative:
            table[negative] = (positive, True)
    return table


_OPERATORS: Final = _negations(
    "StringEquals/StringNotEquals StringEqualsIgnoreCase/StringNotEqualsIgnoreCase StringLike/StringNotLike "
    "NumericEquals/NumericNotEquals "
    "NumericLessThan NumericLessThanEquals NumericGreaterThan NumericGreaterThanEquals "
    "DateEquals/DateNotEquals DateLessThan DateLessThanEquals DateGreaterThan DateGreaterThanEquals "
    "Bool BinaryEquals IpAddress/NotIpAddress ArnEquals/ArnNotEquals ArnLike/ArnNotLike Null"
)
OPERATORS: Final = tuple(_OPERATORS)
"""Every operator's plain name."""
WITH_VARIABLES: Final = ("String", "Arn", "Bool")
"""The families whose values may hold policy variables."""


def parse_operator(text: str) -> Operator:
    """The parts of an operator's name; ValueError when AWS has no such operator."""
    quantifier: Quantifier = ""
    if text.startswith("ForAllValues:"):
        quantifier = "ForAllValues:"
    elif text.startswith("ForAnyValue:"):
        quantifier = "ForAnyValue:"
    name = text.removeprefix(quantifier)
    is_if_exists = name.endswith("IfExists")
    known = _OPERATORS.get(name.removesuffix("IfExists"))
    if known is None:
        raise ValueError(f"`{text}` is not a condition operator")
    if known[0] == "Null" and (is_if_exists or quantifier):
        raise ValueError(f"`{text}`: Null takes neither IfExists nor a set prefix")
    return Operator(quantifier, known[0], known[1], is_if_exists)


def nearest_operator(text: str) -> str:
    """The operator that the author may have meant; "" when none is near."""
    from difflib import get_close_matches

    quantifier = text.partition(":")[0] + ":" if ":" in text else ""
    suffix = "IfExists" if text.endswith("IfExists") else ""
    name = text.removeprefix(quantifier).removesuffix(suffix)
    names = {lower_case(operator): operator for operator in OPERATORS}
    found = get_close_matches(lower_case(name), names, n=1)
    prefixes = {"forallvalues:": "ForAllValues:", "foranyvalue:": "ForAnyValue:"}
    prefix = prefixes.get(lower_case(quantifier), "")
    return prefix + names[found[0]] + suffix if found else ""
