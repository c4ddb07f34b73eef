"""Search for a request that policies with open conditions allow.

A condition is open if the request decides on its key: a source address, an external ID, MFA, a tag. The values to try
are taken from the conditions. The policy engine decides on each request, so a request that is found is proof. A search
without a result proves that there is none only if it tried a value of each kind that the conditions distinguish.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Final

from dsops.policy import Condition, Statement, lower_case, variable_keys

Values = tuple[str, ...]

_MOST_VALUES: Final = 12
_MOST_TRIES: Final = 400
_FAR: Final = "203.0.113.9"
"""An address of a network for documentation (RFC 5737)."""
_OTHER: Final = "another-value"
_PLAIN: Final[Mapping[str, Values]] = {
    "aws:requestedregion": ("us-east-1",),
    "aws:useragent": ("client",),
    "aws:viaawsservice": ("false",),
    "secretsmanager:versionstage": ("AWSCURRENT",),
    "sts:rolesessionname": ("session",),
}
"""Condition keys that no request lacks -> the value to begin with. Other keys can be absent."""
_EXACT: Final = frozenset({"StringEquals", "StringEqualsIgnoreCase", "Bool", "Null", "NumericEquals"})
"""The operators whose values are told apart by trying each value, one other value, and absence."""


class Search:
    """A search for values of open condition keys."""

    def __init__(
        self, statements: Sequence[Statement], is_open: Callable[[str], bool], known: Mapping[str, Values]
    ) -> None:
        """Take the statements that can decide, the test for open keys, and the known values of all other keys."""
        self.is_complete = True
        """Whether every kind of request was tried. Meaningful after `find`."""
        self._is_open = is_open
        self._known = {lower_case(key): values for key, values in known.items()}
        self._choices: dict[str, dict[Values, None]] = {}
        for statement in statements:
            for condition in statement.conditions:
                self._add_condition(condition)
            if statement.resources is not None:
                self._add_variables(statement.resources.written)

    def find(self, is_allowed: Callable[[dict[str, Values]], bool]) -> dict[str, Values] | None:
        """Return the values of a request that `is_allowed` accepts; None if none was found.

        Keys that the request lacks are left out of the result; `is_allowed` gets them with the value ().
        """
        for tries, values in enumerate(self._requests()):
            if tries == _MOST_TRIES:
                self.is_complete = False
                return None
            if is_allowed(values):
                return {key: texts for key, texts in values.items() if texts}
        return None

    def _add_condition(self, condition: Condition) -> None:
        self._add_variables(condition.values)
        key = lower_case(condition.key)
        if not self._is_open(key):
            return
        choices = self._choices.setdefault(key, {_PLAIN.get(key, ()): None})
        for value in self._values(condition):
            if len(choices) > _MOST_VALUES:
                self.is_complete = False
                break
            choices[value] = None
        if condition.parsed.family not in _EXACT or condition.parsed.quantifier or "$" in "".join(condition.values):
            self.is_complete = False

    def _add_variables(self, texts: Sequence[str]) -> None:
        for key in variable_keys(texts):
            if self._is_open(key):
                self.is_complete = False
                self._choices.setdefault(key, {_PLAIN.get(key, ()): None})[("x",)] = None

    def _requests(self) -> Iterator[dict[str, Values]]:
        """Yield the values of requests, those that differ in few keys from a plain request first."""
        keys = [*self._choices]
        plain = {key: next(iter(choices)) for key, choices in self._choices.items()}
        for count in range(len(keys) + 1):
            for chosen in combinations(keys, count):
                for values in product(*([*self._choices[key]][1:] for key in chosen)):
                    yield {**plain, **dict(zip(chosen, values, strict=True))}

    def _values(self, condition: Condition) -> Iterator[Values]:
        """Yield values that the condition matches, and one that it does not match."""
        family = condition.parsed.family
        texts = [self._concrete(text) for text in condition.values]
        if family == "Null":
            yield ("present",)
        elif family == "Bool":
            yield from (("true",), ("false",))
        elif family == "IpAddress":
            yield from ((_address_in(text),) for text in texts)
            yield (_FAR,)
        elif family.startswith("Numeric"):
            yield from _numbers(texts)
        elif family.startswith("Date"):
            yield from ((text,) for text in ("2000-01-01T00:00:00Z", *texts, "2100-01-01T00:00:00Z"))
        else:
            yield from ((text,) for text in texts)
            if condition.parsed.quantifier:
                yield tuple(texts)
            yield (_OTHER,)

    def _concrete(self, text: str) -> str:
        """Return a text that a pattern matches, with known values for its variables."""
        for key in variable_keys([text]):
            start = lower_case(text).find("${" + key)
            end = text.find("}", start)
            if 0 <= start < end:
                value = self._known.get(key) or ("x",)
                text = text[:start] + value[0] + text[end + 1 :]
        return text.replace("${*}", "*").replace("${?}", "?").replace("*", "x").replace("?", "x")


def _numbers(texts: Iterable[str]) -> Iterator[Values]:
    for text in texts:
        try:
            number = int(text)
        except ValueError:
            yield (text,)
            continue
        yield from ((str(value),) for value in (number - 1, number, number + 1))


def _address_in(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return text
    return str(network[1] if network.num_addresses > 1 else network[0])
