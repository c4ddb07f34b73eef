"""The files that say who somebody is, where botocore would look for them on behalf of a client.

botocore reads the environment and the folder of its process; the agent works for clients that have others.
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
"""Of a file of profiles: a thousand of them take a quarter of a megabyte."""

_VARIABLE = r"(?a)\$(\w+|\{[^}]*\})"


def config_file(environ: Mapping[str, str], folder: str = "") -> str:
    """The path of the config file."""
    return located(environ.get("AWS_CONFIG_FILE") or "~/.aws/config", environ, folder)


def credentials_file(environ: Mapping[str, str], folder: str = "") -> str:
    """The path of the credentials file."""
    return located(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials", environ, folder)


def located(path: str, environ: Mapping[str, str], folder: str, *, has_variables: bool = True) -> str:
    """The path that botocore opens for this one: `$NAME` and `~` by the environment, what is relative by the folder.

    `has_variables` is False for what botocore opens as it stands. `os.path.expanduser` and its like would ask this
    process's environment.
    """
    if has_variables:
        path = re.sub(_VARIABLE, lambda name: environ.get(name[1].strip("{}"), name[0]), path)
        path = _at_home(path, environ)
    return os.path.join(folder, path)


def content(path: str, most_bytes: int = 0) -> bytes:
    """The file's bytes; nothing where there is none, it may not be read, or is a pipe, whose other end may never come.

    With `most_bytes` no more than those are read: who named the file may be a stranger. Raises ConfigUnreadable for a
    failure that may pass, since what is there then is not nothing, and for a file without `most_bytes` that is huge.
    """
    try:
        return read_file(path, most_bytes).data if most_bytes else read_whole(path, _MOST_BYTES)
    except OSError as error:
        check_absent(path, error)
        return b""


def check_absent(path: str, error: OSError) -> None:
    """Raises ConfigUnreadable where that error says that this process can't look, not that nothing is there."""
    if error.errno not in _ABSENT:
        hint = "try again; if it stays so, look at the file and its disk"
        raise ConfigUnreadable(f"{path} can't be read: {reason(error)}", hint=hint) from error


def profile_region(environ: Mapping[str, str], profile: str, folder: str = "") -> str:
    """The region that a profile names in the config or credentials file; "" when it names none.

    Raises ConfigUnreadable when a file can't be read as what it should be.
    """
    region = ""
    # The credentials file comes last: in botocore what it says of a profile overrides the config file.
    for path, prefix in ((config_file(environ, folder), "profile "), (credentials_file(environ, folder), "")):
        for section, keys in sections(path).items():
            if section_name(section, prefix) == profile:
                region = keys.get("region", "").strip() or region
    return region


def sections(path: str, beginning: str = "") -> dict[str, dict[str, str]]:
    """The sections of a file in AWS's format, by their headers; none where there is no such file.

    With `beginning` those whose headers begin so, and the rest is not looked at: of a hundred profiles that takes a
    tenth of the time. Raises ConfigUnreadable when a file can't be read as what it should be.
    """
    from configparser import Error, RawConfigParser

    if not os.path.isfile(path):
        return {}  # as botocore: what is no regular file is not there
    parser = RawConfigParser(default_section="", strict=False)
    try:
        text = content(path).decode("utf-8")
        if beginning:
            text = "".join(each for each in re.split(r"(?m)^(?=\[)", text) if each.startswith(f"[{beginning}"))
        parser.read_string(text)
    except (Error, UnicodeDecodeError, OSError) as error:
        if beginning:
            return sections(path)  # where the lines have their own numbers
        # configparser's messages repeat the line, which may be a key.
        place = Where(path, _line_of(error))
        message = f"{path} can't be read as an AWS config file"
        hint = "in that line, write `[profile NAME]` or `key = value`" if place.line else "check what is in it"
        raise ConfigUnreadable(message, hint=hint, where=place) from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _line_of(error: Exception) -> int:
    """The first line that configparser could not read; 0 where it was something else."""
    lines = [getattr(error, "lineno", None), *(line for line, _ in getattr(error, "errors", ()))]
    return next((line for line in lines if isinstance(line, int)), 0)


def section_name(section: str, prefix: str) -> str:
    """The profile or session that a section header means: `[profile "my name"]`, `[default]`; "" for other sections."""
    if not prefix or section == "default":
        return section
    if not section.startswith(prefix):
        return ""
    return section.removeprefix(prefix).strip().strip("\"'")


def _at_home(path: str, environ: Mapping[str, str]) -> str:
    """`~` and `~user` as os.path.expanduser has them, with that environment's HOME."""
    if not path.startswith("~"):
        return path
    user, _, _ = path[1:].partition("/")
    home = "" if user else environ.get("HOME", environ.get("USERPROFILE", "") if os.name == "nt" else None)
    if home is None or user:
        home = _home_of(user)
    return path if home is None else (home.rstrip("/") + path[1 + len(user) :]) or "/"


def _home_of(user: str) -> str | None:
    """The home folder of the account of that name ("" for this process's user); None where there is no such."""
    try:
        import pwd

        return (pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())).pw_dir
    except (ImportError, KeyError):
        return None
