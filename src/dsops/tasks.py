"""Concurrent work in one thread: coroutines on an event loop, with a `Driver` that transfers the bytes.

The `async def` functions of dsops await only functions of this module (`transfer`, `prepare`, `pause`, `settle`,
`gather`, `spawn`, `blocking`), directly or through each other. asyncio is not used, because importing it takes longer
than all Python code of a cold run. `aws/http/transport.py` has a driver that uses a CurlMulti.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from heapq import heappop, heappush
from time import monotonic
from time import sleep as system_sleep

from dsops.errors import DsopsError
from dsops.startup import Any, Generic, Protocol, TypeVar, cast

T = TypeVar("T")
# The loop runs tasks with results of different types, so it can't type them more precisely than `Any`.
Work = Coroutine[Any, Any, T]

_POLL_SECONDS = 1.0
"""The longest uninterrupted wait. Ctrl-C is noticed after at most this time, even if a driver swallows the signal."""


class Driver(Protocol):
    """Protocol: transfers the bytes of many requests at once."""

    def start(self, request: object, token: object) -> None:
        """Start a transfer, which `poll` will return with this token. Raises DsopsError if the transfer can't begin."""

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Wait until a transfer ends, then return (token, outcome) of all transfers that have ended.

        An outcome may be an exception. The list is empty if the timeout expires first.
        """

    def prepare(self, request: object) -> None:
        """Open a connection that a later request to the same server may use. Returns no result."""

    def cancel(self) -> None:
        """Abort and forget all transfers."""


class Task(Generic[T]):
    """A coroutine that runs concurrently. Every await of the task returns its result or raises its error.

    If a task is never awaited, its error is ignored, because work that was started early may turn out to be unneeded.
    """

    __slots__ = ("error", "is_done", "result", "waiting", "work")

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.is_done = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self.waiting: list[Task[Any]] = []

    def __await__(self) -> Generator[Any, Any, T]:
        if not self.is_done:
            yield _Join(self)
        if self.error is not None:
            raise self.error
        return cast("T", self.result)


class _Effect:
    """A request that a coroutine sends to the loop. Its `await` returns the loop's response."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


class _Transfer(_Effect):
    __slots__ = ("request",)

    def __init__(self, request: object) -> None:
        self.request = request


class _Preparation(_Effect):
    __slots__ = ("request",)

    def __init__(self, request: object) -> None:
        self.request = request


class _Pause(_Effect):
    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class _Blocking(_Effect):
    __slots__ = ("work",)

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work


class _Spawn(_Effect):
    __slots__ = ("work",)

    def __init__(self, work: Work[Any]) -> None:
        self.work = work


class _Join(_Effect):
    __slots__ = ("task",)

    def __init__(self, task: Task[Any]) -> None:
        self.task = task


async def transfer(request: object) -> object:
    """Send the request; return the driver's outcome, or raise the outcome if it is an exception."""
    return await _Transfer(request)


async def prepare(request: object) -> None:
    """Ask the driver to open a connection for a later request to the same server; do not wait for the connection."""
    await _Preparation(request)


async def pause(seconds: float) -> None:
    """Let other tasks run for that many seconds."""
    await _Pause(seconds)


async def blocking(work: Callable[[], T]) -> T:
    """Run a call that blocks the whole loop, such as a prompt or a wait for a process; return its result.

    The call runs when no transfer is in progress, because a transfer would time out while the user types.
    """
    return cast("T", await _Blocking(work))


async def spawn(work: Work[T]) -> Task[T]:
    """Start a task that runs concurrently. Every `await` of the task returns its result."""
    return cast("Task[T]", await _Spawn(work))


async def settle(*works: Work[T]) -> list[T | DsopsError]:
    """Run the coroutines concurrently; return their results in order. A coroutine that fails returns its DsopsError."""
    tasks = [await spawn(work) for work in works]
    outcomes: list[T | DsopsError] = []
    for task in tasks:
        try:
            outcomes.append(await task)
        except DsopsError as error:
            outcomes.append(error)
    return outcomes


async def gather(*works: Work[T]) -> list[T]:
    """Run the coroutines concurrently; return their results in order. Once all have ended, raise the first error."""
    results: list[T] = []
    for outcome in await settle(*works):
        if isinstance(outcome, DsopsError):
            raise outcome
        results.append(outcome)
    return results


class AsyncOnce(Generic[T]):
    """Work that starts at the first `get`. All callers share its result or error."""

    def __init__(self, work: Callable[[], Work[T]]) -> None:
        self._work = work
        self._task: Task[T] | None = None
        self._is_started = False

    async def get(self) -> T:
        """Return the result; start the work if needed."""
        if not self._is_started:
            self._is_started = True
            self._task = await spawn(self._work())
        while self._task is None:
            # Another task is just starting the work, which takes one iteration of the loop.
            await pause(0)
        return await self._task

    def peek(self) -> T | None:
        """Return the result if the work is done, otherwise None."""
        return None if self._task is None else self._task.result


