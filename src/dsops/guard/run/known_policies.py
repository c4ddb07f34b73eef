"""Remember the content of the policy files that guarded commands ran with, so that a later change is noticed.

A command that is not isolated can write the user's policy file, and would then be allowed more in its next run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from dsops.config.files import digest
from dsops.errors import FileNotWritten
from dsops.input_file import read_file
from dsops.render.file import write_private
from dsops.user_folders import state_folder

_DIGEST_BYTES = 64


def is_as_remembered(path: str, data: bytes, environ: Mapping[str, str]) -> bool | None:
    """Whether the file had this content when it was last remembered; None if it never was."""
    place = _place(path, environ)
    try:
        known = read_file(place, _DIGEST_BYTES, follows_links=False).data
    except OSError:
        return None
    return known == digest(data).encode()


def remember(path: str, data: bytes, environ: Mapping[str, str]) -> None:
    """Remember the content of a policy file. Without a home folder or disk space, nothing is remembered."""
    place = _place(path, environ)
    if place:
        with suppress(OSError, FileNotWritten):
            os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
            write_private(place, digest(data).encode())


def _place(path: str, environ: Mapping[str, str]) -> str:
    folder = state_folder(environ)
    return f"{folder}/guard/{digest(os.fsencode(os.path.realpath(path)))[:32]}" if folder else ""
