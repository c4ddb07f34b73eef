"""Locate and read AWS config and credentials files as botocore would for a client.

botocore reads the environment variables and working directory of its own process. The agent works for clients that
have different variables and a different directory.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping

from dsops.errors import ConfigUnreadable, Where
from dsops.input_file import read_file, read_whole, reason

_ABSENT = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EACCES,
    errno.EPERM,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENXIO,
    errno.EINVAL,
)

_MOST_BYTES = 1 << 24
"""The maximum size in bytes of a file of profiles. A thousand profiles take a quarter of a megabyte."""

_VARIABLE = r"(?a)\$(\w+|\{[^}]*\})"


def config_file(environ: Mapping[str, str], folder: str = "") -> str:
    """Return the path of the AWS config file."""
    return located(environ.get("AWS_CONFIG_FILE") or "~/.aws/config", environ, folder)


def credentials_file(environ: Mapping[str, str], folder: str = "") -> str:
    """Return the path of the shared credentials file."""
    return located(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials", environ, folder)


def located(path: str, environ: Mapping[str, str], folder: str, *, has_variables: bool = True) -> str:
    """Resolve a path as botocore does: expand `$NAME` and `~` from `environ`, then make it absolute in `folder`.

    `has_variables` is False for paths that botocore opens literally. `os.path.expanduser` is not used: it reads this
    process's environment.
    """
    if has_variables:
        if "$" in path:
            path = re.sub(_VARIABLE, lambda name: environ.get(name[1].strip("{}"), name[0]), path)
        path = at_home(path, environ)
    return os.path.join(folder, path)


def content(path: str, most_bytes: int = 0) -> bytes:
    """Return the file's bytes; b"" if it is missing, unreadable, or a pipe, which may block without a writer.

    `most_bytes` limits the size of a file that an untrusted source may have named. Raises ConfigUnreadable for a
    temporary failure, because the content is then unknown and not empty. Also raises ConfigUnreadable for a huge file
    if `most_bytes` is not set.
    """
    try:
        return read_file(path, most_bytes).data if most_bytes else read_whole(path, _MOST_BYTES)
    except OSError as error:
        check_absent(path, error)
        return b""


def check_absent(path: str, error: OSError) -> None:
    """Raise ConfigUnreadable for a temporary error; a missing file, or one without read permission, counts as empty."""
    if error.errno not in _ABSENT:
        hint = "try again; if the error persists, check the file and its disk"
        raise ConfigUnreadable(f"{path} can't be read: {reason(error)}", hint=hint) from error


def profile_region(environ: Mapping[str, str], profile: str, folder: str = "") -> str:
    """Return the region in a profile's settings, from the config or credentials file; "" when it has none.

    Raises ConfigUnreadable when a file can't be parsed.
    """
    region = ""
    # The credentials file is read last: as in botocore, its settings override those of the config file.
    for path, prefix in ((config_file(environ, folder), "profile "), (credentials_file(environ, folder), "")):
        for section, keys in sections(path).items():
            if section_name(section, prefix) == profile:
                region = keys.get("region", "").strip() or region
    return region


def sections(path: str, beginning: str = "") -> dict[str, dict[str, str]]:
    """Return the sections of an AWS config file by header; {} when there is no such file.

    `beginning` limits parsing to sections whose headers start with it. For a hundred profiles, this takes a tenth of
    the time. Raises ConfigUnreadable when the file can't be parsed.
    """
    from configparser import Error, RawConfigParser

    if not os.path.isfile(path):
        return {}  # as in botocore, a path that is not a regular file is ignored
    parser = RawConfigParser(default_section="", strict=False)
    try:
        text = content(path).decode("utf-8")
        if beginning:
            text = "".join(
                section_text
                for section_text in re.split(r"(?m)^(?=\[)", text)
                if section_text.startswith(f"[{beginning}")
            )
        parser.read_string(text)
    except (Error, UnicodeDecodeError, OSError) as error:
        if beginning:
            return sections(path)  # parsing the whole file gives the correct line number
        # The error omits configparser's message, which repeats the line: the line may contain a key.
        place = Where(path, _line_of(error))
        message = f"{path} can't be read as an AWS config file"
        hint = "in that line, write `[profile NAME]` or `key = value`" if place.line else "check what is in it"
        raise ConfigUnreadable(message, hint=hint, where=place) from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _line_of(error: Exception) -> int:
    """Return the first line that configparser could not read; 0 when the error has no line."""
    lines = [getattr(error, "lineno", None), *(line for line, _ in getattr(error, "errors", ()))]
    return next((line for line in lines if isinstance(line, int)), 0)


def section_name(section: str, prefix: str) -> str:
    """Return the profile or session that a header such as `[profile "my name"]` names; "" for other sections.

    `[default]` names the profile `default`.
    """
    if not prefix or section == "default":
        return section
    if not section.startswith(prefix):
        return ""
    return section.removeprefix(prefix).strip().strip("\"'")


def at_home(path: str, environ: Mapping[str, str]) -> str:
    """Expand `~` and `~user` like os.path.expanduser, but with HOME from `environ`."""
    if not path.startswith("~"):
        return path
    user, _, _ = path[1:].partition("/")
    home = "" if user else environ.get("HOME", environ.get("USERPROFILE", "") if os.name == "nt" else None)
    if home is None or user:
        home = _home_of(user)
    return path if home is None else (home.rstrip("/") + path[1 + len(user) :]) or "/"


def _home_of(user: str) -> str | None:
    """Return the home folder of that user ("" for this process's user); None when there is no such user."""
    try:
        import pwd

        return (pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())).pw_dir
    except (ImportError, KeyError):
        return None
