"""The programs of backends: which file is run, with which variables, and what their failures say."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from dsops.errors import DsopsError, KeyringFailed, KeyringLocked, KeyringUnavailable
from dsops.keyring.items import Keyring
from dsops.keyring.programs import Program, trusted_folders
from dsops.secret import Secret
from tests.pipeline import words
from tests.stubs.one_password import StubOnePassword
from tests.stubs.password_store import NEEDS_PASS, password_store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs and modes of POSIX systems")
SERVICE, SEED = "dsops test", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def program(folder: Path, text: str = "exit 0", name: str = "prog") -> Path:
    """Write an executable script into the folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return folder


def found(path: str, folder: Path, home: Path) -> str:
    """Return the path of the program that would be run."""
    return Program("prog", {"PATH": path, "HOME": str(home)}, str(folder), "").find()


def test_a_program_of_the_project_is_never_run(tmp_path: Path) -> None:
    """Programs in the working folder or the repository around it are never run, even through a symbolic link."""
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    (project / ".git").mkdir(parents=True)
    below = project / "a" / "b"
    below.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(program(project / "bin"))
    good = program(tmp_path / "good")
    path = f"{project}/bin:{link}:{program(below / 'bin')}::.:bin:../bin:{good}"
    assert found(path, below, home) == f"{good}/prog"
    assert found(f"{project}/bin", project, home) == ""


def test_the_users_own_programs_are_run(tmp_path: Path) -> None:
    """The home folder is no project, even with a `.git` in it, so that programs in ~/bin can be used."""
    home = tmp_path / "home"
    own = program(home / "bin")
    (home / ".git").mkdir()
    (home / "work").mkdir()
    for folder in (home, home / "work", tmp_path, Path("/"), Path("/no/such/folder")):
        assert found(f"{own}", folder, home) == f"{own}/prog"


@pytest.mark.parametrize("what", ["the folder", "the file"])
def test_a_program_that_every_user_may_change_is_not_run(tmp_path: Path, what: str) -> None:
    """A program that all users can write, or in a folder that all users can write, is not used."""
    folder = program(tmp_path / "bin")
    assert found(str(folder), Path("/"), tmp_path) == f"{folder}/prog"
    (folder if what == "the folder" else folder / "prog").chmod(0o777)
    assert found(str(folder), Path("/"), tmp_path) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_left_out(tmp_path: Path) -> None:
    """A program in a folder of another user is not run, since that user could link the name to another program."""
    folder = program(tmp_path / "bin")
    os.chown(folder, 4711, -1)
    assert found(str(folder), Path("/"), tmp_path) == ""


def test_a_program_gets_only_the_variables_that_it_needs(tmp_path: Path) -> None:
    """Tokens and sessions of the client, and variables that change a program's behaviour, are not passed on."""
    folder = program(tmp_path / "bin", "env")
    environ = {
        "PATH": f"{folder}:bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LC_ALL": "C",
        "OP_SESSION_my": "session",
        "AWS_SECRET_ACCESS_KEY": "x",
        "LD_PRELOAD": "x",
        "BASH_ENV": "x",
        "PASSWORD_STORE_ENABLE_EXTENSIONS": "true",
        "GITHUB_TOKEN": "x",
    }
    out = Program("prog", environ, "/", "OP_SESSION*").run().out.decode()
    variables = dict(line.split("=", 1) for line in out.splitlines())
    assert {name for name in variables if name not in {"PWD", "SHLVL", "_"}} == {
        "PATH",
        "HOME",
        "LC_ALL",
        "OP_SESSION_my",
    }
    assert variables["PATH"] == f"{folder}:/usr/bin:/bin"
    assert trusted_folders({"PATH": "bin::."}, "/") == []


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    """The error for a missing program names it."""
    with pytest.raises(KeyringUnavailable, match="`prog` was not found in a trusted folder"):
        Program("prog", {"PATH": str(tmp_path)}, "/", "").run()


def test_waiting_for_a_program_has_a_limit(tmp_path: Path) -> None:
    """A program that takes too long is ended, since it may be showing a prompt that the user can't see."""
    folder = program(tmp_path / "bin", "exec sleep 600")
    started = time.monotonic()
    with pytest.raises(KeyringLocked, match="did not answer within 1 s"):
        Program("prog", {"PATH": f"{folder}:/usr/bin:/bin"}, "/", "", 1.0).run(given=Secret(SEED))
    assert time.monotonic() - started < 60


def test_a_program_that_repeats_its_input_leaks_nothing(tmp_path: Path) -> None:
    """Words of the input and terminal codes are removed from the error line that is shown."""
    folder = program(tmp_path / "bin", "printf 'one\\n\\033[31mno: %s\\033[0m \\007\\n' \"$(cat)\" >&2; exit 3")
    result = Program("prog", {"PATH": f"{folder}:/usr/bin:/bin"}, "/", "").run(given=Secret(f'{{"x": "{SEED}"}}'))
    assert (result.code, result.why) == (3, 'no: {"x": "***"} \\x07')


def failure(work: object) -> DsopsError:
    """Return the error of a failing access; it contains no secret."""
    assert callable(work)
    with pytest.raises(DsopsError) as caught:
        work()
    assert SEED not in words(caught.value)
    assert caught.value.hint
    return caught.value


