"""Coroutines side by side in one thread, with a driver and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.errors import DsopsError, TimedOut, Unreachable
from dsops.tasks import Task, blocking, gather, pause, run, settle, spawn, transfer


class World:
    """A driver whose transfers end at set times on a clock that only waiting moves.

    A request is `(seconds, outcome)`; an outcome that is an exception fails the transfer.
    """

    def __init__(self) -> None:
        self.time = 1000.0
        self.open: list[tuple[float, int, object, object]] = []
        self.most_open = 0
        self.started = 0
        self.cancelled = 0

    def clock(self) -> float:
        """The time; only waiting moves it."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Time passes while nothing is under way."""
        assert not self.open, "slept while bytes could move"
        assert 0 <= seconds <= 1
        self.time += seconds

    def start(self, request: object, token: object) -> None:
        """A transfer that ends at a set time; a DsopsError as the request never begins."""
        if isinstance(request, DsopsError):
            raise request
        assert isinstance(request, tuple)
        seconds, outcome = request
        self.started += 1
        self.open.append((self.time + seconds, self.started, token, outcome))
        self.most_open = max(self.most_open, len(self.open))

    def prepare(self, request: object) -> None:
        """No connection needs to be opened here."""

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Time passes until the next transfer ends."""
        assert self.open, "polled with nothing under way"
        until = min(self.time + timeout_seconds, min(self.open)[0])
        self.time = max(self.time, until)
        done = sorted(each for each in self.open if each[0] <= self.time)
        self.open = [each for each in self.open if each[0] > self.time]
        return [(token, outcome) for _, _, token, outcome in done]

    def cancel(self) -> None:
        """Nothing is under way any more."""
        self.cancelled += 1
        self.open.clear()

    def run(self, work: Any) -> Any:
        """The coroutine's result. Any: whatever the coroutine gives."""
        return run(work, self, sleep=self.sleep, clock=self.clock)


async def fetch(seconds: float, outcome: object) -> object:
    """One transfer that takes so long."""
    return await transfer((seconds, outcome))


async def fail(error: DsopsError, *, after: float = 0.0) -> None:
    """Nothing for a while, then an error."""
    await pause(after)
    raise error


def test_a_coroutine_that_awaits_nothing_gives_its_result() -> None:
    """No transfer, no wait, no time."""

    async def work() -> str:
        return "done"

    world = World()
    assert world.run(work()) == "done"
    assert (world.time, world.started) == (1000.0, 0)


def test_a_transfer_gives_what_the_driver_gives() -> None:
    """The outcome comes back to the one who asked."""
    assert World().run(fetch(0.1, "answer")) == "answer"


def test_a_transfer_raises_the_drivers_error_where_it_is_awaited() -> None:
    """An outcome that is an exception can be caught by the one who asked."""

    async def work() -> str:
        try:
            await transfer((0.1, Unreachable("gone")))
        except Unreachable as error:
            return error.message
        return "nothing happened"

    assert World().run(work()) == "gone"


def test_a_transfer_that_never_began_raises_where_it_is_awaited() -> None:
    """A driver that refuses a request refuses one task, not the run."""

    async def work() -> list[object]:
        return await settle(transfer(Unreachable("bad request")), fetch(0.1, "fine"))

    refused, fine = World().run(work())
    assert isinstance(refused, Unreachable)
    assert fine == "fine"


def test_transfers_go_on_side_by_side() -> None:
    """Three that take a second each take a second together."""

    async def work() -> list[object]:
        return await gather(fetch(1, "a"), fetch(1, "b"), fetch(1, "c"))

    world = World()
    assert world.run(work()) == ["a", "b", "c"]
    assert (world.time, world.most_open) == (1001.0, 3)


def test_results_come_in_the_order_given() -> None:
    """Whichever ends first."""

    async def work() -> list[object]:
        return await gather(fetch(3, "slow"), fetch(1, "quick"), fetch(2, "middling"))

    assert World().run(work()) == ["slow", "quick", "middling"]


def test_settle_puts_an_error_in_its_results_place() -> None:
    """One that fails takes nothing from the others."""

    async def work() -> list[object]:
        return await settle(fetch(1, "a"), fetch(0.5, TimedOut("late")), fetch(2, "c"))

    first, second, third = World().run(work())
    assert (first, third) == ("a", "c")
    assert isinstance(second, TimedOut)


