"""Shows what a discovered configuration can do, and asks the user for permission to use it."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.config import RUNNING
from dsops.config.allow import allow, not_allowed, permissions, refuse_shared
from dsops.config.capabilities import Power, powers_of
from dsops.config.find import find
from dsops.errors import ConfigNotFound
from dsops.model import Config
from dsops.pipeline.profiles import replaced_names
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.text import clean

_FEW, _LINE_CHARACTERS = 16, 80
"""The size of a small terminal: its number of lines, and the characters of a line."""


def ask_permission(config: Config, runtime: Runtime) -> Config:
    """Ask the user to allow the configuration; return it as allowed. Raises NotAllowed without a yes.

    The content already in memory is shown, remembered as allowed, and used: the file is not read a second time.
    """
    refuse_shared(config.all_files)
    powers, file = powers_of(config, StoreTypes()), config.files[0].shown
    question = [
        f"dsops: you have not allowed the current content of {file}.",
        *power_lines(config, powers, runtime),
        *_counted(powers),
    ]
    # Each line is cleaned separately, so that a newline in the file can't forge another line of the question.
    lines = [clean(line) for line in (*question, f"Allow {config.files[0].written}? [y/N] ")]
    answered = runtime.confirm("\n".join(lines))
    if not answered:
        flags = "" if _is_found(config, runtime) else f" --config {file}"
        or_else = "" if flags else "; in another folder, your own stores and AWS profiles work without it"
        why = "" if answered is None else "you were asked, and did not say yes"
        raise not_allowed(file, why, flags=flags, or_else=or_else)
    allow(config.files, runtime.environ, powers=[power.line for power in powers])
    return config._replace(is_allowed=True)


def _counted(powers: list[Power]) -> Iterator[str]:
    """Yield a line with the number of powers of each kind, if the list of powers does not fit on a terminal."""
    if len(powers) > _FEW or sum(len(power.line) for power in powers) > _FEW * _LINE_CHARACTERS:
        kinds = [power.does for power in powers]
        counts = ", ".join(f"{kind} ({kinds.count(kind)})" for kind in dict.fromkeys(kinds))
        yield f"Above are {len(powers)} lines: {counts}."


def _is_found(config: Config, runtime: Runtime) -> bool:
    """Whether `dsops allow` finds this file without --config."""
    try:
        return find(runtime.folder, runtime.environ) == config.files[0].written
    except ConfigNotFound:
        return False


def power_lines(config: Config, powers: list[Power], runtime: Runtime, what: str = RUNNING) -> Iterator[str]:
    """Yield lines that say what the configuration can do, and what has changed since the user last allowed it."""
    lines = [power.line for power in powers]
    yield "It can do this:" if lines else "It can do nothing."
    yield from (f"  {line}" for line in lines)
    yield from (f"  replaces {line}" for line in replaced_names(config, runtime))
    before = permissions(config.files[0].written, runtime.environ, what)
    if not before:
        return
    old = before[0].powers
    gone = [f"- {line}" for line in old if line not in lines]
    new = [f"+ {line}" for line in lines if line not in old]
    yield "Since you allowed it, this has changed:" if gone or new else "It could do the same when you allowed it."
    yield from (f"  {line}" for line in (*gone, *new))