@pytest.fixture
def op(tmp_path: Path) -> StubOnePassword:
    """Return an account of 1Password without items."""
    return StubOnePassword(tmp_path)


def keyring(op: StubOnePassword, **more: str) -> Keyring:
    """Return the keyring of a client with this account."""
    return Keyring({"PATH": f"{op.bin}:{os.environ['PATH']}", "HOME": "/", **more}, "/", order=("op",))


def test_a_secret_reaches_1password_through_a_pipe_only(op: StubOnePassword) -> None:
    """No argument of `op` contains the secret; the template is piped in, and other commands get no standard input."""
    keyring(op).put(SERVICE, "ada", Secret(SEED))
    keyring(op).put(SERVICE, "ada", Secret(SEED[::-1]))
    assert keyring(op).get(SERVICE, "ada", "op") == Secret(SEED[::-1])
    assert op.titles == ["dsops test: ada"]
    said = [" ".join(map(str, call["words"])) for call in op.calls if isinstance(call["words"], list)]
    assert not any(SEED in line or SEED[::-1] in line for line in said)
    assert {
        bool(call["is_pipe"]) for call in op.calls if call["words"] == ["item", "create", "-", "--format=json"]
    } == {True}
    assert [call["words"] for call in op.calls if call["is_pipe"]] == [["item", "create", "-", "--format=json"]] * 2


def test_another_vault_is_not_looked_at(op: StubOnePassword) -> None:
    """With `op:Work`, dsops stores items in the vault `Work`, and ignores items of other vaults."""
    keyring(op).put(SERVICE, "ada", Secret(SEED), "op:Work")
    assert keyring(op).get(SERVICE, "ada", "op:Private") is None
    assert keyring(op).get(SERVICE, "ada", "op:Work") == Secret(SEED)
    assert "isn't a vault" in failure(lambda: keyring(op).get(SERVICE, "ada", "op:No such")).why


def test_two_items_of_one_title_are_an_error(op: StubOnePassword) -> None:
    """If 1Password has two items with the title, dsops fails instead of guessing which one is right."""
    keyring(op).put(SERVICE, "ada", Secret(SEED), "op:Work")
    keyring(op).put(SERVICE, "ada", Secret(SEED), "op:Private")
    assert "2 items" in failure(lambda: keyring(op).get(SERVICE, "ada", "op")).message


@pytest.mark.parametrize(
    ("mood", "kind", "told"),
    [
        ("locked", KeyringLocked, "op signin"),
        ("no account", KeyringUnavailable, "knows no account"),
        ("strange", KeyringFailed, "did not print the expected JSON"),
        ("repeats", KeyringFailed, "unable to process line 1"),
        ("forgets", KeyringFailed, "returns a different value"),
    ],
)
def test_each_failure_of_1password_says_what_to_do(
    op: StubOnePassword, mood: str, kind: type[DsopsError], told: str
) -> None:
    """Each kind of failure has its own error, and no text contains the secret, even if `op` repeats the template."""
    op.set_mood(mood)
    error = failure(lambda: keyring(op).put(SERVICE, "ada", Secret(SEED)))
    assert type(error) is kind
    assert told in words(error)


def test_a_service_account_needs_no_list_of_accounts(op: StubOnePassword) -> None:
    """With the token of a service account, `op` lists no accounts but can be used."""
    op.set_mood("no account")
    assert keyring(op, OP_SERVICE_ACCOUNT_TOKEN="ops_x").put(SERVICE, "ada", Secret(SEED)).backend == "op"
    assert all("OP_SERVICE_ACCOUNT_TOKEN" in str(call["variables"]) for call in op.calls)


@NEEDS_PASS
def test_a_gpg_key_with_a_passphrase_and_no_terminal_is_locked() -> None:
    """If gpg can't ask for the passphrase of its key, the error says how to let it ask."""
    with password_store("a passphrase of gpg") as store:
        ring = Keyring(store.environ, "/", order=("pass",))
        assert ring.put(SERVICE, "ada", Secret(SEED)).backend == "pass"
        store.run("gpgconf", "--kill", "gpg-agent")
        error = failure(lambda: ring.get(SERVICE, "ada", "pass"))
        assert isinstance(error, KeyringLocked)
        assert "GPG_TTY" in error.hint
        # The store's files stay unreadable without the key.
        files = [path for path in store.folder.rglob("*.gpg") if path.is_file()]
        assert [path.name for path in files] == ["ada.gpg"]
        assert SEED.encode() not in files[0].read_bytes()


@NEEDS_PASS
def test_a_store_of_a_lost_key_is_an_error() -> None:
    """If the store names a gpg key that is not there, the error repeats gpg's reason."""
    with password_store() as store:
        (store.folder / ".gpg-id").write_text("bob@example.com\n")
        error = failure(lambda: Keyring(store.environ, "/", order=("pass",)).put(SERVICE, "ada", Secret(SEED)))
        assert isinstance(error, KeyringFailed)
        assert error.why


@NEEDS_PASS
def test_without_a_store_pass_is_not_used(tmp_path: Path) -> None:
    """`pass` without a password store can't be used; the error says how to make a store."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    error = failure(lambda: Keyring(environ, "/", order=("pass",)).put(SERVICE, "ada", Secret(SEED)))
    assert isinstance(error, KeyringUnavailable)
    assert error.message == f"there is no password store in {tmp_path}/.password-store"
    assert "pass init" in error.hint
