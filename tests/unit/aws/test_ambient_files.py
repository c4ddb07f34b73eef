"""Reading profile and token files: whole or a prefix; anything that is not a regular file is closed and ignored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.aws.identity.ambient_files import content


def test_a_file_is_read_whole_or_in_part(tmp_path: Path) -> None:
    """`content` returns the whole file or its first bytes."""
    (tmp_path / "file").write_text("abcdef")
    assert (content(str(tmp_path / "file")), content(str(tmp_path / "file"), 4)) == (b"abcdef", b"abcd")


@pytest.mark.skipif(os.name == "nt", reason="Windows opens no folders, and has no named pipes in them")
def test_other_than_regular_files_are_closed_and_ignored(tmp_path: Path) -> None:
    """A folder, pipe, missing path or device has no content, and its descriptor is closed.

    The agent checks these paths at every run and would otherwise run out of descriptors.
    """
    os.mkfifo(tmp_path / "pipe")
    before = _next_descriptor()
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing", Path("/dev/zero")):
        assert content(str(path)) == b""
    assert _next_descriptor() == before


def _next_descriptor() -> int:
    descriptor = os.dup(0)
    os.close(descriptor)
    return descriptor
