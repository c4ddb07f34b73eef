"""The encrypted file: its passphrase, its mode, and files that are damaged, manipulated or of a newer dsops."""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from dsops.errors import DsopsError, ExtraMissing, KeyringFailed, KeyringLocked, KeyringUnavailable
from dsops.extras import install_command
from dsops.keyring import sealed_file
from dsops.keyring.items import Keyring
from dsops.keyring.private_file import locked
from dsops.secret import Secret
from tests.fakes import Person
from tests.pipeline import words

SERVICE, SEED = "dsops test", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSPHRASE, WRONG = "correct horse battery", "wrong horse battery"
PLACE = ".local/share/dsops/keyring.sealed"
DERIVED = sealed_file._derived


def keyring(home: Path, *answers: str) -> Keyring:
    """Return the keyring of a new run, in which the user gives these answers."""
    return Keyring({"HOME": str(home)}, "/", Person(*answers), {}, ("file",))


@cache
def derived(passphrase: bytes, salt: bytes, log_n: int) -> sealed_file._FileKey:
    """The key of a file, derived once: scrypt takes 0.4 s of CPU time for the same arguments."""
    return DERIVED(Secret.from_bytes(passphrase), salt, log_n)


@pytest.fixture(autouse=True)
def _derive_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_file, "_derived", lambda secret, *rest: derived(secret.reveal_bytes(), *rest))


