"""Remembers the names that the user has chosen, for the order of the next list. The file contains names only."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops.errors import DsopsError
from dsops.input_file import read_file
from dsops.render.file import write_private
from dsops.user_folders import state_folder

_MOST_NAMES, _LONGEST_NAME, _MOST_BYTES = 50, 300, 1 << 16


def recent_names(environ: Mapping[str, str]) -> list[str]:
    """Return the names chosen earlier, the latest first; [] if the file is missing or can't be read."""
    try:
        data = read_file(_path(environ), _MOST_BYTES, follows_links=False).data
    except OSError:
        return []
    names = [line for line in data.decode(errors="replace").split("\n") if 0 < len(line) <= _LONGEST_NAME]
    return list(dict.fromkeys(names))[:_MOST_NAMES]


def remember(name: str, environ: Mapping[str, str]) -> None:
    """Put the name at the top of the file. If the file can't be written, only the order of the next list suffers."""
    path = _path(environ)
    if not path or "\n" in name or len(name) > _LONGEST_NAME:
        return
    names = [name, *[other for other in recent_names(environ) if other != name]][:_MOST_NAMES]
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        write_private(path, "".join([f"{line}\n" for line in names]).encode(errors="replace"))
    except (OSError, DsopsError):
        return


def _path(environ: Mapping[str, str]) -> str:
    """Return ~/.local/state/dsops/recent, or the file below XDG_STATE_HOME if set; "" without a home folder."""
    folder = state_folder(environ)
    return f"{folder}/recent" if folder else ""
