"""Checks the permissions of credential and configuration files.

A user who can write to such a file can act as the caller.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from shlex import quote
from typing import NamedTuple

from dsops.aws.identity.ambient_files import config_file, content, credentials_file, located
from dsops.config.files import is_own_group
from dsops.doctor.check import Check
from dsops.errors import ConfigUnreadable
from dsops.keyring import index
from dsops.plan import Step
from dsops.runtime import empty_file
from dsops.user_folders import shown_path

CODE = "doctor.file-mode"
CODES = {CODE: "no other user can write the files that decide the caller's identity, or read files with secrets"}
"""Maps the code of each check to the statement that is true if the check is ok."""
READ = 0o077
WRITTEN = 0o022

_TOKEN_FILES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
_CACHES = ("~/.aws/sso/cache", "~/.aws/login/cache")
_MOST_CACHE_FILES = 1000
_SECRETS = rb"(?m)^\s*(aws_secret_access_key|aws_session_token)\s*="
_SECRET_SETTINGS = ("web_identity_token_file", "saml_assertion_file", "private_key")


class Watched(NamedTuple):
    """A file to check, and the mode bits that it must not have."""

    path: str
    forbidden: int


class TooOpenFile(NamedTuple):
    """A file whose mode gives other users access."""

    path: str
    mode: int
    forbidden: int
    is_link: bool
    is_ours: bool

    @property
    def wanted(self) -> int:
        """The file's mode without the forbidden bits."""
        return self.mode & ~self.forbidden

    @property
    def may_be_mended(self) -> bool:
        """Whether the mode can safely be changed: the user owns the file, and the path is not a symbolic link."""
        return self.is_ours and not self.is_link


def watched_files(
    configuration: Iterable[str], steps: Iterable[Step], environ: Mapping[str, str], folder: str
) -> list[Watched]:
    """Return the files that determine the caller's identity, without repetition.

    `configuration` has the paths of dsops.yaml and of the files that it includes.
    """
    watched = [Watched(path, WRITTEN) for path in configuration]
    watched.append(Watched(credentials_file(environ, folder), READ))
    path = config_file(environ, folder)
    watched.append(Watched(path, READ if _has_secrets(path) else WRITTEN))
    named = [(name, environ.get(name, "")) for name in _TOKEN_FILES]
    named += [(name, str(step.settings.get(name, ""))) for step in steps for name in _SECRET_SETTINGS]
    tokens = [located(path, environ, folder, has_variables=False) for _, path in named if path]
    # Kubernetes mounts its tokens as symbolic links, and controls access to them itself.
    watched += [Watched(path, READ) for path in tokens if not os.path.islink(path)]
    for cache in _CACHES:
        watched += [Watched(path, READ) for path in _files_in(located(cache, environ, folder))]
    watched += [Watched(path, WRITTEN) for path in [index.path_of(environ)] if path]
    ours = empty_file()  # A sandbox and `exec --serve` use this empty file in place of the user's AWS files.
    return list({file.path: file for file in watched if file.path != ours}.values())


def loose_files(watched: Iterable[Watched]) -> Iterator[TooOpenFile]:
    """Yield the files whose mode has forbidden bits. Skips paths that do not exist or are not regular files."""
    if os.name != "posix":
        return
    for path, forbidden in watched:
        try:
            status, is_link = os.stat(path), os.path.islink(path)
        except (OSError, ValueError):
            continue
        mode, is_ours = stat.S_IMODE(status.st_mode), status.st_uid == os.geteuid()
        if forbidden == READ and not is_ours:
            continue  # The file with a secret belongs to another user, who shares it with this user on purpose.
        counted = forbidden & ~0o070 if is_own_group(status.st_gid) else forbidden
        if stat.S_ISREG(status.st_mode) and mode & counted:
            yield TooOpenFile(path, mode, forbidden, is_link, is_ours)


def check_files(watched: list[Watched], environ: Mapping[str, str], folder: str) -> Iterator[Check]:
    """Yield a warning for each file whose mode gives other users access, or one `ok` if there are none."""
    loose = list(loose_files(watched))
    for file in loose:
        name = shown_path(file.path, environ, folder)
        yield Check(CODE, f"file {name}", "warning", _detail(file), _reason_for(file), _hint(file, name))
    if not loose and os.name == "posix":
        number = sum(os.path.isfile(path) for path, _ in watched)
        yield Check(CODE, "file modes", "ok", f"{number} {'file' if number == 1 else 'files'} looked at")


def _detail(file: TooOpenFile) -> str:
    others = file.mode & file.forbidden
    access = "read and write" if others & 0o044 and others & 0o022 else "write" if others & 0o022 else "read"
    return f"others may {access} it: its mode is {file.mode:03o}"


def _reason_for(file: TooOpenFile) -> str:
    if file.forbidden == READ:
        return "anyone who reads it can act as its owner"
    return "anyone who can write it decides which roles are assumed, and where secrets come from"


def _hint(file: TooOpenFile, name: str) -> str:
    word = f"~/{quote(name[2:])}" if name.startswith("~/") else quote(name)  # A shell expands only an unquoted `~`.
    command = f"chmod {file.wanted:03o} {word}"
    if file.may_be_mended:
        return f"`{command}`, or `dsops doctor --fix`"
    return f"`{command}` on the file behind the link" if file.is_link else f"its owner has to say `{command}`"


def _has_secrets(path: str) -> bool:
    try:
        return re.search(_SECRETS, content(path)) is not None
    except ConfigUnreadable:
        return False


def _files_in(folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder))[:_MOST_CACHE_FILES]
    except OSError:
        return
    for name in names:
        if name.endswith(".json"):
            yield os.path.join(folder, name)
