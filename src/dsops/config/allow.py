"""Permissions to run discovered configurations: the user allows a configuration with its present content.

A permission covers:

- the paths as written, and the folder
- the content of every file of the configuration
- the owners of links and targets

After any change, the user is asked again.

A permission is a file that belongs to the user and is named after the digest of everything covered, in one folder per
configuration. The file contains the list of files, and what the configuration could do, to show the difference later.
Checks use the bytes that were read (`SourceFile`) and never read a file a second time.

`dsops hook allow` saves separate permissions, because entering a folder loads its environment into a shell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from dsops.config.files import digest, is_pipeline, read_regular
from dsops.config.find import local_path
from dsops.errors import ConfigError, FileNotWritten, NotAllowed
from dsops.input_file import read_file
from dsops.model import SourceFile
from dsops.startup import NamedTuple
from dsops.user_folders import data_folder

RUNNING = "allow"
"""The name of the folder with permissions to run a configuration."""
HOOKED = "hook-allow"
"""The name of the folder with permissions for a shell's hook to load an environment."""

_HEAD = b"dsops permission 1 "
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_MOST_BYTES = 1 << 24
_MOST_KEPT = 50
"""The maximum number of permissions kept for one configuration: enough for its branches, but not for its history."""


class Permission(NamedTuple):
    """One version of a configuration that the user has allowed."""

    files: tuple[SourceFile, ...]
    """The files, the main one first."""
    powers: tuple[str, ...]
    """What the configuration could do when it was allowed, as it was shown to the user."""


def is_allowed(files: tuple[SourceFile, ...], environ: Mapping[str, str], permission_kind: str = RUNNING) -> bool:
    """Return whether the user has allowed these files as they were read; a CI pipeline's checkout is allowed."""
    if permission_kind == RUNNING and is_pipeline(environ):
        # In a CI pipeline, files that other users can write are accepted, because GitLab's runner uses umask 0 for its
        # checkout.
        return True
    if any(file.is_shared for file in files):
        return False
    folder = permission_folder(files[0].written, environ, permission_kind)
    name = _name(files)
    return bool(folder) and _read(os.path.join(folder, name), name) is not None


def is_usable(files: tuple[SourceFile, ...], environ: Mapping[str, str]) -> bool:
    """Whether the user's own files can be used: they need no permission, but only the user may write them."""
    return is_pipeline(environ) or not any(file.is_shared for file in files)


def refuse_shared(files: tuple[SourceFile, ...]) -> None:
    """Raise NotAllowed for a file that another user can write, since that user could change it after the permission."""
    for file in files:
        if file.is_shared:
            raise NotAllowed(
                f"other users can write {file.shown}",
                why="dsops found this file by itself, and those users could decide which variables a command gets",
                hint=f"remove their write permission: `chmod go-w {file.shown}`",
            )


def not_allowed(file: str, why: str = "", *, flags: str = "", or_else: str = "") -> NotAllowed:
    """Return the error for a configuration that must not be run; `flags` are the flags that `dsops allow` needs."""
    return NotAllowed(
        f"you have not allowed the current content of {file}",
        why=why or "dsops found this file by itself, so it uses the file only after you allow it",
        hint=f"`dsops allow{flags}` shows what the file can do, and allows it{or_else}",
    )


def allow(
    files: tuple[SourceFile, ...],
    environ: Mapping[str, str],
    permission_kind: str = RUNNING,
    powers: Iterable[str] = (),
) -> None:
    """Save a permission for these files. Earlier permissions are kept, for users who switch branches.

    Raises NotAllowed for a file that another user can write, ConfigError without a home folder, FileNotWritten if the
    permission can't be written.
    """
    refuse_shared(files)
    folder, name = permission_folder(files[0].written, environ, permission_kind), _name(files)
    if not folder:
        raise ConfigError(
            "there is no folder to store the permission in",
            why="neither XDG_DATA_HOME nor HOME is set",
            hint="name the file: --config" if permission_kind == RUNNING else "set HOME to your home folder",
        )
    lines = [_HEAD + name.encode(), *_lines(files), *[b"can " + _quote(power) for power in powers]]
    path = os.path.join(folder, name)
    part = f"{path}.{os.urandom(4).hex()}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join([line + b"\n" for line in lines]))
        os.replace(part, path)
        for old in _newest_first(folder)[_MOST_KEPT:]:
            _remove(old)
        os.utime(folder)  # The new mtime makes every shell with the hook check the folder again at its next prompt.
    except OSError as error:
        _remove(part)
        raise _not_written(path, error) from error
    if _read(path, name) is None:
        raise FileNotWritten(
            f"{path} is not trusted",
            why="the file belongs to another user, or other users can read or write it",
            hint=f"remove the file, or make it yours alone: `chmod 600 {path}`",
        )


