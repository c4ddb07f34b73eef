"""`dsops allow`: show what a discovered configuration can do, and allow it."""

from __future__ import annotations

from dsops.cli.framework.command import CONFIG, Arguments, Command, Flag
from dsops.cli.framework.output import Json, answer, answer_json, answer_sentence
from dsops.cli.framework.permission import power_lines
from dsops.cli.framework.project import read_config
from dsops.cli.framework.screen import wrapped
from dsops.config import load
from dsops.config.allow import allow, disallow
from dsops.config.capabilities import Power, powers_of
from dsops.config.files import digest
from dsops.errors import DsopsError
from dsops.model import Config
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.text import clean


def remember_written(path: str, data: bytes, runtime: Runtime) -> None:
    """Allow a configuration that a command has just written, unless it was changed or includes other files."""
    try:
        config = load(folder=runtime.folder, environ=runtime.environ, named=path, types=StoreTypes())
        if [file.sha256 for file in config.files] == [digest(data)]:
            allow(config.files, runtime.environ, powers=[each.line for each in powers_of(config, StoreTypes())])
    except DsopsError:
        return  # dsops asks the user when a command first uses the file


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if arguments.switch("--revoke"):
        return _revoke(arguments, runtime)
    config = read_config(arguments, runtime)
    powers = powers_of(config, StoreTypes())
    lines = list(power_lines(config, powers, runtime))
    allow(config.files, runtime.environ, powers=[power.line for power in powers])
    if arguments.switch("--json"):
        _answer_json(config, powers, is_allowed=True)
        return 0
    for line in lines:
        answer(wrapped(clean(line), 1))
    answer_sentence(f"{config.files[0].shown} is allowed with its current content")
    return 0


def _revoke(arguments: Arguments, runtime: Runtime) -> int:
    config = read_config(arguments, runtime)
    was_allowed = disallow(config.files[0].written, runtime.environ)
    if arguments.switch("--json"):
        _answer_json(config, powers_of(config, StoreTypes()), is_allowed=False)
        return 0
    text = "is not allowed any more" if was_allowed else "was not allowed"
    answer_sentence(f"{config.files[0].shown} {text}")
    return 0


def _answer_json(config: Config, powers: list[Power], *, is_allowed: bool) -> None:
    files: list[Json] = [{"path": file.written, "target": file.path, "sha256": file.sha256} for file in config.files]
    power_values: list[Json] = [
        {
            "does": power.does,
            "text": power.text,
            "path": power.path,
            "family": power.family or None,
            "where": {"file": power.where.file, "line": power.where.line},
        }
        for power in powers
    ]
    answer_json({"is_allowed": is_allowed, "files": files, "powers": power_values})


COMMAND = Command(
    help=(
        "Show what the dsops.yaml in this folder or above can do, and allow it.\n"
        "\n"
        "Shows the roles that the file assumes, which of your files, profiles and variables it uses, the\n"
        "commands that it runs, the addresses that it calls, and every variable that it sets; variables that\n"
        "can make programs run code are marked (LD_PRELOAD, PIP_*). Lists your own stores and AWS profiles\n"
        "whose names the file takes. dsops does not use a file before you allow it; on a terminal, it asks\n"
        "you. After each change, it asks again and shows the difference. A configuration named by --config\n"
        "or DSOPS_CONFIG needs no permission. A command that names only stores and profiles of your own,\n"
        "none of which the file has, works without the file."
    ),
    run=_run,
    flags=(CONFIG, Flag("--revoke", "withdraw the permission", "switch")),
)
