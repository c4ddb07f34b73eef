"""When the shell hook renews an environment, and the shell code that it prints."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dsops.credentials import Credentials
from dsops.hook.loading import Loaded, renewal_seconds, shell_calls
from dsops.secret import Secret
from tests.fakes import NOON


def session(seconds: int | None) -> Credentials:
    """Return credentials that expire this many seconds after noon; None means a long-term key."""
    end = None if seconds is None else NOON + timedelta(seconds=seconds)
    return Credentials("AKIAEXAMPLE", Secret("hush"), expiration=end)


@pytest.mark.parametrize(
    ("lifetimes", "expected"),
    [([], None), ([None], None), ([3600], 2700), ([3600, 7200, None], 2700), ([1200], 1140), ([30], 1)],
)
def test_the_hook_renews_before_the_first_session_expires(lifetimes: list[int | None], expected: int | None) -> None:
    """The hook renews an hour's session 15 minutes before its end, and a short session one minute before.

    If a session has expired, the hook renews it after a second.
    """
    assert expected == renewal_seconds([session(lifetime) for lifetime in lifetimes], NOON)


def test_without_an_environment_a_shell_only_watches_files() -> None:
    """After an error the hook sets no variable, but still watches the files for changes."""
    assert b"__dsops_watch '/p/dsops.yaml' '/run/0'\n" == shell_calls("bash", {"/p/dsops.yaml": "/run/0"}, None)


def test_an_environment_is_unset_set_and_timed() -> None:
    """The shell code unsets inherited credentials, then sets the environment's variables and the renewal time."""
    loaded = Loaded("e", {"GREETING": b"it's"}, ("AWS_PROFILE",), 2700)
    lines = shell_calls("zsh", {}, loaded).split(b"\n")
    assert [b"__dsops_drop AWS_PROFILE", b"__dsops_until 2700"] == [lines[0], lines[2]]
    assert lines[1].startswith(b"__dsops_put GREETING ")
