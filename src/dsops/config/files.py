"""Read the files of a configuration: the main file, the local file beside it, and included files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from collections.abc import Mapping as MappingOf

from dsops.config.find import local_path
from dsops.config.problems import Problems
from dsops.document import MAX_CHARACTERS, Mapping, Scalar, Sequence, parse_yaml
from dsops.errors import ConfigTooLarge, ConfigUnreadable, Where
from dsops.input_file import FileCache, read_file, read_whole, reason
from dsops.model import SourceFile
from dsops.startup import cast
from dsops.user_folders import shown_path

try:  # `hashlib` is not imported, because it would load OpenSSL and take 2.5 ms of a cold run.
    from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]  # Python 3.11
    except ImportError:  # This module is missing if Python was built without its own hash functions.
        from hashlib import sha256


_LARGE = 1 << 17


def digest(data: bytes) -> str:
    """Return the SHA-256 of the bytes, in hex."""
    if len(data) >= _LARGE:
        # OpenSSL uses the processor's instructions for SHA-256, and is seven times as fast.
        from hashlib import sha256 as openssl_sha256

        return openssl_sha256(data).hexdigest()
    return str(sha256(data).hexdigest())


_MAX_BYTES = MAX_CHARACTERS
_MAX_DEPTH = 10
_MAX_FILES = 100
_MAX_INCLUDES = 200
"""The maximum number of includes. A file is counted once for each file that includes it."""


class ConfigSource:
    """The content of one file: `shown` is the file's name in errors, `root` the parsed content."""

    __slots__ = ("_data", "_root", "includes", "sha256", "shown")

    def __init__(
        self, shown: str, sha256: str, data: bytes, root: Mapping | None, includes: list[Scalar] | None = None
    ) -> None:
        """Create the source. If `root` is None, the data were valid in an earlier run and are parsed on first use.

        `includes` are the paths of the included files; None if the file was not searched for them yet.
        """
        self.shown = shown
        self.sha256 = sha256
        self.includes = includes
        self._data = data
        self._root = root

    @property
    def root(self) -> Mapping:
        """The parsed content."""
        if self._root is None:
            self._root = cast("Mapping", parse_yaml(_decoded(self._data), self.shown).root)
        return self._root


