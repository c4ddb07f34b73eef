"""The task loop: coroutines in one thread, with a test's driver and clock."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.errors import DsopsError, TimedOut, Unreachable
from dsops.tasks import Task, blocking, gather, pause, run, settle, spawn, transfer


class World:
    """A driver whose transfers end at set times, on a clock that moves only while the loop waits.

    A request is `(seconds, outcome)`; an exception as outcome fails the transfer.
    """

    def __init__(self) -> None:
        self.time = 1000.0
        self.open: list[tuple[float, int, object, object]] = []
        self.most_open = 0
        self.started = 0
        self.cancelled = 0

    def clock(self) -> float:
        """Return the time of the fake clock."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass while no transfer is open."""
        assert not self.open, "slept while bytes could move"
        assert 0 <= seconds <= 1
        self.time += seconds

    def start(self, request: object, token: object) -> None:
        """Start a transfer; a DsopsError as request is raised at once."""
        if isinstance(request, DsopsError):
            raise request
        assert isinstance(request, tuple)
        seconds, outcome = request
        self.started += 1
        self.open.append((self.time + seconds, self.started, token, outcome))
        self.most_open = max(self.most_open, len(self.open))

    def prepare(self, request: object) -> None:
        """Do nothing: there are no connections."""

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Let time pass until the next transfer ends."""
        assert self.open, "polled with nothing under way"
        until = min(self.time + timeout_seconds, min(self.open)[0])
        self.time = max(self.time, until)
        done = sorted(entry for entry in self.open if entry[0] <= self.time)
        self.open = [entry for entry in self.open if entry[0] > self.time]
        return [(token, outcome) for _, _, token, outcome in done]

    def cancel(self) -> None:
        """Drop all transfers."""
        self.cancelled += 1
        self.open.clear()

    def run(self, work: Any) -> Any:
        """Return the coroutine's result. Any: its type is the coroutine's."""
        return run(work, self, sleep=self.sleep, clock=self.clock)


async def fetch(seconds: float, outcome: object) -> object:
    """Return the outcome of a transfer with this duration."""
    return await transfer((seconds, outcome))


async def fail(error: DsopsError, *, after: float = 0.0) -> None:
    """Pause, then raise the error."""
    await pause(after)
    raise error


def test_a_coroutine_that_awaits_nothing_gives_its_result() -> None:
    """A coroutine that awaits nothing gives its result at once, without a transfer."""

    async def work() -> str:
        return "done"

    world = World()
    assert world.run(work()) == "done"
    assert (world.time, world.started) == (1000.0, 0)


def test_a_transfer_gives_what_the_driver_gives() -> None:
    """A transfer returns the driver's outcome to its caller."""
    assert World().run(fetch(0.1, "answer")) == "answer"


def test_a_transfer_raises_the_drivers_error_where_it_is_awaited() -> None:
    """If the outcome of a transfer is an exception, it is raised in the awaiting coroutine."""

    async def work() -> str:
        try:
            await transfer((0.1, Unreachable("gone")))
        except Unreachable as error:
            return error.message
        return "nothing happened"

    assert World().run(work()) == "gone"


def test_a_transfer_that_never_began_raises_where_it_is_awaited() -> None:
    """A request that the driver refuses fails only its own task."""

    async def work() -> list[object]:
        return await settle(transfer(Unreachable("bad request")), fetch(0.1, "fine"))

    refused, fine = World().run(work())
    assert isinstance(refused, Unreachable)
    assert fine == "fine"


def test_transfers_go_on_side_by_side() -> None:
    """Three transfers of one second each run concurrently and take one second together."""

    async def work() -> list[object]:
        return await gather(fetch(1, "a"), fetch(1, "b"), fetch(1, "c"))

    world = World()
    assert world.run(work()) == ["a", "b", "c"]
    assert (world.time, world.most_open) == (1001.0, 3)


def test_results_come_in_the_order_given() -> None:
    """`gather` returns results in the order of its arguments, not of completion."""

    async def work() -> list[object]:
        return await gather(fetch(3, "slow"), fetch(1, "quick"), fetch(2, "middling"))

    assert World().run(work()) == ["slow", "quick", "middling"]


def test_settle_puts_an_error_in_its_results_place() -> None:
    """`settle` returns a failed coroutine's error in the place of its result."""

    async def work() -> list[object]:
        return await settle(fetch(1, "a"), fetch(0.5, TimedOut("late")), fetch(2, "c"))

    first, second, third = World().run(work())
    assert (first, third) == ("a", "c")
    assert isinstance(second, TimedOut)


def test_gather_raises_the_first_error_in_order_when_all_are_done() -> None:
    """After all coroutines have ended, `gather` raises the first error in the order of its arguments."""
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
    """`settle` without coroutines returns an empty list at once."""

    async def work() -> list[object]:
        return await settle()

    assert World().run(work()) == []


def test_a_pause_lets_the_others_go_on() -> None:
    """Transfers continue while a coroutine pauses, and the pause takes exactly its time."""
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
    """Concurrent pauses end in the order of their length."""
    seen: list[float] = []

    async def waits(seconds: float) -> None:
        await pause(seconds)
        seen.append(seconds)

    async def work() -> None:
        await gather(waits(3), waits(1), waits(2), waits(0))

    World().run(work())
    assert seen == [0, 1, 2, 3]


