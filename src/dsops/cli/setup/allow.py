"""`dsops allow`, and the same as a question: a configuration that was found does nothing before the user says so."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.cli.framework.command import CONFIG, Arguments, Command, Flag
from dsops.cli.framework.output import Json, answer, answer_json
from dsops.cli.framework.project import read_config, shown_path
from dsops.config import RUNNING, load
from dsops.config.allow import allow, disallow, not_allowed, permissions, refuse_shared
from dsops.config.files import digest
from dsops.config.find import find
from dsops.config.powers import Power, powers_of
from dsops.errors import ConfigNotFound, DsopsError
from dsops.model import Config
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.text import clean

_FEW, _LINE_CHARACTERS = 16, 80
"""What is in sight on a small screen."""


def ask_permission(config: Config, runtime: Runtime) -> Config:
    """The same configuration, allowed by the person at the terminal. Raises NotAllowed without a yes.

    What was read is what is shown, remembered and carried out: the file is not read a second time.
    """
    refuse_shared(config.files)
    powers, file = powers_of(config, StoreTypes()), config.files[0].shown
    question = [f"dsops: you have not allowed {file} as it is now.", *shown(config, powers, runtime), *_counted(powers)]
    # Line by line: a newline of the file's would be a line of the question.
    lines = [clean(line) for line in (*question, f"Allow {config.files[0].written}? [y/N] ")]
    answered = runtime.confirm("\n".join(lines))
    if not answered:
        flags = "" if _is_found(config, runtime) else f" --config {file}"
        raise not_allowed(file, "" if answered is None else "you were asked, and did not say yes", flags=flags)
    allow(config.files, runtime.environ, powers=[power.line for power in powers])
    return config._replace(is_allowed=True)


def _counted(powers: list[Power]) -> Iterator[str]:
    """How many there are of each kind, where they do not fit on a screen: the first ones are out of sight."""
    if len(powers) > _FEW or sum(len(power.line) for power in powers) > _FEW * _LINE_CHARACTERS:
        does = [power.does for power in powers]
        counts = ", ".join(f"{each} ({does.count(each)})" for each in dict.fromkeys(does))
        yield f"Above are {len(powers)} lines: {counts}."


def remember_written(path: str, data: bytes, runtime: Runtime) -> None:
    """Allows a configuration that a command has just written, unless there is more in it than these bytes."""
    try:
        config = load(folder=runtime.folder, environ=runtime.environ, named=path, types=StoreTypes())
        if [file.sha256 for file in config.files] == [digest(data)]:
            allow(config.files, runtime.environ, powers=[each.line for each in powers_of(config, StoreTypes())])
    except DsopsError:
        return  # then the first command that uses it asks


def _is_found(config: Config, runtime: Runtime) -> bool:
    """Whether `dsops allow` finds the file by itself."""
    try:
        return find(runtime.folder, runtime.environ) == config.files[0].written
    except ConfigNotFound:
        return False


def shown(config: Config, powers: list[Power], runtime: Runtime, what: str = RUNNING) -> Iterator[str]:
    """What the configuration can do; where it was allowed before, what is new since then and what is gone."""
    lines = [power.line for power in powers]
    yield "It can do this:" if lines else "It can do nothing."
    yield from (f"  {line}" for line in lines)
    before = permissions(config.files[0].written, runtime.environ, what)
    if not before:
        return
    old = before[0].powers
    gone = [f"- {line}" for line in old if line not in lines]
    new = [f"+ {line}" for line in lines if line not in old]
    yield "Since you allowed it, this has changed:" if gone or new else "It could do the same when you allowed it."
    yield from (f"  {line}" for line in (*gone, *new))


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if arguments.switch("--revoke"):
        return _revoke(arguments, runtime)
    config = read_config(arguments, runtime)
    powers = powers_of(config, StoreTypes())
    lines = list(shown(config, powers, runtime))
    allow(config.files, runtime.environ, powers=[power.line for power in powers])
    if arguments.switch("--json"):
        _answer_json(config, powers, is_allowed=True)
        return 0
    for line in lines:
        answer(clean(line))
    answer(clean(f"{shown_path(config, runtime)} is allowed as it is now"))
    return 0


def _revoke(arguments: Arguments, runtime: Runtime) -> int:
    config = read_config(arguments, runtime)
    was_allowed = disallow(config.files[0].written, runtime.environ)
    if arguments.switch("--json"):
        _answer_json(config, powers_of(config, StoreTypes()), is_allowed=False)
        return 0
    text = "is not allowed any more" if was_allowed else "was not allowed"
    answer(clean(f"{shown_path(config, runtime)} {text}"))
    return 0


def _answer_json(config: Config, powers: list[Power], *, is_allowed: bool) -> None:
    files: list[Json] = [{"path": file.written, "target": file.path, "sha256": file.sha256} for file in config.files]
    told: list[Json] = [
        {
            "does": power.does,
            "text": power.text,
            "path": power.path,
            "family": power.family or None,
            "where": power.where._asdict(),
        }
        for power in powers
    ]
    answer_json({"is_allowed": is_allowed, "files": files, "powers": told})


COMMAND = Command(
    help=(
        "Shows what the configuration found here can do, and allows it: which roles it assumes, which of\n"
        "your files, profiles and variables it uses, which commands it runs, which addresses it calls, and\n"
        "every variable that it sets, those marked that programs take orders from (LD_PRELOAD, PIP_*).\n"
        "Before that, dsops carries out nothing of it; on a terminal, it asks. Any change asks again, and\n"
        "shows the difference. A configuration that is named (--config, DSOPS_CONFIG) is not asked about."
    ),
    run=_run,
    flags=(CONFIG, Flag("--revoke", "take it back", "switch")),
)
