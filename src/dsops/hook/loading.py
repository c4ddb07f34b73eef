"""Find the configuration that a shell's hook may load, and write the shell code that loads an environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from dsops import config as configuration
from dsops.config import HOOKED
from dsops.config.allow import is_as_allowed, permission_folder, permissions, refuse_shared
from dsops.credentials import FRESH_SECONDS, USABLE_SECONDS, Credentials
from dsops.errors import ConfigNotFound, NotAllowed
from dsops.hook.marks import times_of
from dsops.model import Config
from dsops.render.fish import quote_bytes
from dsops.render.shell import quote
from dsops.runtime import Runtime
from dsops.startup import NamedTuple
from dsops.stores import StoreTypes


class Loaded(NamedTuple):
    """The changes to a shell's variables when it loads an environment."""

    environment: str
    values: Mapping[str, bytes]
    removed: tuple[str, ...]
    """Inherited variables to unset, because they set another AWS identity than the environment does."""
    seconds: int | None
    """Seconds until the first loaded session must be renewed; None if no session expires."""


def load_found(runtime: Runtime) -> Config:
    """Load the configuration found from the working folder upward. DSOPS_CONFIG is ignored."""
    try:
        return configuration.load(
            folder=runtime.folder, environ=runtime.environ, types=StoreTypes(), permission=HOOKED, kept=runtime.kept
        )
    except ConfigNotFound as error:
        error.retell(error.message, hint="`dsops init` writes one; the hook takes no other name, and no DSOPS_CONFIG")
        raise


def watched_times(path: str, runtime: Runtime) -> dict[str, int | None]:
    """Return the modification times of the files that decide about the permission. Call it before reading the files."""
    folder = permission_folder(path, runtime.environ, HOOKED)
    return times_of([path, configuration.local_path(path), *([folder] if folder else [])])


def allowed_config(path: str, times: dict[str, int | None], runtime: Runtime) -> Config:
    """Load the configuration at that path if the user has allowed it for the hook; otherwise raise NotAllowed.

    The modification times of the other files that belong to the configuration are added to `times`.
    """
    allowed = permissions(path, runtime.environ, HOOKED)
    files = {file.written for permission in allowed for file in permission.files}
    times.update(times_of(sorted(files - times.keys())))
    # The permission is checked before anything is parsed, because parsing a hostile file may take minutes. `load_found`
    # then checks again, on the bytes that it reads.
    config = load_found(runtime) if is_as_allowed(path, allowed) else None
    if config is not None:
        refuse_shared(config.files)
    if config is None or not config.is_allowed:
        raise NotAllowed(
            "the file changed since you allowed it" if allowed else "you have not allowed the file",
            hint="`dsops hook status` shows what the file would do, `dsops hook allow` allows the file",
        )
    return config


def renewal_seconds(sessions: Sequence[Credentials], now: datetime) -> int | None:
    """Return the seconds until the session that expires first must be renewed; None if no session expires.

    A session with plenty of time left is renewed when it is no longer fresh. One with little time left is renewed when
    it is no longer usable.
    """
    left = [session.seconds_left(now) for session in sessions if session.expiration is not None]
    if not left:
        return None
    first = min(left)
    return int(max(first - FRESH_SECONDS if first > 2 * FRESH_SECONDS else first - USABLE_SECONDS, 1))


def shell_calls(shell: str, marks: Mapping[str, str], loaded: Loaded | None) -> bytes:
    """Return calls of the hook's shell functions, one per line.

    The calls name the files to watch, the variables to unset and set, and the time of the renewal.
    """
    word = quote_bytes if shell == "fish" else quote
    watch = [(b"__dsops_watch", os.fsencode(path), os.fsencode(mark)) for path, mark in marks.items()]
    lines = [b" ".join([function, word(path), word(mark)]) for function, path, mark in watch]
    if loaded:
        lines += [b"__dsops_drop %s" % name.encode() for name in loaded.removed]
        lines += [b"__dsops_put %s %s" % (name.encode(), word(value)) for name, value in loaded.values.items()]
        lines += [] if loaded.seconds is None else [b"__dsops_until %d" % loaded.seconds]
    return b"".join(line + b"\n" for line in lines)


def hook_code(shell: str, words: Sequence[str]) -> bytes:
    """Return the hook's code for a shell. `words` is the command line that starts dsops."""
    module = __import__(f"dsops.hook.{shell}", fromlist=["CODE"])
    word = quote_bytes if shell == "fish" else quote
    code: str = module.CODE
    return code.lstrip().encode().replace(b"@DSOPS@", b" ".join(word(os.fsencode(part)) for part in words))
