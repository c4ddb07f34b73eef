"""Which workload a caller belongs to: its peer and its token must match."""

from __future__ import annotations

from datetime import datetime

import pytest

from dsops.errors import Where
from dsops.node.peer import Peer
from dsops.node.processes import PeerProcess
from dsops.node.workloads import PeerRule, SecretRule, TokenCheck, TokenSubject, Workload, Workloads
from dsops.secret import Secret
from tests.fakes import NOON

WEB = PeerProcess(7, 33, 33, "/system.slice/web.service", "web.service")


def peer(*processes: PeerProcess, uid: int = 33) -> Peer:
    """A peer whose connection these processes hold."""
    return Peer(uid, lambda: processes)


def failing() -> tuple[PeerProcess, ...]:
    """A process that can't be examined."""
    raise PermissionError


@pytest.mark.parametrize(
    ("rule", "is_admitted"),
    [
        (PeerRule(uid=33), True),
        (PeerRule(uid=34), False),
        (PeerRule(uid=0), False),
        (PeerRule(gid=33), True),
        (PeerRule(gid=34), False),
        (PeerRule(uid=33, unit="web.service"), True),
        (PeerRule(unit="other.service"), False),
        (PeerRule(cgroup="/system.slice"), True),
        (PeerRule(cgroup="/system.slice/web.service"), True),
        (PeerRule(cgroup="/system.slice/web"), False),
        (PeerRule(uid=33, gid=33, unit="web.service", cgroup="/system.slice/web.service/worker"), False),
    ],
)
def test_every_property_must_match(rule: PeerRule, is_admitted: bool) -> None:  # noqa: FBT001
    """A peer needs each property of the rule; a cgroup matches with those below it, and not by a part of a name."""
    assert rule.admits(peer(WEB)) is is_admitted


def test_every_process_that_holds_the_connection_must_match() -> None:
    """A process outside of the unit that shares the connection could read the answer."""
    outside = WEB._replace(pid=8, cgroup="/user.slice/session-1.scope", unit="session-1.scope")
    assert not PeerRule(unit="web.service").admits(peer(WEB, outside))


@pytest.mark.parametrize(
    "unproven", [Peer(33), Peer(33, failing), peer(WEB._replace(uid=34)), peer(WEB, WEB._replace(pid=8, uid=0))]
)
def test_what_is_not_proven_does_not_match(unproven: Peer) -> None:
    """No process, one that can't be examined, and one of another user than the socket's are refused."""
    assert PeerRule(uid=33).admits(unproven)
    assert not PeerRule(uid=33, unit="web.service").admits(unproven)


class Subject:
    """A check that accepts one token."""

    def subject_of(self, token: bytes, now: datetime) -> TokenSubject | None:
        """The subject of the only good token."""
        assert now == NOON
        return TokenSubject("system:serviceaccount:a:b") if token == b"jwt" else None

    def seconds(self) -> float | None:
        """There are no keys to load."""
        return None

    def refresh(self) -> None:
        """There are no keys to load."""


def workload(name: str, rule: PeerRule, check: TokenCheck | None = None) -> Workload:
    """A workload with one store."""
    return Workload(name, rule, check, 0, ("role",), None, Where("node.yaml", 1))


def test_the_peer_and_the_token_belong_to_one_workload() -> None:
    """The token of a workload does not help a peer of another one."""
    known = Workloads(
        [workload("web", PeerRule(uid=33)), workload("job", PeerRule(uid=34)), workload("pod", PeerRule(), Subject())],
        {"web": Secret("one"), "job": Secret("two")},
    )

    def found(uid: int, token: bytes) -> tuple[str, str] | None:
        caller = known.find(Peer(uid), token, NOON)
        return None if caller is None else (caller.workload.name, caller.subject.text)

    assert found(33, b"one") == ("web", "")
    assert found(34, b"two") == ("job", "")
    assert found(33, b"two") is None
    assert found(34, b"one") is None
    assert found(0, b"one") is None
    assert found(33, b"") is None
    assert found(1000, b"jwt") == ("pod", "system:serviceaccount:a:b")
    assert found(1000, b"JWT") is None


def test_processes_are_not_examined_for_a_wrong_token() -> None:
    """The search through all processes is made only for a caller that has the token."""
    examined = []

    def find() -> tuple[PeerProcess, ...]:
        examined.append(1)
        return (WEB,)

    known = Workloads([workload("web", PeerRule(unit="web.service"))], {"web": Secret("one")})
    assert known.find(Peer(33, find), b"wrong", NOON) is None
    assert examined == []
    assert known.find(Peer(33, find), b"one", NOON) is not None


def test_a_secret_matches_as_it_is_written() -> None:
    """`*` matches any text; letters are compared as they are, and the whole id must match."""
    rule = SecretRule("app", ("app/*", "arn:aws:secretsmanager:us-east-1:1:secret:x-*"))
    assert [rule.admits(name) for name in ("app/db", "app/", "APP/db", "my-app/db", "app")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert rule.admits("arn:aws:secretsmanager:us-east-1:1:secret:x-AbCdEf")
