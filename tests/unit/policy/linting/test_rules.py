"""Each lint rule reports its faulty examples and does not report its correct ones."""

from __future__ import annotations

import pytest

from dsops.policy.linting import RULES, SEVERITIES
from tests.unit.policy.linting.examples import EXAMPLES, Example
from tests.unit.policy.linting.reference import codes

FOUND = [example for example in EXAMPLES if example.is_found]
NOT_FOUND = [example for example in EXAMPLES if not example.is_found]


def _id(example: Example) -> str:
    return f"{example.code}: {example.sentence}"


@pytest.mark.parametrize("example", FOUND, ids=_id)
def test_it_is_found(example: Example) -> None:
    """Each example document with a fault is reported by the rule that the example belongs to."""
    assert example.code in codes(example.document, example.kind)


@pytest.mark.parametrize("example", NOT_FOUND, ids=_id)
def test_it_is_not_found(example: Example) -> None:
    """The rule does not report the example document without the fault."""
    assert example.code not in codes(example.document, example.kind)


def test_every_rule_has_an_example_and_a_counter_example() -> None:
    """Every rule has an example and a counter-example."""
    every = {rule.code for rule in RULES}

    assert every == {example.code for example in FOUND}
    assert every == {example.code for example in NOT_FOUND}


def test_codes_are_stable_names() -> None:
    """Rule codes are unique, dotted and lower-case, and their severities are valid."""
    assert len(RULES) == len({rule.code for rule in RULES})
    assert all(rule.code.count(".") == 1 and rule.code == rule.code.lower() for rule in RULES)
    assert {rule.severity for rule in RULES} == set(SEVERITIES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_says_what_why_how_and_from_where(rule: object) -> None:
    """Every rule has all its texts; `what` and `cure` have no full stop, since they are printed within a line."""
    assert isinstance(rule, tuple)
    assert all(rule)
    _, _, what, why, cure, _ = rule
    assert not what.endswith(".")
    assert not cure.endswith(".")
    assert why.endswith((".", ")"))
