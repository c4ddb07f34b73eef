"""When the hook renews, and the calls that a shell evaluates."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dsops.credentials import Credentials
from dsops.hook.loading import Loaded, renewal_seconds, shell_calls
from dsops.secret import Secret
from tests.fakes import NOON


def session(seconds: int | None) -> Credentials:
    """Credentials that expire so many seconds after noon; None for a long-term key."""
    end = None if seconds is None else NOON + timedelta(seconds=seconds)
    return Credentials("AKIAEXAMPLE", Secret("hush"), expiration=end)


@pytest.mark.parametrize(
    ("lifetimes", "expected"),
    [([], None), ([None], None), ([3600], 2700), ([3600, 7200, None], 2700), ([1200], 1140), ([30], 1)],
)
def test_the_hook_renews_before_the_first_session_expires(lifetimes: list[int | None], expected: int | None) -> None:
    """An hour is renewed 15 minutes early, a short session one minute early, an expired one after a second."""
    assert expected == renewal_seconds([session(lifetime) for lifetime in lifetimes], NOON)


def test_without_an_environment_a_shell_only_watches_files() -> None:
    """After an error the hook sets no variable, but sees when a file changes."""
    assert b"__dsops_watch '/p/dsops.yaml' '/run/0'\n" == shell_calls("bash", {"/p/dsops.yaml": "/run/0"}, None)


def test_an_environment_is_unset_set_and_timed() -> None:
    """Inherited credentials are unset before the environment's variables are set."""
    loaded = Loaded("e", {"GREETING": b"it's"}, ("AWS_PROFILE",), 2700)
    lines = shell_calls("zsh", {}, loaded).split(b"\n")
    assert [b"__dsops_drop AWS_PROFILE", b"__dsops_until 2700"] == [lines[0], lines[2]]
    assert lines[1].startswith(b"__dsops_put GREETING ")
