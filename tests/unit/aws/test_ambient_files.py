"""The files of profiles and tokens: read whole or in part, and what is none leaves nothing open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.aws.identity.ambient_files import content


def test_a_file_is_read_whole_or_in_part(tmp_path: Path) -> None:
    """As much as is asked for."""
    (tmp_path / "file").write_text("abcdef")
    assert (content(str(tmp_path / "file")), content(str(tmp_path / "file"), 4)) == (b"abcdef", b"abcd")


@pytest.mark.skipif(os.name == "nt", reason="Windows opens no folders, and has no named pipes in them")
def test_what_is_no_file_is_nothing_and_leaves_nothing_open(tmp_path: Path) -> None:
    """The agent looks at every run, and would run out of descriptors."""
    os.mkfifo(tmp_path / "pipe")
    before = _next_descriptor()
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing", Path("/dev/zero")):
        assert content(str(path)) == b""
    assert _next_descriptor() == before


def _next_descriptor() -> int:
    descriptor = os.dup(0)
    os.close(descriptor)
    return descriptor
