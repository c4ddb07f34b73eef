"""The index of the keyring's contents: which files are trusted, what is stored, and files of a newer dsops."""

from __future__ import annotations

import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dsops.errors import FileNotWritten, KeyringFailed
from dsops.keyring import index
from dsops.keyring.index import KeysEntry, SeedEntry

DEVICE = "arn:aws:iam::111111111111:mfa/ada"
SEED = SeedEntry(DEVICE, "2026-11-24T12:00:00Z")
KEY = KeysEntry(
    "ada",
    "AKIAEXAMPLEEXAMPLE01",
    "arn:aws:iam::111111111111:user/ada",
    "2026-11-24T12:00:00Z",
    created="2026-01-01",
    next_key_id="AKIAEXAMPLEEXAMPLE02",
    old_key_id="AKIAEXAMPLEEXAMPLE00",
    old_is_off=True,
)


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    """Return the environment of a client with an empty home folder."""
    return {"HOME": str(home)}


def written(environ: dict[str, str]) -> Path:
    """Write the index file with one entry of each kind."""
    with index.changing(environ):
        index.write(environ, index.Contents({DEVICE: SEED}, {"ada": KEY}))
    return Path(index.path_of(environ))


def test_what_is_written_is_read(environ: dict[str, str]) -> None:
    """Every field that is written is read back; a missing file gives an empty list."""
    assert index.contents(environ) == index.EMPTY
    written(environ)
    assert index.contents(environ) == index.Contents({DEVICE: SEED}, {"ada": KEY})


def test_the_file_is_its_owners_alone(environ: dict[str, str]) -> None:
    """The index file is private under any umask, and writing leaves no other file beside it."""
    before = os.umask(0)
    try:
        path = written(environ)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in path.parent.iterdir()) == ["keyring.json", "keyring.json.lock"]


def test_the_variable_of_the_specification_counts(environ: dict[str, str], tmp_path: Path) -> None:
    """An absolute XDG_DATA_HOME is used, else the default below the home folder.

    Without XDG_DATA_HOME and home folder there is no path.
    """
    assert index.path_of({**environ, "XDG_DATA_HOME": str(tmp_path)}) == f"{tmp_path}/dsops/keyring.json"
    assert index.path_of({**environ, "XDG_DATA_HOME": "data"}) == f"{environ['HOME']}/.local/share/dsops/keyring.json"
    assert index.contents({}) == index.EMPTY
    with pytest.raises(FileNotWritten), index.changing({}):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such modes")
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_list_that_others_may_write_is_refused(environ: dict[str, str], mode: int) -> None:
    """An index file that other users may write is refused, because it decides which key a name refers to."""
    path = written(environ)
    path.chmod(mode)
    with pytest.raises(KeyringFailed, match="is not trusted") as caught:
        index.contents(environ)
    assert caught.value.hint.endswith(f"chmod 600 {path}`")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        "null",
        "{}",
        '{"version": 2, "mfa": [], "keys": []}',
        '{"version": 1, "mfa": [{}], "keys": []}',
        '{"version": 1, "mfa": [{"serial_number": 7, "added": "x"}], "keys": []}',
        '{"version": 1, "mfa": [], "keys": [{"name": "a", "key_id": null, "arn": "", "added": ""}]}',
    ],
)
def test_an_invalid_list_is_an_error(environ: dict[str, str], text: str) -> None:
    """A damaged index file, or one of a later dsops, is an error.

    If dsops treated the file as empty, the next write would delete its entries.
    """
    written(environ).write_text(text)
    with pytest.raises(KeyringFailed, match="is not a valid list"):
        index.contents(environ)
    with pytest.raises(KeyringFailed), index.changing(environ):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
def test_a_pipe_is_not_waited_for(environ: dict[str, str]) -> None:
    """A pipe in place of the index file is an error: reading it would block every run that uses the index."""
    path = written(environ)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(KeyringFailed, match="it is not a regular file"):
        index.contents(environ)


def test_a_list_that_can_not_be_written_leaves_nothing(environ: dict[str, str]) -> None:
    """If writing the index fails, the old file stays and no partial file is left beside it."""
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    path = written(environ)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(FileNotWritten, match="file too large"), index.changing(environ) as before:
            index.write(environ, before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert index.contents(environ) == index.Contents({DEVICE: SEED}, {"ada": KEY})
    assert sorted(each.name for each in path.parent.iterdir()) == ["keyring.json", "keyring.json.lock"]


def test_a_field_that_a_later_dsops_has_added_is_left_out(environ: dict[str, str]) -> None:
    """Fields that a later dsops has added to the index are ignored, and the rest of the file is used."""
    path = written(environ)
    value = json.loads(path.read_text())
    value["keys"][0]["colour"] = {"of": "the key"}
    path.write_text(json.dumps(value))
    assert index.contents(environ).keys == {"ada": KEY}


def test_concurrent_changes_lose_nothing(environ: dict[str, str]) -> None:
    """Concurrent changes of the index run one after another, so no change is lost."""

    def add(number: int) -> None:
        with index.changing(environ) as before:
            entry = SeedEntry(f"{DEVICE}{number}", "")
            index.write(environ, before._replace(seeds={**before.seeds, entry.serial_number: entry}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(8)))
    assert len(index.contents(environ).seeds) == 8


def test_a_folder_that_can_not_be_written_is_told(environ: dict[str, str], home: Path) -> None:
    """If the folder cannot be written, the error names the index file."""
    (home / ".local").write_text("a file in the way")
    with pytest.raises(FileNotWritten, match="can't be written"), index.changing(environ):
        pass
    assert index.contents(environ) == index.EMPTY