def run(
    work: Work[T],
    driver: Driver,
    *,
    sleep: Callable[[float], None] = system_sleep,
    clock: Callable[[], float] = monotonic,
    outside: Callable[[Callable[[], object]], object] = lambda work: work(),
) -> T:
    """Run the coroutine and all tasks that it starts; return its result.

    An error or Ctrl-C aborts all transfers. `sleep` and `clock` belong together: a test with a fake clock passes both.
    `outside` runs the calls that are passed to `blocking`.
    """
    return _Loop(driver, sleep, clock, outside).run(work)


class _Loop:
    """The state of one `run`: tasks that are ready, timers, and calls that wait until no transfer is in progress."""

    def __init__(
        self,
        driver: Driver,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        outside: Callable[[Callable[[], object]], object],
    ) -> None:
        self._outside = outside
        self._driver = driver
        self._sleep = sleep
        self._clock = clock
        self._ready: deque[tuple[Task[Any], object, BaseException | None]] = deque()
        self._timers: list[tuple[float, int, Task[Any]]] = []
        self._timer_count = 0
        self._blocked: deque[tuple[Task[Any], Callable[[], object]]] = deque()
        self._in_flight = 0
        self._tasks: dict[int, Task[Any]] = {}

    def run(self, work: Work[T]) -> T:
        root = self._begin(work)
        try:
            while self._tasks and root.error is None:
                self._resume_next()
        finally:
            self._driver.cancel()
            for task in list(self._tasks.values()):
                task.work.close()
        if root.error is not None:
            raise root.error
        return cast("T", root.result)

    def _begin(self, work: Work[T]) -> Task[T]:
        task = Task(work)
        self._tasks[id(task)] = task
        self._ready.append((task, None, None))
        return task

    def _resume_next(self) -> None:
        """Resume one ready task; if no task is ready, wait for the next event."""
        if self._ready:
            self._step(*self._ready.popleft())
            return
        if self._blocked and not self._in_flight:
            task, work = self._blocked.popleft()
            try:
                self._ready.append((task, self._outside(work), None))
            except DsopsError as error:
                self._ready.append((task, None, error))
            return
        wait = _POLL_SECONDS
        if self._timers:
            wait = max(0.0, min(wait, self._timers[0][0] - self._clock()))
        if self._in_flight:
            for token, outcome in self._driver.poll(wait):
                self._in_flight -= 1
                failed = isinstance(outcome, BaseException)
                self._ready.append(
                    (
                        cast("Task[Any]", token),
                        None if failed else outcome,
                        cast("BaseException", outcome) if failed else None,
                    )
                )
        elif self._timers:
            self._sleep(wait)
        else:
            raise RuntimeError("every task waits for another one")
        while self._timers and self._timers[0][0] <= self._clock():
            self._ready.append((heappop(self._timers)[2], None, None))

    def _step(self, task: Task[Any], value: object, error: BaseException | None) -> None:
        """Resume one task until its next effect."""
        try:
            effect = task.work.throw(error) if error is not None else task.work.send(value)
        except StopIteration as stop:
            self._finish(task, stop.value, None)
        except DsopsError as failure:
            self._finish(task, None, failure)
        else:
            self._serve(task, effect)

    def _serve(self, task: Task[Any], effect: _Effect) -> None:
        if isinstance(effect, _Transfer):
            try:
                self._driver.start(effect.request, task)
            except DsopsError as error:
                self._ready.append((task, None, error))
            else:
                self._in_flight += 1
        elif isinstance(effect, _Preparation):
            self._driver.prepare(effect.request)
            self._ready.append((task, None, None))
        elif isinstance(effect, _Spawn):
            self._ready.append((task, self._begin(effect.work), None))
        elif isinstance(effect, _Join):
            if effect.task.is_done:
                self._ready.append((task, None, None))
            else:
                effect.task.waiting.append(task)
        elif isinstance(effect, _Pause):
            self._timer_count += 1
            heappush(self._timers, (self._clock() + effect.seconds, self._timer_count, task))
        elif isinstance(effect, _Blocking):
            self._blocked.append((task, effect.work))
        else:
            raise TypeError(f"a dsops coroutine may not await {type(effect).__name__}")

    def _finish(self, task: Task[Any], result: object, error: BaseException | None) -> None:
        task.result, task.error, task.is_done = result, error, True
        del self._tasks[id(task)]
        for waiter in task.waiting:
            self._ready.append((waiter, None, None))
        task.waiting.clear()
