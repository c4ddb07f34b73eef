"""The session cache: concurrent requests, renewal, and forgetting."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dsops.cache import HAND_ON, SIGN, CredentialCache, LifetimeNeed, Memory, Obtained
from dsops.credentials import Credentials, SandboxRun
from dsops.errors import DsopsError, MfaRequired, StsRefused, TooLittleTimeLeft
from dsops.secret import Secret
from dsops.tasks import blocking, pause, run, settle, spawn
from tests.children import SECONDS
from tests.loop import NoWire, Time

if TYPE_CHECKING:
    from tests.fakes import FixedClock


class Issuer:
    """Issues numbered sessions with this lifetime, fails if the test says so, and counts its calls."""

    def __init__(self, clock: FixedClock, *, lifetime: float = 3600, takes: float = 0.0) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.takes = takes
        self.calls: list[bool] = []
        self.failures: list[DsopsError] = []

    async def __call__(self, may_ask: bool) -> Credentials:  # noqa: FBT001 (the cache's own call)
        """Return the next session."""
        self.calls.append(may_ask)
        number = len(self.calls)
        if self.takes:
            await pause(self.takes)
        if self.failures:
            raise self.failures.pop(0)
        now = self.clock()
        end = now + timedelta(seconds=self.lifetime)
        return Credentials(f"ASIA{number:016}", Secret("s"), Secret("t"), end, issued_at=now)


@pytest.fixture
def time() -> Time:
    """Return a fake time for the task loop."""
    return Time()


@pytest.fixture
def cache(clock: FixedClock) -> CredentialCache:
    """An empty cache."""
    return CredentialCache(clock)


def obtained(time: Time, cache: CredentialCache, issuer: Issuer, need: LifetimeNeed = SIGN) -> Obtained:
    """Return the result for a caller that needs this lifetime."""
    return time.run(cache.obtain("f", issuer, need))


def test_a_session_is_issued_once_and_then_served(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """The second caller gets the session that was issued for the first caller, marked as cached."""
    issuer = Issuer(clock)
    first = obtained(time, cache, issuer)
    second = obtained(time, cache, issuer)
    assert first.credentials is second.credentials
    assert (first.is_cached, second.is_cached) == (False, True)
    assert issuer.calls == [True]


def test_another_fingerprint_is_another_session(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """A cached session is never returned for another fingerprint."""
    issuer = Issuer(clock)
    first = time.run(cache.obtain("one", issuer))
    second = time.run(cache.obtain("two", issuer))
    assert first.credentials is not second.credentials


def test_many_at_once_make_one_call(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """Twenty concurrent callers share one issued session, however long the issuing takes."""
    issuer = Issuer(clock, takes=0.3)

    async def all_at_once() -> list[Obtained | DsopsError]:
        return await settle(*[cache.obtain("f", issuer) for _ in range(20)])

    outcomes = time.run(all_at_once())
    assert len(issuer.calls) == 1
    assert len({id(outcome.credentials) for outcome in outcomes if isinstance(outcome, Obtained)}) == 1


def test_failure_is_not_shared(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """If issuing fails for one caller, the next caller issues the session, which the other callers then use."""
    issuer = Issuer(clock, takes=0.1)
    issuer.failures = [MfaRequired("nobody to ask")]

    async def three() -> list[Obtained | DsopsError]:
        return await settle(*[cache.obtain("f", issuer) for _ in range(3)])

    outcomes = time.run(three())
    assert sum(isinstance(outcome, MfaRequired) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Obtained) for outcome in outcomes) == 2
    assert len(issuer.calls) == 2


def test_one_who_is_killed_inside_leaves_the_door_open(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """A caller that is interrupted while it issues a session (Ctrl-C, disconnect) does not block other callers."""

    async def interrupted() -> None:
        unwatched = await spawn(cache.obtain("f", Issuer(clock, takes=60)))
        assert not unwatched.is_done
        await pause(0.1)

        def ctrl_c() -> None:
            raise KeyboardInterrupt

        await blocking(ctrl_c)

    with pytest.raises(KeyboardInterrupt):
        time.run(interrupted())
    assert not obtained(time, cache, Issuer(clock)).is_cached


@pytest.mark.parametrize(
    ("lifetime", "left", "need", "is_renewed"),
    [
        (3600, 60, SIGN, False),
        (3600, 59, SIGN, True),
        (3600, 900, HAND_ON, False),
        (3600, 899, HAND_ON, True),
        (900, 225, HAND_ON, False),
        (900, 224, HAND_ON, True),
        (3600, 1200, LifetimeNeed(min_ttl_seconds=1201), True),
        (3600, 1200, LifetimeNeed(min_ttl_seconds=1200), False),
        (3600, 100, LifetimeNeed(is_handed_on=True, min_ttl_seconds=90), False),
    ],
)
def test_renewal_is_tried_when_too_little_is_left(
    time: Time,
    cache: CredentialCache,
    clock: FixedClock,
    lifetime: int,
    left: int,
    need: LifetimeNeed,
    *,
    is_renewed: bool,
) -> None:
    """A session for signing is renewed with under 60 s left.

    A session for a child is renewed with under 15 min or a quarter of its life left. A minimum that the user sets
    takes precedence over both limits.
    """
    issuer = Issuer(clock, lifetime=lifetime)
    obtained(time, cache, issuer)
    clock.advance(lifetime - left)
    assert obtained(time, cache, issuer, need).is_cached is not is_renewed
    assert len(issuer.calls) == 1 + is_renewed


def test_a_valid_session_serves_when_renewal_fails(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """If renewal fails, the cached session is used while it is valid, and the user is not asked for an MFA code."""
    issuer = Issuer(clock)
    first = obtained(time, cache, issuer)
    clock.advance(3600 - 300)
    issuer.failures = [StsRefused("down")]
    second = obtained(time, cache, issuer, HAND_ON)
    assert second.credentials is first.credentials
    assert issuer.calls == [True, False]


def test_a_session_that_ends_during_a_failing_renewal_does_not_serve(
    time: Time, cache: CredentialCache, clock: FixedClock
) -> None:
    """A session that expires during a failing renewal is not used; the renewal's error is raised."""
    obtained(time, cache, Issuer(clock))
    clock.advance(3600 - 70)

    async def slow_failure(may_ask: bool) -> Credentials:  # noqa: FBT001
        assert not may_ask
        clock.advance(20)
        raise StsRefused("down")

    with pytest.raises(StsRefused):
        time.run(cache.obtain("f", slow_failure, HAND_ON))


