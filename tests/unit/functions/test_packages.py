"""Deployment packages are extracted into their folder only, and within Lambda's limits."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from dsops.functions.packages import PackageInvalid, extract


def archive(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A zip archive with these entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in entries:
            package.writestr(name, content)
    return buffer.getvalue()


def special(name: str, mode: int) -> zipfile.ZipInfo:
    """An entry with a Unix file mode."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def test_a_package_is_extracted_with_its_folders_and_modes(tmp_path: Path) -> None:
    """Files are readable by all, and programs stay executable."""
    package = archive(("lib/util.py", b"x = 1"), (special("bin/tool", stat.S_IFREG | 0o750), b"#!/bin/sh\n"))
    size = extract(package, str(tmp_path))
    assert size == 15
    assert (tmp_path / "lib/util.py").read_text() == "x = 1"
    assert stat.S_IMODE((tmp_path / "lib/util.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "bin/tool").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["../out.py", "a/../../out.py", "/etc/out.py", "..\\out.py", "c:/out.py"])
def test_a_path_outside_of_the_package_is_refused(tmp_path: Path, name: str) -> None:
    """An entry can't be written outside of the folder."""
    folder = tmp_path / "task"
    folder.mkdir()
    with pytest.raises(PackageInvalid, match="leaves the package"):
        extract(archive((name, b"x")), str(folder))
    assert [folder] == list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_are_refused(tmp_path: Path, kind: int) -> None:
    """A symbolic link could lead out of the folder."""
    with pytest.raises(PackageInvalid, match="link or a special file"):
        extract(archive((special("app.py", kind | 0o777), b"/etc/passwd")), str(tmp_path))


def test_a_package_that_grows_too_large_is_refused(tmp_path: Path) -> None:
    """The limit counts the extracted bytes, whatever the archive says about them."""
    with pytest.raises(PackageInvalid, match="when it is extracted"):
        extract(archive(("zeros", bytes(100_000))), str(tmp_path), most_bytes=99_999)


@pytest.mark.parametrize("package", [b"", b"PK\x03\x04", b"no archive at all"])
def test_what_is_not_an_archive_is_refused(tmp_path: Path, package: bytes) -> None:
    """The error names the problem."""
    with pytest.raises(PackageInvalid, match="not a readable zip archive"):
        extract(package, str(tmp_path))


def test_a_layer_is_extracted_over_an_earlier_one(tmp_path: Path) -> None:
    """A later layer replaces files of an earlier layer."""
    extract(archive(("python/a.py", b"1"), ("python/b.py", b"1")), str(tmp_path))
    extract(archive(("python/a.py", b"2")), str(tmp_path))
    assert ["2", "1"] == [(tmp_path / "python" / name).read_text() for name in ("a.py", "b.py")]


def test_a_path_with_too_many_folders_is_refused(tmp_path: Path) -> None:
    """Two entries of 900 folders would be too deep for Python to remove."""
    with pytest.raises(PackageInvalid, match="more than 100 parts"):
        extract(archive(("a/" * 900 + "x", b"")), str(tmp_path))


def test_a_damaged_lzma_entry_is_refused(tmp_path: Path) -> None:
    """Python's decompressors have errors of their own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as writer:
        writer.writestr("a.py", "print('a')" * 100)
    content = bytearray(buffer.getvalue())
    start = content.index(b"a.py") + len(b"a.py")
    content[start + 4 : start + 9] = b"\xff" * 5
    with pytest.raises(PackageInvalid):
        extract(bytes(content), str(tmp_path))


def test_a_directory_with_too_many_entries_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry would become an object, before they can be counted."""
    monkeypatch.setattr("dsops.functions.packages.zipfile.ZipFile", None)
    with pytest.raises(PackageInvalid, match="more than 20000 files"):
        extract(b"PK\x01\x02" * 100_001, str(tmp_path))
