"""The work of an operation grows no faster than its input: executed lines are counted, not time."""

from __future__ import annotations

import pytest

from bench.agent_growth import CASES as OF_AGENT
from bench.growth import CASES, COUNTED_LIMIT, LIMIT, Case, counted, exponent
from tests.groups import one_in


@pytest.mark.parametrize("case", one_in(3, [*CASES, *OF_AGENT], lambda case: case.name))
def test_work_is_linear(case: Case) -> None:
    """For each case, the number of executed lines grows at most linearly with the input."""
    assert counted(case) <= COUNTED_LIMIT


def test_a_quadratic_operation_is_found() -> None:
    """The exponent ignores a constant cost: it is 1 for linear growth and 2 for quadratic growth."""
    sizes = (10, 20, 40)

    assert exponent(sizes, [1000 + size for size in sizes]) == pytest.approx(1)
    assert exponent(sizes, [1000 + size * size for size in sizes]) == pytest.approx(2)


def test_a_hidden_scan_is_counted() -> None:
    """A scan inside a loop is detected by the number of executed lines."""
    scan = Case(
        "scan", lambda size, _: lambda: [any(i == j for j in range(size)) for i in range(size)], (1, 2, 4), (10, 20, 40)
    )

    assert counted(scan) > LIMIT
