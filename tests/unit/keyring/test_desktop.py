"""Access the system's keyring through the package `keyring` in a child process: results and failures."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

import dsops
from dsops.errors import DsopsError, ExtraMissing, KeyringFailed, KeyringLocked, KeyringUnavailable
from dsops.extras import install_command
from dsops.keyring.desktop import DesktopKeyring
from dsops.secret import Secret
from tests.pipeline import words
from tests.stubs.keyrings import StubKeyring

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def stub(home: Path) -> StubKeyring:
    """Return an empty keyring in this test's home folder."""
    return StubKeyring(home)


def keyring(stub: StubKeyring, **more: str) -> DesktopKeyring:
    """Return the stub's keyring for a client with these variables."""
    return DesktopKeyring({"PATH": os.environ["PATH"], **stub.environ, **more}, "/", 30.0)


def failure(keyring: DesktopKeyring) -> DsopsError:
    """Return the error of an attempt to store a seed."""
    with pytest.raises(DsopsError) as caught:
        keyring.put("dsops test", "ada", Secret(SEED))
    assert SEED not in words(caught.value)
    assert caught.value.hint
    return caught.value


def test_a_kept_secret_is_returned(stub: StubKeyring) -> None:
    """A stored secret is found by service and account until it is deleted; deleting a missing secret is no error."""
    ring = keyring(stub)
    assert ring.get("dsops test", "ada") is None
    assert ring.put("dsops test", "ada", Secret(f"{SEED} ü\n")) == "file keyring FileKeyring"
    assert ring.get("dsops test", "ada") == Secret(f"{SEED} ü\n")
    assert ring.get("dsops test", "bob") is None
    ring.delete("dsops test", "ada")
    ring.delete("dsops test", "ada")
    assert (ring.get("dsops test", "ada"), stub.secrets) == (None, {})


def test_the_clients_environment_decides_which_keyring_it_is(home: Path, stub: StubKeyring, tmp_path: Path) -> None:
    """The client's environment decides which keyring is used, because the agent serves clients with several homes."""
    keyring(stub).put("dsops test", "ada", Secret("hers"))
    other = StubKeyring(tmp_path)
    assert os.environ["HOME"] == str(home)
    assert keyring(other).get("dsops test", "ada") is None
    assert keyring(stub).get("dsops test", "ada") == Secret("hers")


def test_a_backend_can_be_named_by_its_variable(stub: StubKeyring, tmp_path: Path) -> None:
    """PYTHON_KEYRING_BACKEND takes precedence over the configuration file, as in the package `keyring`."""
    elsewhere = keyring(stub, PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    assert isinstance(failure(elsewhere), KeyringUnavailable)
    there = keyring(stub, PYTHON_KEYRING_BACKEND="tests.stubs.file_keyring.FileKeyring", HOME=str(tmp_path))
    there.put("dsops test", "ada", Secret("x"))
    assert stub.secrets == {"dsops test/ada": "x"}


def test_noise_of_a_backend_is_not_taken_for_its_answer(stub: StubKeyring) -> None:
    """Text that a backend prints is not mistaken for the result that the child process returns."""
    keyring(stub).put("dsops test", "ada", Secret("x"))
    stub.set_mood("prints")
    assert keyring(stub).get("dsops test", "ada") == Secret("x")


@pytest.mark.parametrize(
    ("mood", "kind", "told"),
    [
        ("locked", KeyringLocked, "is locked"),
        ("absent", KeyringUnavailable, "there is no keyring"),
        ("breaks", KeyringFailed, "something of somebody else's"),
        ("dies", KeyringFailed, "ended without an answer"),
        ("refuses", KeyringFailed, "no, *** is not for me"),
        ("forgets", KeyringFailed, "returns another value"),
    ],
)
def test_each_failure_says_what_to_do(stub: StubKeyring, mood: str, kind: type[DsopsError], told: str) -> None:
    """Each keyring failure (locked, absent, broken, loses its contents) has its own hint.

    No error text contains the secret.
    """
    stub.set_mood(mood)
    error = failure(keyring(stub))
    assert type(error) is kind
    assert told in words(error)


def test_waiting_for_the_keyring_has_a_limit(stub: StubKeyring) -> None:
    """The wait for the keyring ends after a minute (less in this test), since it may be showing a hidden prompt."""
    stub.set_mood("hangs")
    started = time.monotonic()
    with pytest.raises(KeyringLocked, match="did not answer within 1 s"):
        keyring(stub)._replace(timeout_seconds=1.0).get("dsops test", "ada")
    assert time.monotonic() - started < 60


@pytest.mark.skipif(sys.platform != "linux", reason="macOS and Windows have a keyring without any variable")
def test_without_a_desktop_there_is_no_keyring(tmp_path: Path) -> None:
    """Without a desktop (in CI, over ssh, in a container) dsops fails at once, and the error names an alternative."""
    error = failure(DesktopKeyring({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, "/", 30.0))
    assert isinstance(error, KeyringUnavailable)
    assert "mfa_process" in error.hint


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("keyring.backends.null.Keyring", "disabled"),
        ("no.such.Backend", "can't be loaded"),
        ("keyring.backends.null.NoSuchClass", "can't be loaded"),
    ],
)
def test_a_backend_that_keeps_nothing_or_is_missing_is_an_error(stub: StubKeyring, backend: str, told: str) -> None:
    """A backend that is missing or stores nothing is an error; otherwise a seed would be lost."""
    error = failure(keyring(stub, PYTHON_KEYRING_BACKEND=backend))
    assert isinstance(error, KeyringUnavailable)
    assert told in error.message


def test_the_extra_is_asked_for(stub: StubKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the package `keyring` is missing, the error names it.

    dsops looks for the package in its own installation only.
    """
    others = [entry for entry in sys.path if "site-packages" not in entry]
    monkeypatch.setattr("sys.path", [*others, str(Path(dsops.__file__).parents[1])])
    error = failure(keyring(stub))
    assert isinstance(error, ExtraMissing)
    assert error.hint == f"install the extra: `{install_command('keyring')}`"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no core dumps")
def test_the_process_that_asks_leaves_no_core_dump(stub: StubKeyring) -> None:
    """The child process disables core dumps; the parent process does not, since it may become the user's command."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_CORE)
    stub.set_mood("tells its limit")
    assert keyring(stub).get("dsops test", "core") == Secret(f"(0, {limits[1]})")
    assert resource.getrlimit(resource.RLIMIT_CORE) == limits
