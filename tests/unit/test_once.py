"""Work that several callers share and that runs once."""

from __future__ import annotations

import pytest

from dsops.errors import DsopsError
from dsops.tasks import AsyncOnce, pause, settle
from tests.loop import Time


def test_the_first_caller_starts_it_and_all_get_its_result() -> None:
    """The first caller starts the work, and all callers get its result."""
    starts = 0

    async def work() -> int:
        nonlocal starts
        starts += 1
        await pause(1)
        return starts

    once = AsyncOnce(work)
    time = Time()
    assert once.peek() is None

    async def everybody() -> list[int | DsopsError]:
        return await settle(*[once.get() for _ in range(5)])

    assert time.run(everybody()) == [1, 1, 1, 1, 1]
    assert once.peek() == 1
    assert time.seconds == pytest.approx(1)


def test_its_error_is_shared_as_one_object() -> None:
    """If the work fails, all callers get the same error object, so that it is reported once."""
    error = DsopsError("no")

    async def work() -> int:
        raise error

    once = AsyncOnce(work)

    async def everybody() -> list[int | DsopsError]:
        return await settle(once.get(), once.get())

    assert all(outcome is error for outcome in Time().run(everybody()))
