"""The lock of a token file: processes of dsops renew a login one after the other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from dsops.cache import CredentialCache
from dsops.config import file_lock
from dsops.config.file_lock import FileLock, locked
from tests.center_in_memory import ADA
from tests.children import SECONDS, Child
from tests.loop import Time
from tests.unit.stores.test_aws_sso import Desk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no flock on Windows")


class Later(Time):
    """A time at which another process acts."""

    def __init__(self, seconds: float, act: Callable[[], object]) -> None:
        super().__init__()
        self._due, self._act = seconds, act

    def sleep(self, seconds: float) -> None:
        """Let the time pass; the other process acts once its time has come."""
        super().sleep(seconds)
        if self.seconds >= self._due:
            self._due = float("inf")
            self._act()


@contextmanager
def another_process(path: Path) -> Iterator[None]:
    """Another process that holds the lock of the token file."""
    program = "import sys; from dsops.config.file_lock import FileLock; lock = FileLock(sys.argv[1])\n"
    program += "print(lock.take(), flush=True); sys.stdin.read()"
    with Child(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "True\n"
        try:
            yield
        finally:
            process.stdin.close()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A process that runs once, without a login."""
    made = Desk(tmp_path)
    made.cache = CredentialCache(made.clock, is_of_one_run=True)
    return made


def test_a_token_with_time_left_is_used_while_another_process_renews_it(desk: Desk) -> None:
    """While another process renews a token that is still valid, dsops neither waits nor renews it."""
    with another_process(desk.center.log_in(desk.home, seconds=600)):
        assert desk.caller().endswith(f"/{ADA}")
    assert desk.center.asked == ["GetRoleCredentials"]


def test_a_process_that_waited_takes_the_renewed_token(desk: Desk) -> None:
    """A process with an expired token waits for the lock, then uses the token that the other process saved."""
    path = desk.center.log_in(desk.home, seconds=-60)
    lock = FileLock(str(path))
    assert lock.take()

    def renew() -> None:
        desk.center.log_in(desk.home)
        lock.release()

    desk.time = Later(0.3, renew)
    assert desk.caller().endswith(f"/{ADA}")
    assert desk.center.asked == ["GetRoleCredentials"]


def test_a_suspended_process_does_not_stop_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the lock is not released in time, the token is renewed without it."""
    monkeypatch.setattr(file_lock, "LOCK_SECONDS", 0.1)
    path = desk.center.log_in(desk.home, seconds=-60)
    with another_process(path):
        assert desk.caller().endswith(f"/{ADA}")
        with locked(str(path)):
            pass
    assert desk.center.asked == ["CreateToken", "GetRoleCredentials"]


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """The kernel releases the lock of a process that ends without releasing it."""
    path = tmp_path / "cache" / "token.json"
    with another_process(path):
        lock = FileLock(str(path))
        assert not lock.take()
    assert lock.take()
    lock.release()


def test_a_folder_that_cannot_be_written_to_has_no_lock(tmp_path: Path) -> None:
    """Where no lock file can be made, the login works without a lock."""
    (tmp_path / "file").write_text("")
    with locked(str(tmp_path / "file" / "token.json")):
        pass
    assert FileLock(str(tmp_path / "file" / "token.json")).take()


def test_the_answer_of_a_program_without_the_lock_is_waited_for(desk: Desk) -> None:
    """If a refresh token is refused, dsops waits for a new token that the AWS CLI may be saving.

    The AWS CLI does not take the lock.
    """
    desk.center.log_in(desk.home, seconds=-60)
    desk.center.refresh_tokens.clear()
    desk.time = Later(0.3, lambda: desk.center.log_in(desk.home))
    assert desk.caller().endswith(f"/{ADA}")
    assert desk.center.asked == ["CreateToken", "GetRoleCredentials"]


def test_a_file_that_is_being_rewritten_is_read_again(desk: Desk) -> None:
    """If the AWS CLI is rewriting the token file, dsops reads the file again until it is complete.

    The AWS CLI empties the file before it writes (aws-cli#10628).
    """
    path = desk.center.log_in(desk.home)
    text = path.read_text()
    path.write_text("")

    def rewrite() -> None:
        time.sleep(0.03)
        path.write_text(text[: len(text) // 2])
        time.sleep(0.03)
        path.write_text(text)

    rewriting = Thread(target=rewrite, daemon=True)
    rewriting.start()
    assert desk.caller().endswith(f"/{ADA}")
    rewriting.join(timeout=SECONDS)
