"""Find the folders in which `dsops access collect` keeps facts by default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from dsops.access.facts.json_files import read_object, text_of
from dsops.access.facts.layout import ACCOUNTS, COLLECTION
from dsops.user_folders import data_folder


def default_folder(environ: Mapping[str, str], name: str) -> str:
    """Return the folder for an organization's or account's id; "" without a home folder."""
    parent = _parent(environ)
    return os.path.join(parent, name) if parent else ""


def last_collected(environ: Mapping[str, str]) -> str | None:
    """Return the folder of the last collection, complete or interrupted; None if there is none."""
    parent, times = _parent(environ), {}
    with suppress(OSError):
        for name in os.listdir(parent) if parent else ():
            folder = os.path.join(parent, name)
            with suppress(OSError):
                times[folder] = max(os.stat(path).st_mtime_ns for path in (folder, os.path.join(folder, ACCOUNTS)))
    return max(times, key=lambda folder: times[folder]) if times else None


def collected_at(folder: str) -> str:
    """Return when a folder was collected completely, such as `2026-11-28T12:00:00Z`; "" if it was not."""
    return text_of(read_object(os.path.join(folder, COLLECTION)).value, "CollectedAt")


def _parent(environ: Mapping[str, str]) -> str:
    data = data_folder(environ)
    return os.path.join(data, "access") if data else ""
