"""Search for the best ways in a graph that is discovered as the search goes, such as chains of assumed roles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TypeVar

Way = TypeVar("Way")
Cost = tuple[int, ...]


def best_ways(
    first: Iterable[Way],
    longer: Callable[[Way], Iterable[Way]],
    end: Callable[[Way], Hashable],
    cost: Callable[[Way], Cost],
) -> Iterator[Way]:
    """Yield the best way to each end, in the order of their cost; of equal ways, the one that was found first.

    `longer` returns the ways with one more step, which cost no less. It is called for a way after that was yielded.
    """
    order = count()
    waiting = [(cost(way), next(order), way) for way in first]
    heapify(waiting)
    reached: set[Hashable] = set()
    while waiting:
        way = heappop(waiting)[2]
        if end(way) in reached:
            continue
        reached.add(end(way))
        yield way
        for each in longer(way):
            if end(each) not in reached:
                heappush(waiting, (cost(each), next(order), each))
