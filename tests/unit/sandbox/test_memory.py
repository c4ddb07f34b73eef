"""Memory use: valid sessions are kept, and all other stored data is bounded."""

from __future__ import annotations

import gc
import tracemalloc

from dsops.sandbox.state.sessions import Session, SessionTable
from tests.sandboxes import ACCOUNT, Keys, Lab

ROLE_ID = "AROAEXAMPLEEXAMPLE123"
HOUR = 3600


def session(number: int, issued_at: int) -> Session:
    """Return a session that lasts an hour."""
    return Session("role", ACCOUNT, ROLE_ID, f"session-{number}", issued_at, issued_at + HOUR)


def test_expired_sessions_are_dropped_and_valid_ones_kept() -> None:
    """All valid sessions are kept; expired sessions are dropped once they outnumber the valid ones."""
    sessions = SessionTable()
    valid = []
    for number in range(100_000):
        now = 1_800_000_000 + number * 50 * HOUR // 100_000
        valid.append((now, sessions.issue(session(number, now)).access_key_id))
        if number % 10_000 == 9_999:
            valid = [(issued_at, key) for issued_at, key in valid if issued_at + HOUR > now]
            assert len(sessions) <= 2 * len(valid) + 1
            assert all(sessions.get(key) is not None for _, key in valid)


def test_a_session_takes_less_than_half_a_kilobyte() -> None:
    """A session takes less than 500 bytes of memory, because its secret and token are computed on demand."""
    sessions = SessionTable()
    count = 20_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            sessions.issue(session(number, 1_800_000_000 + number // 2000))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (after - before) / count < 500
    assert len(sessions) == count


def test_sessions_of_the_same_second_are_distinguished() -> None:
    """Sessions issued in the same second have different keys."""
    sessions = SessionTable()
    keys = [sessions.issue(session(number, 1_800_000_000 + number // 2)).access_key_id for number in range(4)]

    found = [sessions.get(key) for key in keys]

    assert found == [session(number, 1_800_000_000 + number // 2) for number in range(4)]


def test_old_decisions_are_dropped(lab: Lab) -> None:
    """Only the latest thousand decisions are kept."""
    alice = lab.user("alice")
    role = f"arn:aws:iam::{ACCOUNT}:role/team/Jump"
    request = alice.request("sts", "AssumeRole", RoleArn=role, RoleSessionName="s1")
    answers = [lab.sandbox.handle(request) for _ in range(1100)]

    kept = lab.sandbox.judge.decisions
    assert len(kept) == 1000
    assert kept[-1].request_id == answers[-1].request_id


def test_role_changes_take_effect_at_the_next_request(lab: Lab) -> None:
    """Changes to a role take effect at the next request, because no policy is cached."""
    alice, admin = lab.user("alice"), lab.user("admin")
    role = f"arn:aws:iam::{ACCOUNT}:role/Long"
    alice.assume(role)
    nobody = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}}'

    admin.call("iam", "UpdateAssumeRolePolicy", RoleName="Long", PolicyDocument=nobody)
    assert alice.refused_role(role).code == "AccessDenied"

    open_to_all = nobody.replace("Deny", "Allow").replace('"*"', f'{{"AWS": "{ACCOUNT}"}}')
    admin.call("iam", "DeleteRole", RoleName="Long")
    assert alice.refused_role(role).code == "AccessDenied"
    admin.call("iam", "CreateRole", RoleName="Long", AssumeRolePolicyDocument=open_to_all)
    answer = alice.call("sts", "AssumeRole", RoleArn=role, RoleSessionName="s1")

    lab.sandbox.clock.advance(HOUR)
    expired = lab.with_keys(Keys.of(answer["Credentials"])).refused("sts", "GetCallerIdentity")
    assert expired.code == "ExpiredToken"


def test_a_replaced_object_needs_no_garbage_collection(lab: Lab) -> None:
    """The bodies of finished requests are freed without garbage collection.

    After ten PUTs of one megabyte to one key, only the last body is in memory.
    """
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="bucket-of-one-key")
    body = bytes(1_000_000)

    def put() -> None:
        admin.call("s3", "PutObject", Bucket="bucket-of-one-key", Key="key", Body=body)

    put()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(10):
            put()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()

    assert kept < 3_000_000