def test_gather_raises_the_first_error_in_order_when_all_are_done() -> None:
    """The order of the list counts, not that of time; the others are not cut off."""
    done: list[str] = []

    async def finish() -> None:
        await pause(5)
        done.append("finished")

    async def work() -> None:
        await gather(finish(), fail(TimedOut("first in order"), after=2), fail(Unreachable("first in time"), after=1))

    with pytest.raises(TimedOut, match="first in order"):
        World().run(work())
    assert done == ["finished"]


def test_settle_of_nothing_is_nothing() -> None:
    """An empty batch needs no wire."""

    async def work() -> list[object]:
        return await settle()

    assert World().run(work()) == []


def test_a_pause_lets_the_others_go_on() -> None:
    """A transfer under way ends during a pause, and the pause takes its time and no more."""
    seen: list[str] = []

    async def waits() -> None:
        await pause(2.5)
        seen.append("paused")

    async def moves() -> None:
        await transfer((1, ""))
        seen.append("moved")

    async def work() -> None:
        await gather(waits(), moves())

    world = World()
    world.run(work())
    assert seen == ["moved", "paused"]
    assert world.time == 1002.5


def test_pauses_end_in_the_order_of_their_length() -> None:
    """Whichever began first."""
    seen: list[float] = []

    async def waits(seconds: float) -> None:
        await pause(seconds)
        seen.append(seconds)

    async def work() -> None:
        await gather(waits(3), waits(1), waits(2), waits(0))

    World().run(work())
    assert seen == [0, 1, 2, 3]


def test_a_long_wait_is_cut_into_pieces() -> None:
    """A transfer of a minute is polled at least each second, so that Ctrl-C is noticed."""

    class Impatient(World):
        polls = 0

        def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
            self.polls += 1
            assert timeout_seconds <= 1
            return super().poll(timeout_seconds)

    world = Impatient()
    assert world.run(fetch(60, "late")) == "late"
    assert world.polls >= 60


def test_a_task_gives_the_same_result_to_everybody() -> None:
    """Single flight: one transfer, three who wait, one who comes when it is over."""

    async def share(task: Task[object]) -> object:
        return await task

    async def work() -> list[object]:
        task = await spawn(fetch(1, "one"))
        early = await gather(share(task), share(task), share(task))
        return [*early, await task]

    world = World()
    assert world.run(work()) == ["one"] * 4
    assert world.started == 1


def test_a_tasks_error_reaches_everybody_who_awaits_it() -> None:
    """Early and late."""

    async def share(task: Task[None]) -> None:
        await task

    async def work() -> list[object]:
        task = await spawn(fail(Unreachable("gone"), after=1))
        early = await settle(share(task), share(task))
        return [*early, *await settle(share(task))]

    outcomes = World().run(work())
    assert [type(outcome) for outcome in outcomes] == [Unreachable] * 3


def test_the_run_ends_when_everything_started_has_ended() -> None:
    """A spawned task that nobody awaits still finishes."""
    done: list[str] = []

    async def background() -> None:
        await transfer((2, ""))
        done.append("background")

    async def work() -> str:
        _ = await spawn(background())
        return "result"

    world = World()
    assert world.run(work()) == "result"
    assert done == ["background"]


def test_an_error_nobody_awaits_does_not_spoil_the_result() -> None:
    """Work that turned out unneeded may have failed."""

    async def work() -> str:
        _ = await spawn(fail(Unreachable("nobody cares"), after=1))
        await pause(2)
        return "result"

    assert World().run(work()) == "result"


def test_an_error_of_the_main_work_ends_everything_at_once() -> None:
    """Transfers are cancelled, and what waits is closed with its `finally`."""
    closed: list[str] = []

    async def background() -> None:
        try:
            await transfer((60, ""))
        finally:
            closed.append("closed")

    async def work() -> None:
        _ = await spawn(background())
        await pause(1)
        raise Unreachable("stop")

    world = World()
    with pytest.raises(Unreachable, match="stop"):
        world.run(work())
    assert (world.cancelled, world.open, closed) == (1, [], ["closed"])
    assert world.time == 1001.0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a bug")])