def disallow(path: str, environ: Mapping[str, str], permission_kind: str = RUNNING) -> bool:
    """Remove all permissions for the main file at that path, as written; return whether there were any."""
    folder = permission_folder(path, environ, permission_kind)
    try:
        names = [name for name in os.listdir(folder) if _is_name(name)] if folder else []
        for name in names:
            os.unlink(os.path.join(folder, name))
        if names:
            os.utime(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _not_written(folder, error) from error
    return bool(names)


def permissions(path: str, environ: Mapping[str, str], permission_kind: str = RUNNING) -> list[Permission]:
    """Return the permissions for the main file at that path, as written, the latest permission first."""
    folder = permission_folder(path, environ, permission_kind)
    read = [_read(file, os.path.basename(file)) for file in (_newest_first(folder) if folder else [])]
    return [_parse(lines) for lines in read if lines is not None]


def is_as_allowed(path: str, allowed: Iterable[Permission]) -> bool:
    """Return whether the files of one of the permissions are all unchanged. Parses nothing.

    This avoids parsing a file that an attacker wrote. Whether the configuration is allowed is decided later, from the
    content that is then read.
    """
    has_local = os.path.lexists(local_path(path))
    for permission in allowed:
        had_local = any(file.written == local_path(path) for file in permission.files)
        if had_local == has_local and all(_is_same(file) for file in permission.files):
            return True
    return False


def check_left_out(files: tuple[SourceFile, ...], path: str, environ: Mapping[str, str]) -> None:
    """Raise NotAllowed unless the files at that path still have the same content, and the user has not allowed them.

    Another process has left these files out. They are compared with what it has read, and not parsed.
    """
    is_same = files[0].written == path and is_as_allowed(path, (Permission(files, ()),))
    if not is_same or is_allowed(files, environ):
        raise not_allowed(path)


def permission_check(path: str, environ: Mapping[str, str], permission_kind: str) -> Callable[[SourceFile], None]:
    """Return a function that raises NotAllowed unless the files of a project have the content that the user allowed.

    The agent calls it before it parses a file: a file that an attacker wrote may take minutes to parse.
    """
    checked: list[SourceFile] = []

    def check(file: SourceFile) -> None:
        if checked or (permission_kind == RUNNING and is_pipeline(environ)):
            return  # the permission of the main file covers the other files
        written = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if not is_as_allowed(written, permissions(written, environ, permission_kind)):
            raise not_allowed(file.shown)
        checked.append(file)

    return check


def permissions_path(environ: Mapping[str, str], permission_kind: str = RUNNING) -> str:
    """Return the folder of all permissions of one kind; "" without a home folder."""
    data = data_folder(environ)
    return os.path.join(data, permission_kind) if data else ""


def permission_folder(path: str, environ: Mapping[str, str], permission_kind: str) -> str:
    """Return the folder of one main file's permissions; "" without a home folder.

    The folder's modification time changes with every permission.
    """
    parent = permissions_path(environ, permission_kind)
    return os.path.join(parent, digest(os.fsencode(path))[:32]) if parent else ""


def content_digest(layers: Iterable[tuple[SourceFile, ...]]) -> str:
    """Return the digest of the files of several layers."""
    return digest(b"\n\n".join([b"\n".join(_lines(files)) for files in layers]))


def listing(files: tuple[SourceFile, ...]) -> str:
    """Return the files as text, one line each."""
    return os.fsdecode(b"\n".join(_lines(files)))


def files_of(text: str) -> tuple[SourceFile, ...]:
    """Return the files that `listing` encoded. Raises ValueError for another text."""
    return _parse(os.fsencode(text).split(b"\n")).files


def _name(files: tuple[SourceFile, ...]) -> str:
    """Return the digest of everything that a permission covers, which is the name of the permission's file."""
    main, *others = _lines(files)
    return digest(b"\n".join([main, *sorted(others)]))


def _lines(files: tuple[SourceFile, ...]) -> list[bytes]:
    return [
        b"file %s %d %d %s %s" % (file.sha256.encode(), *file.owners, _quote(file.written), _quote(file.path))
        for file in files
    ]


def _parse(lines: list[bytes]) -> Permission:
    files = []
    for line in lines:
        if line.startswith(b"file "):
            _, sha256, of_link, of_file, written_path, path = line.split(b" ")
            owners = int(of_link), int(of_file)
            files.append(SourceFile(_unquote(path), sha256.decode(), "", _unquote(written_path), owners))
    return Permission(tuple(files), tuple(_unquote(line[4:]) for line in lines if line.startswith(b"can ")))


_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b" ", b"\\s"))


def _quote(text: str) -> bytes:
    """Escape the text so that it becomes one word on one line."""
    data = os.fsencode(text)
    for plain, escaped in _ESCAPES:
        if plain in data:
            data = data.replace(plain, escaped)
    return data


def _unquote(data: bytes) -> str:
    parts = data.split(b"\\\\")
    for plain, escaped in _ESCAPES[1:]:
        parts = [part.replace(escaped, plain) for part in parts]
    return os.fsdecode(b"\\".join(parts))


def _is_same(file: SourceFile) -> bool:
    """Whether the file at that path still has the allowed content."""
    if os.path.realpath(file.written) != file.path:
        return False
    data = read_regular(file.path)
    return data is not None and digest(data) == file.sha256


def _read(path: str, name: str) -> list[bytes] | None:
    """Return the lines of a permission; None if it does not exist, or if another user could have written it."""
    try:
        data, status = read_file(path, _MOST_BYTES, follows_links=False)
    except OSError:
        return None
    is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    # Most files of a checkout fail this check: git creates files with mode 0600 only under a umask of 077.
    if not is_ours or (os.name == "posix" and status.st_mode & 0o077):
        return None
    lines = data.split(b"\n")
    return lines[1:-1] if lines[0] == _HEAD + name.encode() else None


def _is_name(name: str) -> bool:
    """Return whether a file name has the form of a permission's name.

    Another user may have replaced the folder by a link to a folder with other files.
    """
    return len(name) == len(digest(b"")) and not name.strip("0123456789abcdef")


def _newest_first(folder: str) -> list[str]:
    try:
        entries = [entry for entry in os.scandir(folder) if _is_name(entry.name)]
        entries.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime_ns, reverse=True)
    except OSError:
        return []
    return [entry.path for entry in entries]


def _remove(path: str) -> None:
    try:  # noqa: SIM105 - contextlib is one more module of a cold run
        os.unlink(path)
    except OSError:
        pass


def _not_written(path: str, error: OSError) -> FileNotWritten:
    return FileNotWritten(f"{path} can't be written: {(error.strerror or 'unknown reason').lower()}")
