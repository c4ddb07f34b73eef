"""Paths to pipes, folders and devices: each reader reports an error and never blocks."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dsops.audit.settings import load_settings
from dsops.aws.identity.ambient_files import content, sections
from dsops.cli.framework import secret_input
from dsops.cli.framework.parser import parse
from dsops.cli.run.credentials import old_text
from dsops.cli.setup.migrate import COMMAND as MIGRATE
from dsops.config import load
from dsops.errors import ConfigUnreadable, DsopsError
from dsops.input_file import read_file, read_whole
from dsops.keyring import index
from dsops.pipeline.policy_file import read_policy
from dsops.sandbox.control.launch import read_seed_file
from dsops.sandbox.seed.file import read_seed
from dsops.secret import Secret
from tests.fakes import make_runtime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and devices as Linux has them")

SECONDS = 20
POLICY_SEED = "accounts: {'111111111111': {users: {ada: {policies: [odd.json]}}}}"


def within_time(work: Callable[[], object]) -> object:
    """Return the result of the work or its DsopsError. Fails the test if the work blocks or raises anything else."""
    ended: list[object] = []

    def run() -> None:
        try:
            ended.append(work())
        except Exception as error:  # noqa: BLE001 - looked at below
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), "it waits"
    assert not isinstance(ended[0], Exception) or isinstance(ended[0], DsopsError), repr(ended[0])
    return ended[0]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


ODD: dict[str, Callable[[Path], None]] = {
    "a pipe": _pipe,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a device without an end": _link("/dev/zero"),
    "a terminal": _link("/dev/tty"),
    "a terminal's other end": _link("/dev/ptmx"),
    "another process's memory": _link("/proc/self/mem"),
    "the kernel's log": _link("/proc/kmsg"),
    "standard input": _link("/proc/self/fd/0"),
    "itself": lambda path: path.symlink_to(path.name),
}


def _included(folder: Path) -> object:
    (folder / "main.yaml").write_text("include: odd\nenvs: {p: {}}\n")
    return load(folder=str(folder), environ={}, named="main.yaml")


def _migrated(folder: Path) -> object:
    runtime = make_runtime(folder=str(folder))
    return MIGRATE.run(parse(MIGRATE, ["odd"], {}), runtime)


def _moved(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (folder / "odd").rename(path)
    if path.is_symlink() and os.readlink(path) == "odd":
        path.unlink()
        path.symlink_to(path.name)
    return path


def _found(folder: Path) -> object:
    _moved(folder, "dsops.yaml")
    return load(folder=str(folder), environ={"HOME": str(folder)})


def _of_user(folder: Path) -> object:
    _moved(folder, ".config/dsops/config.yaml")
    return load_settings({"HOME": str(folder)})


def _of_keyring(folder: Path) -> object:
    _moved(folder, ".local/share/dsops/keyring.json")
    return index.contents({"HOME": str(folder)})


def _of_seed(folder: Path) -> object:
    _moved(folder, "odd.json")
    return read_seed(POLICY_SEED, "seed.yaml", str(folder))


READERS: dict[str, Callable[[Path], object]] = {
    "a configuration that was found": _found,
    "a configuration that was named": lambda folder: load(folder=str(folder), environ={}, named="odd"),
    "an include": _included,
    "a file to migrate": _migrated,
    "a profile": lambda folder: sections(str(folder / "odd")),
    "a token": lambda folder: content(str(folder / "odd"), 4096),
    "a file to merge": lambda folder: content(str(folder / "odd")),
    "the user's configuration": _of_user,
    "the keyring's list": _of_keyring,
    "a seed": lambda folder: read_seed_file(str(folder / "odd")),
    "a seed's policy": _of_seed,
    "a policy": lambda folder: read_policy("odd", make_runtime(folder=str(folder))),
    "a secret": lambda folder: secret_input.piped_or_in_file(str(folder / "odd")),
    "profiles to write to": lambda folder: old_text(str(folder / "odd")),
}
GIVE_NOTHING = {"a profile", "a token", "a file to merge"}
"""Readers that treat such a path as a missing file, as AWS's tools do."""
TAKE_PIPES = ("a configuration that was named", "a seed", "a policy", "a secret")
"""Readers whose paths come from the command line and may be pipes."""


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, odd: str) -> None:
    """No reader blocks on a path that is not a regular file: it fails, finds no file, or reads an empty pipe."""
    monkeypatch.chdir(tmp_path)
    ODD[odd](tmp_path / "odd")
    ended = within_time(lambda: READERS[reader](tmp_path))
    if isinstance(ended, DsopsError):
        assert ended.exit_code in {2, 3}
        assert re.search(r"odd|dsops\.yaml|config\.yaml|keyring\.json", f"{ended.message} {ended.problems}")
    else:
        assert reader in GIVE_NOTHING or (odd == "a pipe" and reader in TAKE_PIPES)
        assert ended in (b"", "", {}) or (isinstance(ended, Secret) and not ended.reveal())


@pytest.mark.parametrize("reader", TAKE_PIPES)
def test_what_a_shell_makes_of_a_program_is_read(tmp_path: Path, reader: str) -> None:
    """Readers accept a pipe of a shell's process substitution (`--config <(...)`) (counter-example)."""
    reading, writing = os.pipe()

    def write() -> None:
        # The content arrives late and in two parts, as from a program that has to start first.
        os.write(writing, b"{")
        os.write(writing, b"}")
        os.close(writing)

    (tmp_path / "odd").symlink_to(f"/dev/fd/{reading}")
    threading.Timer(0.05, write).start()
    try:
        ended = within_time(lambda: READERS[reader](tmp_path))
    finally:
        os.close(reading)
    assert "can't be read" not in str(ended)


# --- the helper --------------------------------------------------------------------------------------------------


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    """`read_file` stops reading at its limit; `read_whole` refuses a file that exceeds the limit."""
    (tmp_path / "file").write_bytes(b"abcdef")
    path = str(tmp_path / "file")
    assert read_file(path, 4).data == b"abcd"
    assert read_file(path, 100).data == read_whole(path, 6) == b"abcdef"
    with pytest.raises(OSError, match="more than 5 bytes"):
        read_whole(path, 5)


def test_a_file_of_proc_has_no_size_and_is_read_whole() -> None:
    """A file in /proc is read completely, although stat reports size 0."""
    assert read_file("/proc/self/status", 1 << 16).data.endswith(b"\n")


def test_the_status_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    """If `check` raises, `read_file` reads nothing and closes the descriptor."""
    (tmp_path / "file").write_bytes(b"abc")
    before = sorted(os.listdir("/proc/self/fd"))

    def refuse(status: os.stat_result) -> None:
        raise ConfigUnreadable(f"{status.st_size} bytes")

    with pytest.raises(ConfigUnreadable, match="3 bytes"):
        read_file(str(tmp_path / "file"), 10, check=refuse)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_name_that_no_file_can_have_is_an_error_of_the_file() -> None:
    """A path that contains NUL or is too long raises OSError."""
    for path in ("a\0b", "a" * 5000):
        with pytest.raises(OSError, match=r"null byte|File name too long"):
            read_file(path, 10)
