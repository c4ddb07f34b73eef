"""The best ways in a graph are the cheapest, and come in the order of their cost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, permutations
from random import Random

import pytest

from dsops.best_first import best_ways

NODES = "abcdef"
Weights = dict[tuple[str, str], int]


def cost_of(way: str, weights: Weights) -> tuple[int, ...]:
    """The sum of the steps' weights, then the number of steps."""
    return sum(weights[step] for step in pairwise(way)), len(way)


def found(weights: Weights) -> list[str]:
    """The ways from `a` that the search yields."""

    def longer(way: str) -> Iterator[str]:
        return (way + to for begin, to in weights if begin == way[-1])

    return [*best_ways(["a"], longer, lambda way: way[-1], lambda way: cost_of(way, weights))]


@pytest.mark.parametrize("seed", range(30))
def test_no_way_is_cheaper(seed: int) -> None:
    """Each node that can be reached has one way, and no simple way costs less."""
    random = Random(seed)  # noqa: S311 - no secret
    weights = {step: random.randrange(4) for step in permutations(NODES, 2) if random.random() < 0.35}
    simple = [
        way
        for count in range(len(NODES))
        for rest in permutations(NODES[1:], count)
        for way in ["a" + "".join(rest)]
        if all(step in weights for step in pairwise(way))
    ]
    best = {end: min(cost_of(way, weights) for way in simple if way[-1] == end) for end in {way[-1] for way in simple}}
    ways = found(weights)

    assert {way[-1]: cost_of(way, weights) for way in ways} == best
    assert len(ways) == len(best)
    assert [cost_of(way, weights) for way in ways] == sorted(best.values())


def test_of_equal_ways_the_first_one_wins() -> None:
    """Equal costs keep the order in which the ways were found."""
    assert found({("a", "c"): 1, ("a", "b"): 1, ("c", "d"): 1, ("b", "d"): 1}) == ["a", "ac", "ab", "acd"]


def test_a_way_that_is_not_wanted_is_not_extended() -> None:
    """The search goes on only when the next way is asked for."""
    asked = []

    def longer(way: str) -> list[str]:
        asked.append(way)
        return [way + "b"]

    ways = best_ways(["a"], longer, len, lambda way: (len(way),))
    assert (next(ways), asked) == ("a", [])
    assert (next(ways), asked) == ("ab", ["a"])
