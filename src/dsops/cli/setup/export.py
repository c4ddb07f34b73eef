"""`dsops export`: write stores as profiles of ~/.aws/config, for programs that use the AWS SDKs."""

from __future__ import annotations

import os
import shlex
import sys
from subprocess import list2cmdline

from dsops.aws.identity.ambient_files import config_file, content, credentials_file
from dsops.aws_config.processes import Block, ProcessProfile, merge, profile_lines
from dsops.aws_config.profiles import SourceText
from dsops.aws_config.selection import exported_stores, needs_environment, written_region
from dsops.cli.framework.command import CONFIG, SESSION_ENVIRONMENT, Arguments, Command, Flag, Group
from dsops.cli.framework.file_writing import replace_file
from dsops.cli.framework.output import answer_bytes, answer_sentence, note
from dsops.cli.framework.project import load_config
from dsops.errors import UsageError
from dsops.model import Config
from dsops.plan import find_environment
from dsops.process.dsops_command import own_program
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.text import counted

_BACKUP = ".before-dsops"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    # The file needs permission like a discovered file, because the exported profile works in every folder and the
    # permission never ends.
    types = StoreTypes()
    config = load_config(arguments, runtime, is_chosen=False)
    path, prefix, environment = config.files[0].path, arguments.text("--prefix"), arguments.text("--env")
    if environment:
        find_environment(config, environment)
    names = exported_stores(config, arguments.texts("--store"), types)
    auto = [name for name in names if needs_environment(config, name, types)]
    if auto and not environment:
        names = _without(auto, names, config, is_named=bool(arguments.texts("--store")))
    profiles = [
        ProcessProfile(
            name=f"{prefix}{name}",
            store=name,
            region=written_region(config, name),
            environment=environment if name in auto else "",
        )
        for name in names
    ]
    program = own_program(sys.argv[0], sys.executable)
    join = list2cmdline if sys.platform == "win32" else shlex.join
    lines = [(profile.name, tuple(profile_lines(profile, program, path, join))) for profile in profiles]
    block = Block(config=path, profiles=tuple(lines))
    if not arguments.switch("--write"):
        answer_bytes(block.text().encode("utf-8", "surrogateescape"))
        return 0
    _write(block, runtime)
    return 0


def _without(auto: list[str], names: list[str], config: Config, *, is_named: bool) -> list[str]:
    """Leave out stores whose session depends on an environment, since their profiles would not work."""
    shown = " and ".join(f"`{name}`" for name in auto)
    why = "`session_policy: auto` depends on an environment, and none is named"
    hint = f"name one: `--env {next(iter(config.environments), 'NAME')}`"
    left = [name for name in names if name not in auto]
    if is_named or not left:
        raise UsageError(f"can't export a profile for {shown}", why=why, hint=hint)
    note(f"{shown} left out: {why}; {hint}")
    return left


def _write(block: Block, runtime: Runtime) -> None:
    path = config_file(runtime.environ, runtime.folder)
    old = content(path) if os.path.lexists(path) else None
    text = _text(old or b"", path)
    credentials = credentials_file(runtime.environ, runtime.folder)
    new = merge(text, _text(content(credentials), credentials), block).encode("utf-8", "surrogateescape")
    if new == old:
        answer_sentence(f"{path} has these profiles already")
        return
    kept = replace_file(path, old, new, _BACKUP)
    names = ", ".join(name for name, _ in block.profiles)
    answer_sentence(f"{path} has {counted(len(block.profiles), 'profile')} of dsops: {names}")
    if kept:
        note(f"the old file is saved as {kept}")


def _text(data: bytes, path: str) -> SourceText:
    # Bytes that are not UTF-8 become surrogate escapes, which are written back as the same bytes.
    return SourceText(text=data.decode("utf-8", "surrogateescape"), shown=path)


COMMAND = Group(
    help="Make stores available to programs without dsops support.",
    commands={
        "aws-config": Command(
            help=(
                "Print an AWS profile for each store that issues a session.\n\n"
                "The credential_process of a profile is `dsops credentials`, so that the AWS CLI and SDKs get\n"
                "sessions from dsops: `aws --profile STORE ...`.\n\n"
                "With --write, the profiles are written into ~/.aws/config, between two comments that name the\n"
                "configuration. Earlier profiles between these comments are replaced, everything else stays byte\n"
                f"for byte, and the old file is saved beside it ({_BACKUP}). Other profiles of the same name are\n"
                "never replaced.\n\n"
                "For a store with `session_policy: auto`, --env names the environment of its profile."
            ),
            run=_run,
            flags=(
                CONFIG,
                SESSION_ENVIRONMENT,
                Flag(
                    "--store",
                    "export only this store",
                    value="STORE",
                    own_variable="DSOPS_EXPORT_STORE",
                    is_repeatable=True,
                ),
                Flag(
                    "--prefix",
                    "put this text before each store's name to make the profile's name",
                    value="TEXT",
                    own_variable="DSOPS_EXPORT_PREFIX",
                ),
                Flag("--write", "write the profiles into ~/.aws/config", "switch", own_variable="DSOPS_EXPORT_WRITE"),
            ),
        )
    },
)