@pytest.fixture(scope="module")
def with_one_secret(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a file with one secret."""
    home = tmp_path_factory.mktemp("home")
    keyring(home, PASSPHRASE, PASSPHRASE).put(SERVICE, "ada", Secret(SEED))
    return (home / PLACE).read_bytes()


@pytest.fixture
def path(home: Path, with_one_secret: bytes) -> Path:
    """Return the path of a file with one secret."""
    path = home / PLACE
    path.parent.mkdir(mode=0o700, parents=True)
    path.touch(mode=0o600)
    path.write_bytes(with_one_secret)
    return path


def failure(keyring: Keyring) -> DsopsError:
    """Return the error of reading the secret; it contains neither the secret nor a passphrase."""
    with pytest.raises(DsopsError) as caught:
        keyring.get(SERVICE, "ada", "file")
    assert not any(text in words(caught.value) for text in (SEED, PASSPHRASE, WRONG))
    assert caught.value.hint
    return caught.value


def test_the_passphrase_is_asked_for_once_in_a_run(home: Path, path: Path) -> None:
    """One run asks for the passphrase once, even if several threads read and write several times."""
    assert path.exists()
    ring = keyring(home, PASSPHRASE)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ring.get(SERVICE, "ada", "file"), range(4)))
    ring.put(SERVICE, "bob", Secret("another"))
    again = ring._replace(order=("file",))
    assert found == [Secret(SEED)] * 4
    assert again.get(SERVICE, "bob", "file") == Secret("another")
    assert isinstance(ring.ask, Person)
    assert ring.ask.asked == [f"Passphrase of {path}: "]


def test_a_run_does_not_remember_another_runs_passphrase(home: Path, path: Path) -> None:
    """The next run of the agent asks for the passphrase again, because the key is forgotten when a run ends."""
    assert keyring(home, PASSPHRASE).get(SERVICE, "ada", "file") == Secret(SEED)
    assert isinstance(failure(keyring(home)), KeyringLocked)
    assert path.exists()


def test_a_wrong_passphrase_is_asked_for_again(home: Path, path: Path) -> None:
    """After a wrong passphrase, the user may try again, and the prompt says how often."""
    ring = keyring(home, WRONG, PASSPHRASE)
    assert ring.get(SERVICE, "ada", "file") == Secret(SEED)
    assert isinstance(ring.ask, Person)
    assert ring.ask.asked[1] == f"that passphrase is wrong (2 more tries)\nPassphrase of {path}: "


def test_three_wrong_passphrases_are_an_error(home: Path, path: Path) -> None:
    """After three wrong passphrases the file stays locked, and it is unchanged."""
    before = path.read_bytes()
    error = failure(keyring(home, WRONG, WRONG, WRONG))
    assert isinstance(error, KeyringLocked)
    assert error.message == f"the passphrase of {path} is wrong"
    assert path.read_bytes() == before


def test_without_a_terminal_it_is_locked(home: Path, path: Path) -> None:
    """Without a terminal, the error says that the file is locked, and what a job without a terminal can do."""
    error = failure(keyring(home))
    assert isinstance(error, KeyringLocked)
    assert error.message == f"{path} is locked"
    assert "DSOPS_KEYRING=off" in error.hint


def test_a_missing_file_asks_nothing(home: Path) -> None:
    """If the file does not exist, `get` returns None without asking for a passphrase."""
    ring = keyring(home)
    assert ring.get(SERVICE, "ada", "file") is None
    ring.delete(SERVICE, "ada", "file")
    assert isinstance(ring.ask, Person)
    assert ring.ask.asked == []


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ((), "there is no terminal"),
        ((PASSPHRASE,), "there is no terminal"),
        (("short", "short") * 3, "at least 8 characters"),
        ((PASSPHRASE, WRONG) * 3, "the two passphrases differ"),
    ],
)
def test_a_new_passphrase_is_typed_twice(home: Path, answers: tuple[str, ...], told: str) -> None:
    """For a new file, the passphrase must be long enough and typed twice; otherwise no file is created."""
    with pytest.raises(KeyringUnavailable) as caught:
        keyring(home, *answers).put(SERVICE, "ada", Secret(SEED))
    assert told in words(caught.value)
    assert not (home / PLACE).exists()


def test_a_mistyped_new_passphrase_can_be_corrected(home: Path) -> None:
    """If the two new passphrases differ, dsops asks for both again."""
    ring = keyring(home, PASSPHRASE, WRONG, PASSPHRASE, PASSPHRASE)
    ring.put(SERVICE, "ada", Secret(SEED))
    assert isinstance(ring.ask, Person)
    assert ring.ask.asked[2].startswith("the two passphrases differ. New passphrase for ")
    assert keyring(home, PASSPHRASE).get(SERVICE, "ada", "file") == Secret(SEED)


def test_the_file_is_private_and_unreadable(home: Path, path: Path) -> None:
    """The file has mode 0600 under any umask, its bytes do not contain the secret, and no partial file is left."""
    before = os.umask(0)
    try:
        keyring(home, PASSPHRASE).put(SERVICE, "ada", Secret(f"{SEED}!"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(text in path.read_bytes() for text in (SEED.encode(), b"ada", PASSPHRASE.encode()))
    assert sorted(each.name for each in path.parent.iterdir()) == ["keyring.sealed", "keyring.sealed.lock"]


def test_each_write_uses_a_new_nonce(home: Path, path: Path) -> None:
    """The same content is never encrypted to the same bytes, because a repeated nonce would break AES-GCM."""
    written = {path.read_bytes().split(b"\n")[0].split()[-1]}
    ring = keyring(home, PASSPHRASE)
    for _ in range(4):
        ring.put(SERVICE, "ada", Secret(SEED))
        written.add(path.read_bytes().split(b"\n")[0].split()[-1])
    assert len(written) == 5


def test_every_changed_byte_is_noticed(home: Path, path: Path) -> None:
    """A changed byte anywhere in the ciphertext or in the nonce is an error: the file is authenticated."""
    ring, data = keyring(home, PASSPHRASE), path.read_bytes()
    assert ring.get(SERVICE, "ada", "file") == Secret(SEED)
    start = data.index(b"\n") - 16
    for position in [*range(start, start + 15), *range(start + 17, len(data))]:
        changed = bytearray(data)
        changed[position] = ord("B") if changed[position] == ord("A") else ord("A")
        path.write_bytes(bytes(changed))
        assert isinstance(failure(ring), KeyringFailed), position


@pytest.mark.parametrize("cost", [b" 14 ", b" 18 ", b" 19 "])
def test_another_cost_in_the_header_is_noticed(home: Path, path: Path, cost: bytes) -> None:
    """If the scrypt cost in the header is changed, the derived key changes and no passphrase opens the file."""
    path.write_bytes(path.read_bytes().replace(b" 17 ", cost))
    assert "first line was changed" in failure(keyring(home, *[PASSPHRASE] * 3)).why


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: b"", "first line is missing"),
        (lambda data: data[:20], "first line was changed"),
        (lambda data: data.split(b"\n")[0], "first line was changed"),
        (lambda data: data.split(b"\n")[0] + b"\n", "changed or cut off"),
        (lambda data: data[:-1], "changed or cut off"),
        (lambda data: data + b"x", "changed or cut off"),
        (lambda data: data.replace(b"dsops-keyring 1", b"dsops-keyring 2"), "a newer dsops has written it"),
        (lambda data: data.replace(b" 17 8 1 ", b" 30 8 1 "), "first line was changed"),
        (lambda data: data.replace(b" 17 8 1 ", b" 17 9999 1 "), "first line was changed"),
        (lambda data: data + b"x" * (1 << 20), "larger than dsops makes it"),
        (lambda _: b"\x00" * 100, "first line is missing"),
    ],
    ids=range(11),
)
def test_a_damaged_file_is_an_error(home: Path, path: Path, change: object, told: str) -> None:
    """A truncated, extended or foreign file is an error that says so.

    A huge cost in a header can't exhaust the memory.
    """
    assert callable(change)
    changed = change(path.read_bytes())
    path.write_bytes(changed)
    error = failure(keyring(home, PASSPHRASE))
    assert told in error.why
    with pytest.raises(KeyringFailed):
        keyring(home, PASSPHRASE).put(SERVICE, "bob", Secret("x"))
    assert path.read_bytes() == changed


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such modes")
def test_a_file_that_others_may_write_is_refused(home: Path, path: Path) -> None:
    """A file that other users can write is refused, because they could replace it by an older one."""
    path.chmod(0o622)
    assert failure(keyring(home, PASSPHRASE)).hint.endswith(f"`chmod 600 {path}`")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
def test_a_pipe_is_not_waited_for(home: Path, path: Path) -> None:
    """If the file is a named pipe, the run fails instead of hanging."""
    path.unlink()
    os.mkfifo(path, 0o600)
    assert "not a regular file" in failure(keyring(home, PASSPHRASE)).message


def test_a_change_waits_for_another(home: Path, path: Path) -> None:
    """If another process is changing the file, a write fails after a timeout and leaves the file unchanged."""
    before = path.read_bytes()
    with locked(str(path)), pytest.raises(KeyringFailed, match="another dsops process is changing"):
        keyring(home, PASSPHRASE).put(SERVICE, "bob", Secret("x"))
    assert path.read_bytes() == before


def test_without_a_home_folder_there_is_no_file() -> None:
    """Without a home folder, the error says that there is no folder for the file."""
    ring = Keyring({}, "/", Person(PASSPHRASE, PASSPHRASE), {}, ("file",))
    assert ring.check() == [("file", "there is no folder for the encrypted file")]
    with pytest.raises(KeyringUnavailable, match="no folder"):
        ring.put(SERVICE, "ada", Secret(SEED))
    assert ring.get(SERVICE, "ada", "file") is None


def test_the_package_is_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package `cryptography` the error says what to install, before the user types a passphrase."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    ring = keyring(home, PASSPHRASE, PASSPHRASE)
    with pytest.raises(ExtraMissing) as caught:
        ring.put(SERVICE, "ada", Secret(SEED))
    assert caught.value.hint == f"install the extra: `{install_command('keyring')}`"
    assert isinstance(ring.ask, Person)
    assert ring.ask.asked == []
