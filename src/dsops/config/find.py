"""Find the configuration file."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops.errors import ConfigNotFound
from dsops.user_folders import home_folder, shown_path

NAME = "dsops.yaml"


def find(folder: str, environ: Mapping[str, str]) -> str:
    """Return the path of the nearest `dsops.yaml` in `folder` or above it.

    The search ends with the first folder that contains `.git` or is the home folder, because files above it may
    belong to other users. Raises ConfigNotFound.
    """
    here = start = os.path.realpath(folder)
    home = misnamed = ""
    while True:
        path = os.path.join(here, NAME)
        if os.path.lexists(path) and not os.path.isdir(path):
            return path
        if not home and (home := home_folder(environ)):
            home = os.path.realpath(home)
        if not misnamed and os.path.isfile(other := os.path.join(here, "dsops.yml")):
            misnamed = other
        parent = os.path.dirname(here)
        is_git = os.path.lexists(os.path.join(here, ".git"))
        if is_git or here in (home, parent):
            break
        here = parent
    looked = f"looked in {shown_path(start, environ)}"
    looked += f" and above it up to {shown_path(here, environ)}" if here != start else ""
    if is_git:
        looked += ", the top of a git repository"
    if misnamed:
        raise ConfigNotFound(
            f"there is no {NAME}", why=looked, hint=f"rename {misnamed} to {NAME}, or name it: --config {misnamed}"
        )
    hint = "`dsops init` writes one; --config FILE or DSOPS_CONFIG names another; `dsops exec PROFILE` needs none"
    raise ConfigNotFound(f"there is no {NAME}", why=looked, hint=hint)


def is_found(folder: str, environ: Mapping[str, str]) -> bool:
    """Whether `find` finds a configuration."""
    try:
        return bool(find(folder, environ))
    except ConfigNotFound:
        return False


def named_path(named: str, folder: str) -> str:
    """Return the absolute path of a file that the user named. Raises ConfigNotFound if it does not exist."""
    path = os.path.join(folder, named)
    if not os.path.lexists(path):
        raise ConfigNotFound(f"there is no {named}", hint="check the file's name on the command line, or DSOPS_CONFIG")
    if os.path.isdir(path):
        raise ConfigNotFound(f"{named} is a folder", hint=f"name the file: --config {os.path.join(named, NAME)}")
    return path


def local_path(path: str) -> str:
    """Return the path of the local file that overrides a configuration: `dsops.local.yaml` for `dsops.yaml`."""
    stem, extension = os.path.splitext(path)
    return f"{stem}.local{extension}"