class ConfigReader:
    """Reads each file of a configuration once. In `sources`, later files override earlier files."""

    def __init__(
        self,
        folder: str,
        environ: MappingOf[str, str],
        problems: Problems,
        *,
        is_named: bool,
        drafts: MappingOf[str, bytes] | None = None,
        kept: FileCache | None = None,
        check: Callable[[SourceFile], None] | None = None,
    ) -> None:
        """Create the reader; `drafts` are file contents, by real path, that replace those on disk.

        `kept` has the includes of the files that were parsed earlier without a problem: such a file is parsed only
        when its content is needed. `check` is called before a file is parsed.
        """
        self.sources: list[ConfigSource] = []
        self.files: list[SourceFile] = []
        self.shown: list[str] = []
        self._folder = folder
        self._environ = environ
        self._owners = None if is_named else _trusted_owners(environ)
        self._problems = problems
        self._drafts = drafts or {}
        self._kept = kept
        self._check = check
        self._read: dict[str, ConfigSource | None] = {}
        self._followed = 0

    def read(self, path: str) -> None:
        """Read the main file, the local file beside it if there is one, and all included files."""
        main = self._source(path, is_main=True)
        has_local = os.path.lexists(local_path(path))
        local = self._source(local_path(path)) if has_local else None
        if main is None and self._problems.is_empty:
            where = Where(self.shown[0])
            self._problems.add(where, "", "the file is empty", "`dsops init` writes an example")
        for file, source in ((path, main), (local_path(path), local)):
            if source is not None:
                self._add(file, source, ())

    def _add(self, path: str, source: ConfigSource, chain: tuple[str, ...]) -> None:
        """Add the files that a file includes, then the file itself. `chain` has the files that include this one."""
        includes = self._includes_of(source)
        if includes:
            chain = (*chain, os.path.realpath(path))
        for include in includes:
            where = Where(source.shown, include.line)
            include_path = os.path.join(os.path.dirname(path), include.text)
            real = os.path.realpath(include_path)
            if real in chain:
                loop = " -> ".join([self._shown_path(file) for file in (*chain[chain.index(real) :], real)])
                message, hint = f"files include each other: {loop}", "remove one of the includes"
                if real == chain[-1]:
                    message, hint = f"{source.shown} includes itself", "remove that"
                self._problems.add(where, "include", message, hint)
            elif not os.path.isfile(include_path):
                hint = f"paths start at the folder of {source.shown}"
                self._problems.add(where, "include", f"there is no file `{include.text}`", hint)
            elif len(chain) > _MAX_DEPTH or len(self.files) >= _MAX_FILES:
                message = f"includes go more than {_MAX_DEPTH} deep, or to more than {_MAX_FILES} files"
                self._problems.add(where, "include", message)
            elif self._followed >= _MAX_INCLUDES:
                message = f"more than {_MAX_INCLUDES} includes: a file counts each time that it is included"
                self._problems.add(where, "include", message, "include the common file once")
                break
            else:
                self._followed += 1
                included = self._source(include_path)
                if included is not None:
                    self._add(include_path, included, chain)
        self.sources.append(source)

    def _includes_of(self, source: ConfigSource) -> list[Scalar]:
        if source.includes is None:
            source.includes = _includes(source, self._problems)
            if self._kept and self._problems.is_empty:
                self._kept.keep(("file", source.shown, source.sha256), source.includes, 0)
        return source.includes

    def _source(self, path: str, *, is_main: bool = False) -> ConfigSource | None:
        """Parse a file; return None if it is empty or can't be parsed. Parse errors become problems."""
        written_path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        real = os.path.realpath(written_path) if os.path.islink(written_path) else written_path
        if real in self._read:
            return self._read[real]
        shown_path = self._shown_path(path)
        file = SourceFile(real, "", shown_path, written_path)
        if real in self._drafts:
            data = self._drafts[real]
        else:
            data, file = self._bytes(path, file, is_main=is_main)
        file = file._replace(sha256=digest(data), size=len(data))
        self.files.append(file)
        self.shown.append(shown_path)
        includes: list[Scalar] | None = self._kept.get(("file", shown_path, file.sha256)) if self._kept else None
        if includes is None:
            if self._check:
                self._check(file)
            source = self._parse(data, file)
        else:
            source = ConfigSource(shown_path, file.sha256, data, None, includes)
        self._read[real] = source
        return source

    def _bytes(self, path: str, file: SourceFile, *, is_main: bool) -> tuple[bytes, SourceFile]:
        """Return the bytes, and the file with the facts about who can change it.

        Raises for an unreadable file, or a file that belongs to another user. A discovered file is opened by the real
        path of its link's target: if the link is replaced meanwhile, the new link is not followed.
        """
        shown_path, is_found = file.shown, self._owners is not None
        try:
            link = os.lstat(path)
            self._check_owner(link, shown_path)
            data, status = read_file(
                file.path if is_found else path,
                _MAX_BYTES + 1,
                takes_pipes=is_main and not is_found,  # For `--config <(make-one)`, the shell passes a pipe.
                follows_links=not is_found,
                check=lambda status: self._check_owner(status, shown_path),
            )
        except OSError as error:
            raise _unreadable(path, shown_path, error) from error
        if len(data) > _MAX_BYTES:
            raise ConfigTooLarge(
                f"{shown_path} is too large to be a configuration",
                why=f"dsops reads at most {_MAX_BYTES // 1024} KiB",
                hint="check that it is the right file; split a large configuration with `include`",
            )
        return data, file._replace(owners=(link.st_uid, status.st_uid), is_shared=is_shared(status))

    def _check_owner(self, status: os.stat_result, shown_path: str) -> None:
        if self._owners is not None and status.st_uid not in self._owners:
            raise ConfigUnreadable(
                f"{shown_path} belongs to another user",
                why="dsops found this file by itself, and its owner decides which variables a command gets",
                hint=f"if you trust the file, name it: --config {shown_path}",
            )

    def _parse(self, data: bytes, file: SourceFile) -> ConfigSource | None:
        shown_path = file.shown
        try:
            text = _decoded(data)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self._problems.has_bad_syntax = True
            self._problems.add(Where(shown_path, line), "", "the text is not UTF-8", "save the file as UTF-8")
            return None
        document = parse_yaml(text, shown_path)
        self._problems.extend(document.problems)
        self._problems.is_too_large |= document.is_too_large
        if document.root is None:
            self._problems.has_bad_syntax |= bool(document.problems)
            return None
        if not isinstance(document.root, Mapping):
            message = "the file is not a mapping of keys such as `secretStores:` and `envs:`"
            self._problems.add(Where(shown_path, document.root.line), "", message, "`dsops init` writes an example")
            return None
        return ConfigSource(shown_path, file.sha256, data, document.root)

    def _shown_path(self, path: str) -> str:
        return shown_path(path, self._environ, self._folder)