def test_min_ttl_is_never_undercut(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """A cached session with less time left than --min-ttl is not used, even if renewal requires a prompt."""
    issuer = Issuer(clock)
    obtained(time, cache, issuer)
    clock.advance(1800)
    issuer.failures = [StsRefused("down")]
    with pytest.raises(StsRefused):
        obtained(time, cache, issuer, LifetimeNeed(min_ttl_seconds=2000))
    assert issuer.calls == [True, True]


def test_min_ttl_beyond_the_lifetime_is_an_error(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """If a new session is shorter than --min-ttl, the error has both durations."""
    with pytest.raises(TooLittleTimeLeft, match=r"last 3600 s, but at least 7200 s"):
        obtained(time, cache, Issuer(clock), LifetimeNeed(min_ttl_seconds=7200))


def test_evicted_credentials_are_issued_again(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """A session that AWS rejected is evicted and issued again; evicting an older session keeps a newer one."""
    issuer = Issuer(clock)
    old = obtained(time, cache, issuer).credentials
    cache.evict("f", old)
    new = obtained(time, cache, issuer)
    assert not new.is_cached
    cache.evict("f", old)
    assert cache.peek("f") is new.credentials


def test_expired_sessions_are_dropped(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """Expired sessions are removed from memory."""
    time.run(cache.obtain("old", Issuer(clock)))
    clock.advance(3600)
    time.run(cache.obtain("new", Issuer(clock)))
    assert list(cache._held) == ["new"]


def test_clear_forgets_what_is_being_issued_too(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """A session that is being issued during `clear` is returned to the caller that waits for it, but not cached."""
    issuer = Issuer(clock, takes=1)

    async def clear_meanwhile() -> Obtained:
        issuing = await spawn(cache.obtain("f", issuer))
        await pause(0.5)
        cache.clear()
        return await issuing

    assert time.run(clear_meanwhile()).credentials.access_key_id == "ASIA0000000000000001"
    assert cache.held() == []
    assert not obtained(time, cache, issuer).is_cached
    assert len(cache.held()) == 1


def test_clear_forgets_values_that_are_being_read_too(cache: CredentialCache) -> None:
    """A value that is being read during `clear` is not cached."""
    era = cache.values.era
    cache.values.keep("before", Secret("s"), 60, era)
    cache.clear()
    cache.values.keep("meanwhile", Secret("s"), 60, era)
    cache.values.keep("after", Secret("s"), 60, cache.values.era)
    assert [cache.values.get(key) for key in ("before", "meanwhile", "after")] == [None, None, Secret("s")]


def test_clear_forgets_every_session(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """After `clear` the next caller gets a newly issued session."""
    obtained(time, cache, Issuer(clock))
    cache.clear()
    assert cache.peek("f") is None


def test_forget_takes_what_is_meant_and_no_other(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """`forget` removes the selected sessions and all values, because the session of a cached value is unknown."""
    for fingerprint in ("f", "g"):
        time.run(cache.obtain(fingerprint, Issuer(clock)))
    revoked = cache.peek("f")
    cache.values.keep("value", Secret("s"), 60, cache.values.era)

    assert 1 == cache.forget(lambda held: held is revoked)
    assert (True, False) == (cache.peek("f") is None, cache.peek("g") is None)
    assert cache.values.get("value") is None


def test_two_threads_share_one_issue(cache: CredentialCache, clock: FixedClock) -> None:
    """Event loops in two threads share one issued session per fingerprint."""
    from threading import Barrier, Thread

    issuer = Issuer(clock, takes=0.05)
    together = Barrier(2)
    outcomes: list[Obtained] = []

    def work() -> None:
        together.wait(SECONDS)
        outcomes.append(run(cache.obtain("f", issuer), NoWire()))

    threads = [Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(issuer.calls) == 1
    assert outcomes[0].credentials is outcomes[1].credentials


@pytest.fixture
def memory(clock: FixedClock) -> Memory:
    """Return an empty memory."""
    return Memory(clock)


def test_what_was_learnt_is_believed_for_an_hour(memory: Memory, clock: FixedClock) -> None:
    """A learned fact, such as a missing permission, expires after an hour, so that dsops notices a change."""
    memory.learn("session", "batch-denied")
    assert memory.knows("session", "batch-denied")
    assert not memory.knows("other", "batch-denied")
    clock.advance(3600)
    assert not memory.knows("session", "batch-denied")


def test_a_code_is_taken_once_a_device(memory: Memory) -> None:
    """Each MFA code is accepted once per device; the next code and other devices are not affected."""
    assert memory.take_code("mfa/ada", Secret("012345"))
    assert not memory.take_code("mfa/ada", Secret("012345"))
    assert memory.take_code("mfa/bob", Secret("012345"))
    assert memory.take_code("mfa/ada", Secret("543210"))


def test_a_gate_lets_one_in_at_a_time(time: Time, memory: Memory) -> None:
    """A gate admits one caller at a time; different gates are independent."""
    inside: list[str] = []

    async def visit(name: str, gate: str) -> None:
        await memory.gates.enter(gate)
        try:
            inside.append(f"+{name}")
            await pause(1)
            inside.append(f"-{name}")
        finally:
            memory.gates.leave(gate)

    async def three() -> None:
        await settle(visit("a", "g"), visit("b", "g"), visit("c", "h"))

    time.run(three())
    assert inside == ["+a", "+c", "-a", "-c", "+b", "-b"]
    assert 2 <= time.seconds < 2.2


def held_by(cache: CredentialCache) -> list[str]:
    """Return the key ids of the sessions that the cache holds, also of those that have ended."""
    return [session.access_key_id for session in cache._held.values()]


def issue_one(
    time: Time, cache: CredentialCache, name: str, session: Credentials, need: LifetimeNeed = HAND_ON
) -> None:
    """Let the cache obtain this session under the fingerprint `name`."""

    async def issue(_may_ask: bool) -> Credentials:  # noqa: FBT001 (the cache's own call)
        return session

    time.run(cache.obtain(name, issue, need))


def lasting(clock: FixedClock, key_id: str, seconds: float, sandbox: SandboxRun | None = None) -> Credentials:
    """Return a session that ends in so many seconds."""
    now = clock()
    return Credentials(
        key_id, Secret("s"), Secret("t"), now + timedelta(seconds=seconds), issued_at=now, sandbox=sandbox
    )


def test_ended_sessions_leave_the_memory(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """A new session removes those that have ended, however they were issued, and no other."""
    issue_one(time, cache, "short", lasting(clock, "SHORT", 100))
    issue_one(time, cache, "renewed", lasting(clock, "OLD", 100))
    issue_one(time, cache, "long", lasting(clock, "LONG", 4000))
    cache.keep("keys", Credentials("KEYS", Secret("s")))
    clock.advance(40)
    issue_one(time, cache, "renewed", lasting(clock, "RENEWED", 4000), LifetimeNeed(min_ttl_seconds=500))
    assert held_by(cache) == ["SHORT", "RENEWED", "LONG", "KEYS"], "at exactly 60 seconds it is usable"
    clock.advance(1)

    issue_one(time, cache, "new", lasting(clock, "NEW", 4000))

    assert held_by(cache) == ["RENEWED", "LONG", "KEYS", "NEW"]


def test_the_end_of_a_dropped_session_is_no_secret_and_no_leak(
    time: Time, cache: CredentialCache, clock: FixedClock
) -> None:
    """However often a session is renewed or dropped, only a few of its ends stay in memory, and no key."""
    for number in range(1000):
        issue_one(time, cache, "f", lasting(clock, f"ASIA{number}", 4000 + number))
        cache.clear()
    assert len(cache._ends._heap) <= 70
    assert all(key == "f" for _, _, key in cache._ends._heap)


def test_sandboxes_are_known_while_they_have_sessions(time: Time, cache: CredentialCache, clock: FixedClock) -> None:
    """The cache names a sandbox as long as it holds one of its sessions, also after a renewal elsewhere."""
    one, two = SandboxRun("http://127.0.0.1:1", "one"), SandboxRun("http://127.0.0.1:2", "two")
    issue_one(time, cache, "a", lasting(clock, "A", 1000, one))
    issue_one(time, cache, "b", lasting(clock, "B", 1000, two))
    assert cache.sandbox_runs() == {one, two}

    clock.advance(900)
    issue_one(time, cache, "a", lasting(clock, "A2", 1000, two))
    assert cache.sandbox_runs() == {two}
    assert cache.forget(lambda session: session.access_key_id == "B") == 1
    assert cache.sandbox_runs() == {two}
    cache.clear()
    assert cache.sandbox_runs() == set()
