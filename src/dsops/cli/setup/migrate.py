"""`dsops migrate`: rewrite a configuration of the original dsops for this dsops."""

from __future__ import annotations

import os

from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.file_writing import replace_file
from dsops.cli.framework.output import Json, answer_bytes, answer_json, answer_sentence, note
from dsops.cli.setup.allow import remember_written
from dsops.config import find
from dsops.errors import ConfigNotFound
from dsops.migrate.difference import shown_difference
from dsops.migrate.original import Original, read_original, refuse_problems
from dsops.migrate.rewrite import Rewritten, rewrite
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.text import counted

_BACKUP = ".before-migrate"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    named = arguments.operand("FILE")
    path = os.path.realpath(_path(named, runtime))
    shown = named or os.path.relpath(path, runtime.folder)
    original, types = read_original(path, shown), StoreTypes()
    rewritten = rewrite(original.text, original.root, shown, types)
    refuse_problems(rewritten, path, shown, runtime, types)
    new = rewritten.whole.encode()
    if arguments.switch("--write") and new != original.data:
        replace_file(path, original.data, new, _BACKUP)
        if named:  # a discovered file gets no permission: it may be hostile, and the user has not seen what it can do
            remember_written(_path(named, runtime), new, runtime)
    _show(arguments, rewritten, original, shown)
    return 0


def _path(named: str, runtime: Runtime) -> str:
    if not named:
        return find(runtime.folder, runtime.environ)
    path = os.path.join(runtime.folder, named)
    if not os.path.lexists(path):
        raise ConfigNotFound(f"there is no {named}", hint="write `dsops migrate FILE`")
    return path


def _show(arguments: Arguments, rewritten: Rewritten, original: Original, shown: str) -> None:
    changes = [f"{each.where}: {each.text}" for each in rewritten.changes]
    notes = [f"{each.where}: {each.text}" for each in rewritten.notes]
    is_written = arguments.switch("--write") and bool(changes)
    if arguments.switch("--json"):
        changed: list[Json] = [{"line": each.where.line, "change": each.text} for each in rewritten.changes]
        noted: list[Json] = [{"line": each.where.line, "note": each.text} for each in rewritten.notes]
        answer_json({"file": shown, "is_written": is_written, "changes": changed, "notes": noted})
        return
    if not changes:
        # The notes are left out: they are about configurations of the original dsops, and this file is migrated
        # already.
        answer_sentence(f"{shown} needs no change")
        return
    for each in (*changes, *notes):
        note(each)
    if is_written:
        answer_sentence(
            f"{shown} is rewritten: {counted(len(changes), 'change')}; the old file is saved as {shown}{_BACKUP}"
        )
    else:
        answer_bytes(shown_difference(original.text, rewritten, shown, original.root).encode())
        note("`--write` writes the changes")


COMMAND = Command(
    help=(
        "Convert a configuration of the original dsops to the format of this version.\n\n"
        "Old names are replaced by new ones; sections and keys without a meaning here are commented out.\n"
        "Comments, order and everything else stay. Each change is reported with its line, and so is\n"
        "everything that will work differently.\n\n"
        "Prints the difference; --write replaces the file, and saves the old file as FILE"
        f"{_BACKUP}.\n"
        "If lines can't be converted automatically, the error lists them, and nothing is written."
    ),
    run=_run,
    flags=(
        Flag(
            "--write", "write the file instead of printing the difference", "switch", own_variable="DSOPS_MIGRATE_WRITE"
        ),
    ),
    operands=(
        Operand("FILE", "the configuration (default: the dsops.yaml in this folder or above)", is_required=False),
    ),
)