def test_what_is_no_dsops_error_ends_the_run(error: BaseException) -> None:
    """Ctrl-C and bugs don't become somebody's outcome; transfers are ended all the same."""

    class Interrupted(World):
        def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
            assert timeout_seconds > 0
            raise error

    world = Interrupted()
    with pytest.raises(type(error)):
        world.run(settle(fetch(1, "a"), fetch(1, "b")))
    assert (world.cancelled, world.open) == (1, [])


def test_a_bug_in_one_task_ends_the_run() -> None:
    """A ValueError in a spawned task is not lost."""

    async def broken() -> None:
        await pause(1)
        raise ValueError("a bug")

    async def work() -> None:
        _ = await spawn(broken())
        await transfer((60, ""))

    with pytest.raises(ValueError, match="a bug"):
        World().run(work())


def test_a_blocking_call_waits_until_the_wire_is_quiet() -> None:
    """A person is asked when no transfer is under way; the answer reaches the one who asked."""
    world = World()

    def ask() -> str:
        assert not world.open
        return f"asked at {world.time:g}"

    async def work() -> list[object]:
        return await gather(fetch(3, "bytes"), blocking(ask))

    assert world.run(work()) == ["bytes", "asked at 1003"]


def test_blocking_calls_are_made_one_after_the_other() -> None:
    """In the order in which they were asked for, while pauses run on."""
    world = World()
    made: list[str] = []

    def note(name: str) -> Callable[[], None]:
        return lambda: made.append(name)

    async def work() -> None:
        await gather(blocking(note("a")), pause(1), blocking(note("b")))

    world.run(work())
    assert made == ["a", "b"]


def test_a_blocking_calls_error_is_raised_where_it_is_awaited() -> None:
    """The others go on."""

    def refuse() -> None:
        raise TimedOut("nobody there")

    async def work() -> list[object]:
        return await settle(blocking(refuse), fetch(1, "fine"))

    refused, fine = World().run(work())
    assert isinstance(refused, TimedOut)
    assert fine == "fine"


def test_tasks_that_wait_for_each_other_are_a_bug_that_is_named() -> None:
    """A cycle ends with an error, not with a program that hangs."""
    tasks: list[Task[None]] = []

    async def waits_for(index: int) -> None:
        await pause(0)
        await tasks[index]

    async def work() -> None:
        tasks.append(await spawn(waits_for(1)))
        tasks.append(await spawn(waits_for(0)))
        await tasks[0]

    with pytest.raises(RuntimeError, match="every task waits for another one"):
        World().run(work())


def test_only_effects_of_this_loop_can_be_awaited() -> None:
    """Futures of asyncio don't work here, and the error names what was awaited."""

    class Foreign:
        def __await__(self) -> Generator[object, None, None]:
            yield self

    async def work() -> None:
        await Foreign()

    with pytest.raises(TypeError, match="may not await Foreign"):
        World().run(work())


def test_a_driver_serves_one_run_after_the_other() -> None:
    """Kept connections outlive a run: nothing of the first one is left in the second."""
    world = World()
    assert world.run(fetch(1, "first")) == "first"
    assert world.run(fetch(1, "second")) == "second"
    assert world.cancelled == 2


Tree: TypeAlias = "float | list[Tree]"
"""A float is a transfer of that length, a negative one a pause, a list a gather."""

trees = st.recursive(
    st.floats(min_value=-5, max_value=5, allow_nan=False), lambda inner: st.lists(inner, max_size=4), max_leaves=20
)


def longest(tree: Tree) -> float:
    """How long a tree takes when everything that can go side by side does."""
    return max((longest(each) for each in tree), default=0.0) if isinstance(tree, list) else abs(tree)


async def walk(tree: Tree) -> object:
    """The same tree, after all its transfers and pauses."""
    if isinstance(tree, list):
        return await gather(*(walk(each) for each in tree))
    if tree < 0:
        await pause(-tree)
        return tree
    return await transfer((tree, tree))


@given(trees)
def test_any_tree_of_work_takes_as_long_as_its_longest_part(tree: Tree) -> None:
    """Results keep their places, and nothing waits for what it doesn't need."""
    world = World()
    assert world.run(walk(tree)) == tree
    assert world.time - 1000.0 == pytest.approx(longest(tree))
