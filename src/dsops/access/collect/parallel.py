"""Run the same work on many items, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from dsops.errors import DsopsError
from dsops.tasks import Work, spawn

A = TypeVar("A")
B = TypeVar("B")


async def in_parallel(items: Sequence[A], work: Callable[[A], Work[B]], at_once: int) -> list[B]:
    """Return the results of the work on each item, in order. After an error no further work starts; it is raised."""
    results: dict[int, B] = {}
    waiting = deque(enumerate(items))

    async def worker() -> None:
        while waiting:
            number, item = waiting.popleft()
            try:
                results[number] = await work(item)
            except DsopsError:
                waiting.clear()
                raise

    workers = [await spawn(worker()) for _ in range(min(at_once, len(items)))]
    failures: list[DsopsError] = []
    for each in workers:
        try:
            await each
        except DsopsError as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(items))]