def _decoded(data: bytes) -> str:
    return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8")


def is_pipeline(environ: MappingOf[str, str]) -> bool:
    """Return whether dsops runs in a CI pipeline with a trusted checkout: `CI=true`, unless DSOPS_TRUST is set."""
    return environ.get("CI", "").lower() in ("true", "1") and not environ.get("DSOPS_TRUST", "")


def is_own_group(gid: int) -> bool:
    """Return whether the group is the user's primary group, which may write to files made with a umask of 002."""
    from pwd import getpwuid

    try:
        return gid == getpwuid(os.geteuid()).pw_gid
    except KeyError:
        return False


def read_regular(path: str) -> bytes | None:
    """Return the bytes of a regular file; None for a link, a file above the size limit, or anything else."""
    try:
        return read_whole(path, _MAX_BYTES, follows_links=False)
    except OSError:
        return None


def is_shared(status: os.stat_result) -> bool:
    """Whether another user can write the file."""
    if os.name != "posix":
        return False
    by_group = status.st_mode & stat.S_IWGRP and not is_own_group(status.st_gid)
    return bool(status.st_mode & stat.S_IWOTH or by_group)


def _unreadable(path: str, shown_path: str, error: OSError) -> ConfigUnreadable:
    """Return the error for a file that exists and can't be opened."""
    if isinstance(error, PermissionError):
        hint = f"let yourself read it: `chmod u+r {shown_path}`, or ask its owner"
    elif isinstance(error, FileNotFoundError):
        hint = f"it is a link to {os.path.realpath(path)}: make that file, or remove the link"
    elif error.errno == errno.EINVAL:
        hint = "name a regular file with `--config`"
    elif error.errno == errno.EISDIR:
        hint = "move it away, or put a file there"
    else:
        hint = "check the file and its disk: reading it with `cat` should fail, too"
    return ConfigUnreadable(f"{shown_path} can't be read: {reason(error)}", hint=hint)


def _includes(source: ConfigSource, problems: Problems) -> list[Scalar]:
    node = source.root.get("include")
    if node is None:
        return []
    includes: list[Scalar] = []
    for item in node.items if isinstance(node, Sequence) else (node,):
        where = Where(source.shown, item.line)
        if not isinstance(item, Scalar) or item.kind == "null" or not item.text or "\0" in item.text:
            problems.add(where, "include", "`include` takes the path of a file, or a list of such paths")
        elif "${" in item.text:
            problems.add(where, "include", "`${...}` is not replaced in the path of an include", "write the path out")
        else:
            includes.append(item)
    return includes


def _trusted_owners(environ: MappingOf[str, str]) -> frozenset[int] | None:
    """Return the ids of users whose discovered files are trusted.

    They are the user, root, and under sudo the user who called it, as for git's safe.directory. The result is None on
    systems where files have no owners (Windows).
    """
    if not hasattr(os, "geteuid"):
        return None
    user = os.geteuid()
    owners = {user, 0}
    if user == 0 and environ.get("SUDO_UID", "").isdecimal():
        owners.add(int(environ["SUDO_UID"]))
    return frozenset(owners)