def test_a_long_wait_is_cut_into_pieces() -> None:
    """During a long wait the loop polls at least every second, so that Ctrl-C is noticed."""

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
    """A task gives the same result to every coroutine that awaits it, before or after the task has ended.

    The task makes only one transfer.
    """

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
    """A task's error reaches every coroutine that awaits it, before or after the task has ended."""

    async def share(task: Task[None]) -> None:
        await task

    async def work() -> list[object]:
        task = await spawn(fail(Unreachable("gone"), after=1))
        early = await settle(share(task), share(task))
        return [*early, *await settle(share(task))]

    outcomes = World().run(work())
    assert [type(outcome) for outcome in outcomes] == [Unreachable] * 3


def test_the_run_ends_when_everything_started_has_ended() -> None:
    """The run ends only when every spawned task has ended."""
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


def test_an_error_that_is_not_awaited_does_not_spoil_the_result() -> None:
    """If no coroutine awaits a task, the task's error does not affect the result of the run."""

    async def work() -> str:
        _ = await spawn(fail(Unreachable("nobody cares"), after=1))
        await pause(2)
        return "result"

    assert World().run(work()) == "result"


def test_an_error_of_the_main_work_ends_everything_at_once() -> None:
    """An error of the main coroutine cancels transfers and closes waiting tasks, which run their `finally`."""
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
    """KeyboardInterrupt and bugs end the run instead of becoming a result; transfers are cancelled."""

    class Interrupted(World):
        def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
            assert timeout_seconds > 0
            raise error

    world = Interrupted()
    with pytest.raises(type(error)):
        world.run(settle(fetch(1, "a"), fetch(1, "b")))
    assert (world.cancelled, world.open) == (1, [])


def test_a_bug_in_one_task_ends_the_run() -> None:
    """A bug in a spawned task ends the run."""

    async def broken() -> None:
        await pause(1)
        raise ValueError("a bug")

    async def work() -> None:
        _ = await spawn(broken())
        await transfer((60, ""))

    with pytest.raises(ValueError, match="a bug"):
        World().run(work())


def test_a_blocking_call_waits_until_the_wire_is_quiet() -> None:
    """A blocking call (a prompt) starts when no transfer is open; its caller gets the result."""
    world = World()

    def ask() -> str:
        assert not world.open
        return f"asked at {world.time:g}"

    async def work() -> list[object]:
        return await gather(fetch(3, "bytes"), blocking(ask))

    assert world.run(work()) == ["bytes", "asked at 1003"]


def test_blocking_calls_are_made_one_after_the_other() -> None:
    """Blocking calls run one after the other, in order, while pauses of other coroutines continue."""
    world = World()
    made: list[str] = []

    def note(name: str) -> Callable[[], None]:
        return lambda: made.append(name)

    async def work() -> None:
        await gather(blocking(note("a")), pause(1), blocking(note("b")))

    world.run(work())
    assert made == ["a", "b"]


def test_a_blocking_calls_error_is_raised_where_it_is_awaited() -> None:
    """The error of a blocking call is raised only in the coroutine that awaits it."""

    def refuse() -> None:
        raise TimedOut("nobody there")

    async def work() -> list[object]:
        return await settle(blocking(refuse), fetch(1, "fine"))

    refused, fine = World().run(work())
    assert isinstance(refused, TimedOut)
    assert fine == "fine"


def test_tasks_that_wait_for_each_other_are_a_bug_that_is_named() -> None:
    """If tasks wait for each other, the loop raises an error that names the bug instead of hanging."""
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
    """Awaiting a foreign object, such as an asyncio future, is a TypeError that names it."""

    class Foreign:
        def __await__(self) -> Generator[object, None, None]:
            yield self

    async def work() -> None:
        await Foreign()

    with pytest.raises(TypeError, match="may not await Foreign"):
        World().run(work())


def test_a_driver_serves_one_run_after_the_other() -> None:
    """One driver can be used for several runs, and nothing of the first run remains in the second."""
    world = World()
    assert world.run(fetch(1, "first")) == "first"
    assert world.run(fetch(1, "second")) == "second"
    assert world.cancelled == 2


Tree: TypeAlias = "float | list[Tree]"
"""A float is a transfer of that length, a negative float a pause, a list a gather."""

trees = st.recursive(
    st.floats(min_value=-5, max_value=5, allow_nan=False), lambda inner: st.lists(inner, max_size=4), max_leaves=20
)


def longest(tree: Tree) -> float:
    """Return the tree's duration if all its parts run concurrently."""
    return max((longest(entry) for entry in tree), default=0.0) if isinstance(tree, list) else abs(tree)


async def walk(tree: Tree) -> object:
    """Run a tree of transfers and pauses; return it unchanged."""
    if isinstance(tree, list):
        return await gather(*(walk(entry) for entry in tree))
    if tree < 0:
        await pause(-tree)
        return tree
    return await transfer((tree, tree))


@given(trees)
def test_any_tree_of_work_takes_as_long_as_its_longest_part(tree: Tree) -> None:
    """Any tree of tasks takes as long as its longest part, and each result is in its own place."""
    world = World()
    assert world.run(walk(tree)) == tree
    assert world.time - 1000.0 == pytest.approx(longest(tree))
